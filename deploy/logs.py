"""How a process logs: one line an event, on stderr, with the request's id, tenant and tier.

The gateway binds those three for each request; lines of libraries take the same form.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import msgspec
import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

#: What these say of each request or statement, our own lines say better.
_LOUD = ("alembic", "uvicorn.error", "uvicorn.access", "sqlalchemy", "asyncio", "httpx", "stripe")


def configure(*, log_format: str, level: str) -> None:
    """Send every line of this process, our own and the libraries', to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_ending(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _ending(log_format: str) -> list[Processor]:
    if log_format == "console":
        # Not structlog's own choice: that one shows the variables of each frame, secrets with them.
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=_encode),
    ]


def _encode(event: object, default: object = None) -> str:  # noqa: ARG001 - structlog's signature
    return msgspec.json.encode(event, enc_hook=repr).decode()
