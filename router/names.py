"""Names that people choose and names that we draw: slugs, schemas, databases, logins."""

from __future__ import annotations

import re
import secrets

from router.errors import Unprocessable

SLUG_LENGTH_MIN = 3
SLUG_LENGTH_MAX = 40
NAME_LENGTH_MAX = 200

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

#: Slugs that would be taken for a part of the platform, or lend it their authority.
RESERVED_SLUGS = frozenset(
    """
    account accounts admin api app apps assets auth billing cdn console dashboard docs domain email
    ftp gate healthz host imap internal invite localhost login logout mail metrics mx mx1 mx2 ns ns1
    ns2 null oauth onboarding openapi ops platform pop pricing public readyz root router sales
    security settings signin signup smtp sso staff static status stepwell stripe support system
    tenant tenants undefined webhook webhooks wiki www
    """.split()  # noqa: SIM905 - a list of ninety quoted words is read by nobody
)


def check_slug(slug: str) -> str:
    """Return the slug when it may name a tenant: one lower-case DNS label, not reserved."""
    if not SLUG_LENGTH_MIN <= len(slug) <= SLUG_LENGTH_MAX:
        raise Unprocessable(
            f"the slug must have {SLUG_LENGTH_MIN} to {SLUG_LENGTH_MAX} characters, "
            f"not {len(slug)}",
            field="slug",
        )
    if not is_slug(slug):
        raise Unprocessable(
            "the slug may hold a-z, 0-9 and single hyphens between them, and nothing else",
            field="slug",
        )
    if slug in RESERVED_SLUGS:
        raise Unprocessable(f"the slug {slug!r} is reserved; choose another one", field="slug")
    return slug


def is_slug(text: str) -> bool:
    """Tell whether a text could be a slug at all, reserved or not: cheap enough for every host."""
    return len(text) <= SLUG_LENGTH_MAX and _SLUG.fullmatch(text) is not None and "--" not in text


def is_identifier(text: str) -> bool:
    """Tell whether a text is an SQL identifier that needs no quotes."""
    return _IDENTIFIER.fullmatch(text) is not None


def quote(identifier: str) -> str:
    """Quote an SQL identifier. The only function that does."""
    if "\x00" in identifier:
        raise Unprocessable("an identifier can't contain NUL")
    return '"' + identifier.replace('"', '""') + '"'


def random_name(prefix: str) -> str:
    """Draw a schema, database or login name: never a slug, as every login can list them all."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(20))
