"""OpenID Connect as a relying party: the code flow with PKCE, and what an ID token must say."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote_plus, urlencode

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from router.errors import Unprocessable

if TYPE_CHECKING:
    from router.outside import Outside

#: Signatures of a key that only the provider has: an HS256 one could be made with what is public.
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
LEEWAY_S: Final = 60
AGE_S_MAX: Final = 600
SUBJECT_LENGTH_MAX: Final = 255
_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    #: The specification's default, for providers that don't say.
    token_endpoint_auth_methods_supported: tuple[str, ...] = (_BASIC,)
    #: Whether it says who it is when it sends the browser back (RFC 9207).
    authorization_response_iss_parameter_supported: bool = False


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to a provider."""

    client_id: str
    secret: str
    redirect_uri: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who logged in, by the provider's word."""

    subject: str
    email: str
    name: str


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


async def discover(outside: Outside, issuer: str) -> Provider:
    """Ask a provider for its addresses; raises Unprocessable, whatever is wrong."""
    told = await outside.get(issuer.rstrip("/") + "/.well-known/openid-configuration")
    try:
        provider = msgspec.convert(told, Provider)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"the provider {issuer} says too little of itself: {error}") from None
    if provider.issuer != issuer:
        raise Unprocessable(
            f"the provider at {issuer} calls itself {provider.issuer[:200]!r}: name it so"
        )
    for url in (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri):
        outside.check_url(url)
    return provider


def authorization_url(
    provider: Provider, client: Client, *, state: str, nonce: str, verifier: str
) -> str:
    """Return where the browser goes."""
    digest = hashlib.sha256(verifier.encode()).digest()
    told = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": "openid email profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    sign = "&" if "?" in provider.authorization_endpoint else "?"
    return f"{provider.authorization_endpoint}{sign}{urlencode(told)}"


def check_returned(provider: Provider, issuer: str | None) -> None:
    """Raise Unprocessable when the browser comes from another provider than it was sent to.

    Else that one's code would be handed to this one, which could use it (RFC 9207).
    """
    if issuer is None and not provider.authorization_response_iss_parameter_supported:
        return
    if issuer != provider.issuer:
        raise Unprocessable(
            "another identity provider sent the browser back than the one that it was sent to: "
            "begin again"
        )


async def redeem(
    outside: Outside, provider: Provider, client: Client, *, code: str, verifier: str
) -> str:
    """Change the code into an ID token, not yet believed."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": verifier,
    }
    methods = provider.token_endpoint_auth_methods_supported
    if _BASIC in methods or _POST not in methods:
        # RFC 6749 wants both parts in the form's spelling first.
        user = quote_plus(client.client_id), quote_plus(client.secret)
        told = await outside.post(provider.token_endpoint, form, user=user)
    else:
        form |= {"client_id": client.client_id, "client_secret": client.secret}
        told = await outside.post(provider.token_endpoint, form)
    try:
        return msgspec.convert(told, _Tokens).id_token
    except msgspec.ValidationError:
        raise Unprocessable("the provider gave no ID token for the code") from None


async def read_id_token(
    outside: Outside, provider: Provider, client: Client, *, id_token: str, nonce: str
) -> Person:
    """Believe an ID token, or raise Unprocessable."""
    claims = await open_id_token(outside, provider, id_token=id_token)
    return check_claims(claims, provider, client, nonce=nonce)


async def open_id_token(outside: Outside, provider: Provider, *, id_token: str) -> dict[str, Any]:
    """Return what a token says that the provider signed; whether it is for us isn't looked at."""
    told = await outside.get(provider.jwks_uri)
    try:
        # Keys of our own secret's kind are no keys: they would let HS256 in by another door.
        keys = [key for key in told["keys"] if key.get("kty") in {"RSA", "EC", "OKP"}]
        token = jwt.decode(id_token, KeySet.import_key_set({"keys": keys}), [*ALGORITHMS])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _refused(f"its signature can't be checked ({type(error).__name__})") from error
    return token.claims


def check_claims(
    claims: Mapping[str, Any], provider: Provider, client: Client, *, nonce: str
) -> Person:
    """Check what a signed ID token says; it must be meant for us, for this log-in, and for now."""
    now = time.time()
    if claims.get("iss") != provider.issuer:
        raise _refused("it is of another issuer")
    _check_audience(claims, client)
    if claims.get("nonce") != nonce:
        raise _refused("it is of another log-in")
    if not _number(claims, "exp") > now - LEEWAY_S:
        raise _refused("it has expired")
    if not now - AGE_S_MAX - LEEWAY_S < _number(claims, "iat") < now + LEEWAY_S:
        raise _refused("it wasn't made just now")
    if "nbf" in claims and not _number(claims, "nbf") < now + LEEWAY_S:
        raise _refused("it isn't valid yet")
    return _person(claims)


def _check_audience(claims: Mapping[str, Any], client: Client) -> None:
    audience = claims.get("aud")
    listed = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    if client.client_id not in listed:
        raise _refused("it is meant for another client")
    authorised = claims.get("azp")
    if (len(listed) > 1 or authorised is not None) and authorised != client.client_id:
        raise _refused("it was given to another client")


def _person(claims: Mapping[str, Any]) -> Person:
    subject, email, name = claims.get("sub"), claims.get("email"), claims.get("name")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_LENGTH_MAX:
        raise _refused("it names no subject")
    if not isinstance(email, str) or not email:
        raise _refused("it names no e-mail address: the provider must send the claim email")
    # Providers that don't say have addresses that their administrators gave.
    if claims.get("email_verified", True) not in {True, "true"}:
        raise _refused("its e-mail address isn't verified there")
    return Person(subject=subject, email=email, name=name if isinstance(name, str) else "")


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"its {name} is no time")
    try:
        return float(value)
    except OverflowError:
        raise _refused(f"its {name} is no time") from None


def _refused(reason: str) -> Unprocessable:
    return Unprocessable(f"the provider's ID token can't be believed: {reason}")
