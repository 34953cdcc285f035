"""Secrets at rest, and secrets that are derived so that they needn't rest anywhere.

A sealed value, in bytes::

    version 1 | key 4 | nonce 12 | AES-256-GCM ciphertext and tag
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from router.errors import SettingsWrong

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET_KEY_BYTES_MIN = 32
_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES
_SHA256 = hashlib.sha256()


class Sealer:
    """Seals with the first secret key and unseals with any, so that keys can be rotated.

    ``purpose`` says what a value is and whose. It is authenticated: a value that somebody moved to
    another row doesn't unseal there.
    """

    def __init__(self, secret_keys: Sequence[bytes]) -> None:
        if not secret_keys or min(map(len, secret_keys)) < SECRET_KEY_BYTES_MIN:
            raise SettingsWrong(
                f"SECRET_KEY must have at least {SECRET_KEY_BYTES_MIN} random bytes, each of them"
            )
        derived = [_derive(secret_key) for secret_key in secret_keys]
        self._seals_with = derived[0][0]
        self._ciphers = {key_id: AESGCM(key) for key_id, key in reversed(derived)}

    def seal(self, plain: bytes, *, purpose: str) -> bytes:
        """Encrypt a value for one purpose."""
        nonce = os.urandom(_NONCE_BYTES)
        head = _VERSION + self._seals_with + nonce
        sealed = self._ciphers[self._seals_with].encrypt(nonce, plain, _bound(head, purpose))
        return head + sealed

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """Decrypt a value that was sealed for this purpose; raises SettingsWrong when it wasn't."""
        head, text = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        cipher = self._ciphers.get(head[1 : 1 + _KEY_ID_BYTES])
        if head[:1] != _VERSION or cipher is None:
            raise SettingsWrong(
                f"what is sealed for {purpose!r} was sealed with another SECRET_KEY: "
                "add the old key behind the new one"
            )
        try:
            return cipher.decrypt(head[-_NONCE_BYTES:], text, _bound(head, purpose))
        except InvalidTag:
            raise SettingsWrong(
                f"what is sealed for {purpose!r} was changed or belongs to something else"
            ) from None


def derive_password(secret_key: bytes, label: str) -> str:
    """Make the password of a login: 43 characters that need no quoting in any file or URL."""
    digest = hmac.digest(secret_key, f"stepwell password {label}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def hash_token(token: str) -> bytes:
    """Hash a token for storage. It holds 256 random bits, so there is nothing to stretch."""
    # A copy, as OpenSSL looks an algorithm up by its name at each new beginning.
    started = _SHA256.copy()
    started.update(token.encode("utf-8", "surrogatepass"))
    return started.digest()


def _derive(secret_key: bytes) -> tuple[bytes, bytes]:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"stepwell seal key").derive(
        secret_key
    )
    key_id = HKDF(
        algorithm=SHA256(), length=_KEY_ID_BYTES, salt=None, info=b"stepwell seal key id"
    ).derive(secret_key)
    return key_id, key


def _bound(head: bytes, purpose: str) -> bytes:
    return head + purpose.encode()
