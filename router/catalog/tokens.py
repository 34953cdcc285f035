"""Tokens: what callers show. Each holds 256 random bits and is stored as its hash.

``stw_s_`` session · ``stw_k_id.secret`` API key · ``stw_i_`` invitation · ``stw_p_`` mailed proof
· ``stw_a_`` staff's access to one tenant. The prefix lets anybody who finds one in a log or a
repository know what it is, scanners included.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

SESSION_PREFIX: Final = "stw_s_"
KEY_PREFIX: Final = "stw_k_"
INVITATION_PREFIX: Final = "stw_i_"
ACCESS_PREFIX: Final = "stw_a_"
PROOF_PREFIX: Final = "stw_p_"
_SECRET_BYTES: Final = 32
_KEY_ID_CHARACTERS: Final = 16
_KEY_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_DRAWN = r"[A-Za-z0-9_-]{43}"
_SESSION = re.compile(SESSION_PREFIX + _DRAWN)
_KEY = re.compile(rf"{KEY_PREFIX}([a-z2-7]{{{_KEY_ID_CHARACTERS}}})\.{_DRAWN}")
_INVITATION = re.compile(INVITATION_PREFIX + _DRAWN)
_ACCESS = re.compile(ACCESS_PREFIX + _DRAWN)
_PROOF = re.compile(PROOF_PREFIX + _DRAWN)


def draw_session() -> str:
    """Draw a session's token."""
    return SESSION_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def draw_invitation() -> str:
    """Draw an invitation's token."""
    return INVITATION_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def draw_proof() -> str:
    """Draw the token that a mail carries to prove that somebody reads its address."""
    return PROOF_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def draw_secret() -> str:
    """Draw what only one browser knows, and no mail or log ever holds."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def draw_access() -> str:
    """Draw the token of an access."""
    return ACCESS_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def draw_key() -> tuple[str, str]:
    """Draw an API key: its id, which may be shown, and the whole of it, which is shown once."""
    key_id = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_ID_CHARACTERS))
    return key_id, f"{KEY_PREFIX}{key_id}.{secrets.token_urlsafe(_SECRET_BYTES)}"


def is_session(token: str) -> bool:
    """Tell whether a text could be a session's token."""
    return _SESSION.fullmatch(token) is not None


def is_invitation(token: str) -> bool:
    """Tell whether a text could be an invitation's token."""
    return _INVITATION.fullmatch(token) is not None


def is_proof(token: str) -> bool:
    """Tell whether a text could be a mailed proof."""
    return _PROOF.fullmatch(token) is not None


def is_access(token: str) -> bool:
    """Tell whether a text could be the token of an access."""
    return _ACCESS.fullmatch(token) is not None


def key_id_of(token: str) -> str | None:
    """Return the id inside a text that could be an API key."""
    found = _KEY.fullmatch(token)
    return None if found is None else found.group(1)
