"""Who uses the command line as a person: the session that `stepwell login` keeps, and its API.

The token is in a file that its owner alone may read, or in STEPWELL_TOKEN; never among the words of
a command, which everybody on the machine can list.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click
import httpx
import msgspec

from deploy.cli.shell import Failed
from deploy.settings import PREFIX
from deploy.stack.state import StateFolder
from web.api import Api, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Any, TypeVar

    _Command = TypeVar("_Command", bound=Callable[..., Any])

TOKEN: Final = PREFIX + "TOKEN"
SITE: Final = PREFIX + "SITE"
SESSION_FILE: Final = PREFIX + "SESSION_FILE"
AGENT: Final = "stepwell"
ANSWER_S_MAX: Final = 60.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_MODE: Final = 0o600


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. A token of the environment has no end that we know of."""

    site: str
    token: str
    expires_at: datetime | None = None


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A person's way to the API of a site."""

    api: Api
    session: Session

    def keep(self, token: str, expires_at: datetime) -> bool:
        """Go on with another token; False where the environment has the one before."""
        if os.environ.get(TOKEN):
            return False
        keep(Session(site=self.session.site, token=token, expires_at=expires_at))
        return True


def site_option(command: _Command) -> _Command:
    """Add ``--site``: which installation is meant."""
    return click.option(
        "--site",
        envvar=SITE,
        metavar="URL",
        help="Where the site is: else where you are logged in, else the embedded stack's.",
    )(command)


def site_at(site: str | None, state: Path) -> str:
    """Return the address of the site that a log-in is for."""
    recorded = None if site else StateFolder(state).read()
    found = site or (recorded.notes.get("site") if recorded else None)
    if not found:
        raise Failed(f"name the site with --site, or in {SITE}: no stack runs in {state}")
    return _checked(found)


def session_at(site: str | None, state: Path) -> Session:
    """Return who is logged in: by the environment, else by the file."""
    if token := os.environ.get(TOKEN, "").strip():
        return Session(site=site_at(site, state), token=token)
    known = _read()
    if known is None:
        raise Failed("nobody is logged in: `stepwell login`")
    if site and _checked(site) != known.site:
        raise Failed(f"you are logged in at {known.site}: `stepwell login --site {site}`")
    if known.expires_at is not None and known.expires_at <= datetime.now(UTC):
        raise Failed(f"your session at {known.site} has ended: `stepwell login`")
    return known


@contextlib.asynccontextmanager
async def api_at(site: str, token: str | None = None) -> AsyncGenerator[Api]:
    """Lend the API of a site; what it refuses, and its absence, become one sentence."""
    # A proxy of the environment is for the world outside.
    is_here = urlsplit(site).hostname in _LOOPBACK
    async with httpx.AsyncClient(
        base_url=site, timeout=ANSWER_S_MAX, trust_env=not is_here
    ) as client:
        try:
            yield Api(client, token=token, address=None, agent=AGENT)
        except Refused as refused:
            ended = token is not None and refused.is_(HTTPStatus.UNAUTHORIZED)
            more = ": `stepwell login`" if ended else ""
            raise Failed(refused.problem.detail + more) from refused
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failed(
                f"{site} can't be reached: {str(error) or type(error).__name__}"
            ) from error
        except msgspec.MsgspecError as error:
            raise Failed(f"{site} answers, and not as Stepwell does: {error}") from error


@contextlib.asynccontextmanager
async def calling(site: str | None, state: Path) -> AsyncGenerator[Caller]:
    """Lend the API as who is logged in."""
    session = session_at(site, state)
    async with api_at(session.site, session.token) as api:
        yield Caller(api=api, session=session)


def keep(session: Session) -> None:
    """Write the file, which nobody else may ever read, not even while it is written."""
    path = _path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
            file.write(msgspec.json.encode(session))
        beside.replace(path)
    except OSError as error:
        raise Failed(f"{path} can't be written: {error.strerror}") from error


def forget() -> None:
    """Delete the file, if there is one."""
    _path().unlink(missing_ok=True)


def ask_secret(question: str, *, twice: bool = False) -> str:
    """Ask on the terminal without showing what is typed; elsewhere read a line of stdin."""
    if sys.stdin.isatty():
        answer: str = click.prompt(
            question, hide_input=True, err=True, confirmation_prompt=twice, default=""
        )
        return answer
    return sys.stdin.readline().rstrip("\r\n")


def _read() -> Session | None:
    path = _path()
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Failed(f"others may read {path}: `chmod 600` it, or log in anew")
        return msgspec.json.decode(path.read_bytes(), type=Session)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failed(f"{path} can't be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise Failed(f"{path} holds no session: `stepwell login`") from error


def _path() -> Path:
    named = os.environ.get(SESSION_FILE, "").strip()
    return Path(named) if named else Path(click.get_app_dir("stepwell")) / "session.json"


def _checked(site: str) -> str:
    """Return the site's address as it is kept; a token goes nowhere in the clear."""
    try:
        parts = urlsplit(site.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.username or parts.scheme not in {"http", "https"}:
        raise Failed(f"{site[:100]!r} is no address of a site: https://stepwell.example.com is one")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise Failed(f"{site[:100]} isn't encrypted: name it with https://")
    spelled = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{spelled}" + (f":{port}" if port else "")
