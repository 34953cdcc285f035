"""The way to the SMTP server, and what its refusals mean for a letter."""

from __future__ import annotations

import contextlib
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from router.errors import SettingsWrong

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SMTP_PORT = 25
SUBMISSION_PORT = 587
TLS_PORT = 465
#: For each answer of the server.
ANSWER_S_MAX = 20.0
#: From this code on the server's no is for good (RFC 5321, 4.2.1).
_FOR_GOOD = 500


class SmtpAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where our mail is taken. ``is_tls``: from the first byte; else it begins where it can."""

    host: str
    port: int
    is_tls: bool = False
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"<{self.host}:{self.port}>"


class NotTaken(Exception):
    """The server didn't take a letter, or nobody reached it.

    ``is_final``: it never will take this one. ``is_away``: it takes no other one now either.
    """

    def __init__(self, reason: str, *, is_final: bool = False, is_away: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final
        self.is_away = is_away


def read_smtp_url(url: str) -> SmtpAddress:
    """Read the setting; raises SettingsWrong, which never repeats the password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if host is None or (parts.path not in {"", "/"}) or parts.query or parts.fragment:
        raise SettingsWrong(
            "STEPWELL_SMTP_URL must look like smtp://user:password@host:587 or smtps://host; "
            "quote characters of the password as in any URL"
        )
    is_tls = parts.scheme == "smtps"
    has_password = parts.password is not None
    default = TLS_PORT if is_tls else SUBMISSION_PORT if has_password else SMTP_PORT
    return SmtpAddress(
        host=host,
        port=port or default,
        is_tls=is_tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password is not None else None,
    )


@contextlib.asynccontextmanager
async def reach(address: SmtpAddress) -> AsyncGenerator[aiosmtplib.SMTP]:
    """Open a connection for some letters; raises NotTaken when there is none to be had.

    A password never travels in the clear: with one, a server that offers no TLS is refused.
    """
    client = aiosmtplib.SMTP(
        hostname=address.host,
        port=address.port,
        use_tls=address.is_tls,
        start_tls=None if address.is_tls or address.password is None else True,
        username=address.user,
        password=address.password,
        timeout=ANSWER_S_MAX,
    )
    try:
        await client.connect()
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        raise NotTaken(_told(error, address), is_away=True) from error
    try:
        yield client
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit()
    finally:
        # Whoever was broken off says no farewell: it would wait behind the command that was.
        client.close()


async def hand_over(client: aiosmtplib.SMTP, message: EmailMessage) -> None:
    """Give one letter to the server; raises NotTaken."""
    try:
        await client.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        is_final = refused.code >= _FOR_GOOD
        raise NotTaken(f"{refused.code} {refused.message}", is_final=is_final) from error
    except aiosmtplib.SMTPSenderRefused as error:
        # It is our own address that it refuses: the operator corrects that, and no letter is lost.
        raise NotTaken(f"{error.code} {error.message}: STEPWELL_MAIL_FROM is refused") from error
    except aiosmtplib.SMTPResponseException as error:
        is_away = error.code == aiosmtplib.SMTPStatus.domain_unavailable
        is_final = error.code >= _FOR_GOOD
        raise NotTaken(
            f"{error.code} {error.message}", is_final=is_final, is_away=is_away
        ) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotTaken(str(error) or type(error).__name__, is_away=True) from error


def _told(error: Exception, address: SmtpAddress) -> str:
    said = str(error) or type(error).__name__
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        said = f"the server refuses the log-in: {error.code} {error.message}"
    return f"{address.host}:{address.port}: {said}"
