"""``python -P -m deploy.mailbox``: take mail on loopback, and keep it in a folder."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click
from aiosmtpd.smtp import SMTP

from deploy.mailbox.folder import LETTER_BYTES_MAX, MailFolder
from deploy.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session


class Keeper:
    """aiosmtpd's handler: every address has a mailbox here."""

    def __init__(self, folder: MailFolder) -> None:
        self._folder = folder

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a letter once it is in the folder."""
        del server, session
        content = envelope.content
        assert isinstance(content, bytes), "decode_data is off"
        try:
            await asyncio.to_thread(self._folder.put, content)
        except OSError as error:
            return f"452 the letter can't be kept: {error.strerror or error}"
        return "250 kept"


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the letters lie.",
)
def main(*, port: int, folder: Path) -> None:
    """Take mail for development and tests: nothing leaves this machine."""
    asyncio.run(serve(port, MailFolder(folder)))


async def serve(port: int, folder: MailFolder) -> None:
    """Serve until SIGTERM or SIGINT; raises ClickException where somebody else has the port."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keeper = Keeper(folder)
    try:
        server = await loop.create_server(
            lambda: SMTP(keeper, hostname="localhost", data_size_limit=LETTER_BYTES_MAX, loop=loop),
            LOOPBACK,
            port,
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(f"{LOOPBACK}:{port} can't be listened on ({reason})") from error
    async with server:
        await stop.wait()


if __name__ == "__main__":
    main()
