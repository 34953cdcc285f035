"""Passkeys over HTTP: register, log in without a password, list, rename, remove.

A passkey is two factors in one: it verifies the person on the device, so nothing is asked on top.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Annotated, Any, Final, cast
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    generate_challenge,
    options_to_json_dict,
    parse_client_data_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from router.api import throttle
from router.api.entering import LoggedIn, check_recent, enter, own_account
from router.api.errand import AccountErrand, Errand
from router.api.shapes import List, Name, Password
from router.catalog import accounts, passkeys
from router.catalog.letters import Letter
from router.catalog.passkeys import NewPasskey, Passkey
from router.errors import NotAllowed, NotAuthenticated, Unprocessable

RP_NAME: Final = "Stepwell"
_TEXT_LENGTH_MAX: Final = 20_000
#: No authenticator's is longer; an index takes no much longer one.
CREDENTIAL_ID_BYTES_MAX: Final = 1_023
PUBLIC_KEY_BYTES_MAX: Final = 4_096
_REFUSED: Final = "this passkey opens no account here"
#: What the library raises of what is no credential at all: it reads some of it unchecked.
_UNREADABLE: Final = (
    WebAuthnException,
    UnsupportedAlgorithm,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
_Text = Annotated[str, Meta(max_length=_TEXT_LENGTH_MAX)]


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator answers, as the browser's toJSON() spells it."""

    clientDataJSON: _Text  # noqa: N815 - the browser's name
    attestationObject: _Text | None = None  # noqa: N815 - the browser's name
    authenticatorData: _Text | None = None  # noqa: N815 - the browser's name
    signature: _Text | None = None
    userHandle: _Text | None = None  # noqa: N815 - the browser's name


class PublicKeyCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential, as the browser's toJSON() spells it; what else it says is left aside."""

    id: Annotated[str, Meta(max_length=1_500)]
    rawId: Annotated[str, Meta(max_length=1_500)]  # noqa: N815 - the browser's name
    response: Signed
    type: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser hands to its authenticators: `navigator.credentials` takes it as it is."""

    options: dict[str, Any]


class Asking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password, unless the log-in was a moment ago."""

    password: Password | None = None


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new passkey, and what its person calls it."""

    name: Name
    credential: PublicKeyCredential


class Assertion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A passkey that signed the challenge."""

    credential: PublicKeyCredential


class NewName(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the passkey is called from now on."""

    name: Name


class PasskeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey of yours."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeyShown:
        """Show a passkey."""
        return cls(
            id=passkey.id,
            name=passkey.name,
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
        )


@post(
    "/passkeys/options", status_code=200, tags=["passkeys"], summary="Begin to register a passkey"
)
async def ask_registration(errand: NamedDependency[AccountErrand], data: JSONBody[Asking]) -> Asked:
    """Good for five minutes. The account's address must be proved."""
    account = await own_account(errand)
    if account.email_verified_at is None:
        raise NotAllowed(
            f"{account.email} isn't proved yet: somebody else may have signed up with it"
        )
    await check_recent(errand, account, data.password)
    challenge, connection = generate_challenge(), await errand.connection()
    known = await passkeys.list_all(connection, account.id)
    await passkeys.ask(connection, challenge, account_id=account.id)
    options = generate_registration_options(
        rp_id=_rp_id(errand),
        rp_name=RP_NAME,
        user_id=account.id.bytes,
        user_name=account.email,
        user_display_name=account.name or account.email,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=each.credential_id) for each in known
        ],
    )
    return Asked(options=options_to_json_dict(options))


@post("/passkeys", status_code=201, tags=["passkeys"], summary="Register a passkey")
async def register_passkey(
    errand: NamedDependency[AccountErrand], data: JSONBody[Registration]
) -> PasskeyShown:
    """The challenge works once, and for the account that asked for it."""
    account = await own_account(errand)
    challenge = _challenge(data.credential)
    # Used up whatever follows: a refused request takes its own transaction back.
    async with errand.parts.catalog.connection() as used:
        await passkeys.answer(used, challenge, account_id=account.id)
    try:
        verified = verify_registration_response(
            credential=_plain(data.credential),
            expected_challenge=challenge,
            expected_rp_id=_rp_id(errand),
            expected_origin=errand.parts.site_url,
            require_user_verification=True,
        )
    except _UNREADABLE as error:
        raise Unprocessable(f"this passkey can't be taken: {str(error)[:200]}") from error
    _check_stored(data.credential, verified)
    new = NewPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        name=data.name,
    )
    added = await passkeys.add(await errand.connection(), account.id, new)
    await errand.note("passkey.add", added.id, tenant_id=None, detail={"name": added.name})
    values = {"name": added.name}
    await errand.write(Letter(kind="passkey", recipient=account.email, values=values))
    return PasskeyShown.of(added)


@post(
    "/login/passkey/options",
    status_code=200,
    tags=["passkeys"],
    summary="Begin to log in with a passkey",
    security=[{}],
)
async def ask_passkey(errand: NamedDependency[Errand]) -> Asked:
    """Names no account: the person's device knows which it has for us."""
    await throttle.take(errand, throttle.PASSKEY, about=errand.source)
    challenge = generate_challenge()
    await passkeys.ask(await errand.connection(), challenge, account_id=None)
    options = generate_authentication_options(
        rp_id=_rp_id(errand),
        challenge=challenge,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(options=options_to_json_dict(options))


@post(
    "/login/passkey",
    status_code=200,
    tags=["passkeys"],
    summary="Log in with a passkey",
    security=[{}],
)
async def log_in_with_passkey(
    errand: NamedDependency[Errand], data: JSONBody[Assertion]
) -> LoggedIn:
    """The challenge works once. Whatever is wrong, the answer is the same."""
    taken = await throttle.take(errand, throttle.PASSKEY, about=errand.source)
    challenge = _challenge(data.credential)
    async with errand.parts.catalog.connection() as connection:
        await passkeys.answer(connection, challenge, account_id=None)
        passkey = await passkeys.find(connection, _bytes(data.credential.rawId))
    if passkey is None or not _names(data.credential, passkey):
        raise NotAuthenticated(_REFUSED)
    try:
        verified = verify_authentication_response(
            credential=_plain(data.credential),
            expected_challenge=challenge,
            expected_rp_id=_rp_id(errand),
            expected_origin=errand.parts.site_url,
            credential_public_key=passkey.public_key,
            # The catalog compares the counts, together with writing the new one.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _UNREADABLE as error:
        raise NotAuthenticated(_REFUSED) from error
    connection = await errand.connection()
    await passkeys.note_used(connection, passkey, sign_count=verified.new_sign_count)
    account = await accounts.find_by_id(connection, passkey.account_id)
    if account is None:
        raise NotAuthenticated(_REFUSED)
    await throttle.forgive(errand, taken)
    return await enter(errand, account)


@get("/passkeys", tags=["passkeys"], summary="Your passkeys")
async def list_passkeys(errand: NamedDependency[AccountErrand]) -> List[PasskeyShown]:
    """The oldest first."""
    account = await own_account(errand)
    async with errand.parts.catalog.connection() as connection:
        found = await passkeys.list_all(connection, account.id)
    return List(items=[PasskeyShown.of(each) for each in found])


@patch("/passkeys/{passkey_id:uuid}", tags=["passkeys"], summary="Rename a passkey")
async def rename_passkey(
    errand: NamedDependency[AccountErrand], passkey_id: FromPath[UUID], data: JSONBody[NewName]
) -> PasskeyShown:
    """The name is only for its person."""
    account = await own_account(errand)
    connection = await errand.connection()
    return PasskeyShown.of(await passkeys.rename(connection, account.id, passkey_id, data.name))


@delete("/passkeys/{passkey_id:uuid}", tags=["passkeys"], summary="Remove a passkey")
async def remove_passkey(
    errand: NamedDependency[AccountErrand], passkey_id: FromPath[UUID]
) -> None:
    """It opens nothing from now on; sessions that it opened stay."""
    account = await own_account(errand)
    await passkeys.remove(await errand.connection(), account.id, passkey_id)
    await errand.note("passkey.remove", passkey_id, tenant_id=None)


def _rp_id(errand: Errand) -> str:
    return urlsplit(errand.parts.site_url).hostname or ""


def _challenge(credential: PublicKeyCredential) -> bytes:
    """Return the challenge that the authenticator says it signed; the catalog knows ours."""
    try:
        return parse_client_data_json(_bytes(credential.response.clientDataJSON)).challenge
    except _UNREADABLE:
        raise Unprocessable("the credential's clientDataJSON can't be read") from None


def _check_stored(credential: PublicKeyCredential, verified: VerifiedRegistration) -> None:
    """The library doesn't compare what the browser calls the key with what its device does."""
    known = verified.credential_id
    is_short = len(known) <= CREDENTIAL_ID_BYTES_MAX
    if not is_short or len(verified.credential_public_key) > PUBLIC_KEY_BYTES_MAX:
        raise Unprocessable("this passkey can't be taken: its id or its key is too long")
    if not known or known != _bytes(credential.rawId):
        raise Unprocessable("this passkey can't be taken: it goes by two ids")


def _names(credential: PublicKeyCredential, passkey: Passkey) -> bool:
    """Tell whether the device says the same as we do of whose passkey it is."""
    handle = credential.response.userHandle
    return handle is not None and _bytes(handle) == passkey.account_id.bytes


def _bytes(text: str) -> bytes:
    try:
        return base64url_to_bytes(text)
    except ValueError:
        raise Unprocessable("the credential isn't spelled in base64url") from None


def _plain(credential: PublicKeyCredential) -> dict[str, Any]:
    told = cast("dict[str, Any]", msgspec.to_builtins(credential))
    response = cast("dict[str, Any]", told["response"])
    told["response"] = {name: value for name, value in response.items() if value is not None}
    return told
