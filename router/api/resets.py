"""Forgotten passwords: a mail brings what sets a new one."""

from __future__ import annotations

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from router.api import throttle
from router.api.accounts import (
    Forgotten,
    Mailed,
    ProofShown,
    mailed,
    send_proof,
    steady,
    take_proof,
)
from router.api.errand import Errand
from router.api.shapes import Password, Word
from router.catalog import accounts, proofs
from router.catalog.accounts import check_email
from router.catalog.letters import Letter
from router.catalog.passwords import check_password
from router.catalog.proofs import Purpose


class Reset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mail said, and the new password."""

    token: Word
    password: Password


@post(
    "/password/forgot",
    status_code=202,
    tags=["accounts"],
    summary="Have a mail sent that sets a new password",
    security=[{}],
)
async def forget_password(errand: NamedDependency[Errand], data: JSONBody[Forgotten]) -> Mailed:
    """An unknown address gets no mail; the answer is the same."""
    email = check_email(data.email)
    await throttle.take(errand, throttle.MAIL, about=email)
    async with steady():
        async with errand.parts.catalog.connection() as connection:
            known = await accounts.find_by_email(connection, email)
        if known is not None:
            await send_proof(errand, known.id, Purpose.RESET, email=email)
        await errand.commit()
    return mailed(email)


@post(
    "/password/reset",
    status_code=204,
    tags=["accounts"],
    summary="Set a new password with what the mail said",
    security=[{}],
)
async def reset_password(errand: NamedDependency[Errand], data: JSONBody[Reset]) -> None:
    """Ends every session; log in with the new one. The token works once."""
    check_password(data.password)
    password_hash = await errand.parts.passwords.hash(data.password)
    proven = await take_proof(errand, Purpose.RESET, ProofShown(token=data.token))
    connection = await errand.connection()
    account = await accounts.confirm(connection, proven.account_id)
    await accounts.set_password(connection, account.id, password_hash)
    await proofs.end_all(connection, account.id)
    errand.actor = f"account:{account.id}"
    await errand.note("account.reset_password", account.id, tenant_id=None)
    await errand.write(Letter(kind="password", recipient=account.email))
