"""An authenticator of software: one ES256 key, attestation `none`, as WebAuthn spells it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from tests.gateways import SITE

ORIGIN = f"https://{SITE}"
_PRESENT, _VERIFIED, _HAS_KEY = 0x01, 0x04, 0x40


class Authenticator:
    """One device with one key. What it signs can be made as wrong as a test wants it."""

    def __init__(self, *, origin: str = ORIGIN, rp_id: str = SITE) -> None:
        self.origin = origin
        self.rp_id = rp_id
        self.id = secrets.token_bytes(16)
        self.user_handle = b""
        self.sign_count = 0
        self.is_verified = True
        self._key = ec.generate_private_key(ec.SECP256R1())

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer to `navigator.credentials.create`."""
        self.user_handle = unspell(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        stored = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(public)
        data = self._data(_HAS_KEY) + stored
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        told = self._told("webauthn.create", options["challenge"])
        return self._credential(clientDataJSON=told, attestationObject=attested)

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer to `navigator.credentials.get`."""
        self.sign_count += 1
        told = self._told("webauthn.get", options["challenge"])
        data = self._data()
        signature = self._key.sign(data + hashlib.sha256(told).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            clientDataJSON=told,
            authenticatorData=data,
            signature=signature,
            userHandle=self.user_handle,
        )

    def _told(self, kind: str, challenge: str) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(told).encode()

    def _data(self, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.is_verified else 0)
        rp = hashlib.sha256(self.rp_id.encode()).digest()
        return rp + bytes([flags]) + self.sign_count.to_bytes(4)

    def _credential(self, **parts: bytes) -> dict[str, Any]:
        response = {name: spell(value) for name, value in parts.items()}
        known = spell(self.id)
        return {"id": known, "rawId": known, "type": "public-key", "response": response}


def spell(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unspell(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "===")
