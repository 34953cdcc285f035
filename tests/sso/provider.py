"""A small OpenID provider on loopback: discovery, keys, codes with PKCE, signed tokens."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey

from deploy.stack.ports import LOOPBACK
from tests.gateways import SITE

CLIENT_ID = "stepwell-at-acme"
SECRET = "the provider's secret"
REDIRECT = f"https://{SITE}/login/sso/return"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """What a code stands for."""

    challenge: str
    redirect_uri: str
    nonce: str
    email: str
    subject: str


class Provider:
    """One provider. What it says can be made as wrong as a test wants it."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "one"})
        self.port = 0
        #: Claims that are said instead; None leaves one out.
        self.claims: dict[str, Any] = {}
        #: Set to give this token instead of a signed one.
        self.token: str | None = None
        #: Set to call itself so.
        self.name: str | None = None
        self.moved_to: str | None = None
        #: Whether it says who it is when it sends a browser back.
        self.tells_issuer = False
        self.is_down = False
        self.asked: list[str] = []
        #: Where browsers are sent back to, and who they log in there.
        self.redirect = REDIRECT
        self.person: str | None = None
        self._location = ""
        self.codes: dict[str, Code] = {}

    @property
    def issuer(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def authorize(self, url: str, email: str, subject: str | None = None) -> dict[str, str]:
        """Log somebody in; returns what the browser is sent back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["redirect_uri"], asked["code_challenge_method"]) == (self.redirect, "S256")
        code = secrets.token_urlsafe()
        self.codes[code] = Code(
            challenge=asked["code_challenge"],
            redirect_uri=asked["redirect_uri"],
            nonce=asked["nonce"],
            email=email,
            subject=subject or email,
        )
        told = {"code": code, "state": asked["state"]}
        return told | {"iss": self.issuer} if self.tells_issuer else told

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append(path)
        status, told = (503, {}) if self.is_down else self._answer(path, head, body.decode())
        content = json.dumps(told).encode()
        moved = f"Location: {self._location}\r\n" if status == 302 else ""
        writer.write(
            f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n{moved}"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()

    def _answer(self, path: str, head: str, body: str) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            if self.moved_to is not None:
                self._location = self.moved_to
                return 302, {}
            return 200, {
                "issuer": self.name or self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "authorization_response_iss_parameter_supported": self.tells_issuer,
            }
        if path.startswith("/authorize?") and self.person is not None:
            back = self.authorize(path, self.person)
            self._location = f"{self.redirect}?{urlencode(back)}"
            return 302, {}
        if path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        return self._redeem(head, body) if path == "/token" else (404, {})

    def _redeem(self, head: str, body: str) -> tuple[int, dict[str, Any]]:
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        code = self.codes.pop(asked["code"], None)
        user = base64.b64encode(f"{CLIENT_ID}:the+provider%27s+secret".encode()).decode()
        digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
        spelled = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if code is None or f"Basic {user}" not in head or spelled != code.challenge:
            return 400, {"error": "invalid_grant"}
        if asked["redirect_uri"] != code.redirect_uri:
            return 400, {"error": "invalid_grant"}
        return 200, {"id_token": self.token or self.sign(self.said(code))}

    def said(self, code: Code) -> dict[str, Any]:
        now = int(time.time())
        told = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": code.subject,
            "email": code.email,
            "email_verified": True,
            "nonce": code.nonce,
            "iat": now,
            "exp": now + 300,
            **self.claims,
        }
        return {name: value for name, value in told.items() if value is not None}

    def sign(self, claims: dict[str, Any]) -> str:
        # Not by the library's own claims, which take no half characters.
        told = json.dumps(claims).encode()
        return jws.serialize_compact({"alg": "ES256", "kid": "one"}, told, self.key, ["ES256"])


@contextlib.asynccontextmanager
async def provider_on_loopback() -> AsyncGenerator[Provider]:
    made = Provider()
    server = await asyncio.start_server(made.serve, LOOPBACK, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
