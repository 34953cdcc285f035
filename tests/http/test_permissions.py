"""Roles and calls: each role may do what it says, and nothing else, on every platform route.

The routes come from the served document: a new one without a line here fails the first test.
"""

from __future__ import annotations

import uuid

import pytest

from router.catalog.roles import SHIPPED, Permission
from tests.gateways import Customer, GatewayWorld, bearer, expect, make_key, sign_up

_ANYBODY = None
_P = Permission
#: What each call of a member takes, by method and path of the document.
TAKES: dict[tuple[str, str], Permission | None] = {
    ("get", "/api/tenant"): _ANYBODY,
    ("patch", "/api/tenant"): _P.SETTINGS_WRITE,
    ("get", "/api/location"): _ANYBODY,
    ("get", "/api/moves"): _ANYBODY,
    ("get", "/api/moves/{move_id}"): _ANYBODY,
    ("get", "/api/moves/{move_id}/events"): _ANYBODY,
    ("get", "/api/usage"): _ANYBODY,
    ("get", "/api/usage/statement"): _P.BILLING_READ,
    ("get", "/api/audit"): _P.AUDIT_READ,
    ("get", "/api/access"): _ANYBODY,
    ("get", "/api/access/{access_id}"): _ANYBODY,
    ("get", "/api/access/{access_id}/transcript"): _P.AUDIT_READ,
    ("get", "/api/members"): _P.MEMBERS_READ,
    ("post", "/api/members"): _P.MEMBERS_WRITE,
    ("patch", "/api/members/{member_id}"): _P.MEMBERS_WRITE,
    ("delete", "/api/members/{member_id}"): _P.MEMBERS_WRITE,
    ("get", "/api/invitations"): _P.MEMBERS_READ,
    ("post", "/api/invitations"): _P.MEMBERS_WRITE,
    ("delete", "/api/invitations/{invitation_id}"): _P.MEMBERS_WRITE,
    ("get", "/api/roles"): _P.MEMBERS_READ,
    ("put", "/api/roles/{name}"): _P.SETTINGS_WRITE,
    ("delete", "/api/roles/{name}"): _P.SETTINGS_WRITE,
    ("get", "/api/sso"): _P.SETTINGS_WRITE,
    ("put", "/api/sso"): _P.SETTINGS_WRITE,
    ("delete", "/api/sso"): _P.BILLING_WRITE,
    ("post", "/api/sso/trial"): _P.BILLING_WRITE,
    ("post", "/api/sso/trial/finish"): _P.BILLING_WRITE,
    ("get", "/api/keys"): _P.KEYS_READ,
    ("post", "/api/keys"): _P.KEYS_WRITE,
    ("delete", "/api/keys/{key_id}"): _P.KEYS_WRITE,
    ("get", "/api/domains"): _P.SETTINGS_WRITE,
    ("post", "/api/domains"): _P.SETTINGS_WRITE,
    ("delete", "/api/domains/{name}"): _P.SETTINGS_WRITE,
    ("post", "/api/domains/{name}/check"): _P.SETTINGS_WRITE,
    ("get", "/api/exports"): _P.SETTINGS_WRITE,
    ("post", "/api/exports"): _P.SETTINGS_WRITE,
    ("get", "/api/exports/{export_id}"): _P.SETTINGS_WRITE,
    ("delete", "/api/exports/{export_id}"): _P.SETTINGS_WRITE,
    ("get", "/api/exports/{export_id}/file"): _P.SETTINGS_WRITE,
    ("post", "/api/exports/{export_id}/restore"): _P.SETTINGS_WRITE,
    ("get", "/api/deletion"): _ANYBODY,
    ("post", "/api/deletion"): _P.BILLING_WRITE,
    ("delete", "/api/deletion"): _P.SETTINGS_WRITE,
    ("get", "/api/billing"): _P.BILLING_READ,
    ("post", "/api/billing/checkout"): _P.BILLING_WRITE,
    ("post", "/api/billing/portal"): _P.BILLING_WRITE,
    ("post", "/api/billing/preview"): _P.BILLING_READ,
    ("get", "/api/billing/preview"): _P.BILLING_READ,
    ("post", "/api/billing/change"): _P.BILLING_WRITE,
    ("post", "/api/billing/cancel"): _P.BILLING_WRITE,
    ("post", "/api/billing/resume"): _P.BILLING_WRITE,
}
#: Calls that nobody needs a tenant for; each has tests of its own.
TENANTLESS = {
    "/api/signup",
    "/api/login",
    "/api/switch",
    "/api/logout",
    "/api/me",
    "/api/invitations/accept",
    "/api/invitations/join",
    "/api/invitations/show",
    "/api/accounts",
    "/api/accounts/resend",
    "/api/accounts/verify",
    "/api/password/forgot",
    "/api/password/reset",
    "/api/login/passkey",
    "/api/login/passkey/options",
    "/api/passkeys",
    "/api/passkeys/options",
    "/api/passkeys/{passkey_id}",
    "/api/profile",
    "/api/profile/email",
    "/api/profile/email/verify",
    "/api/profile/password",
    "/api/profile/verification",
    "/api/sso/start",
    "/api/sso/finish",
    "/api/sessions",
    "/api/sessions/{session_id}",
    "/api/workspaces",
    "/api/slugs/{slug}",
    "/api/plans",
    "/api/billing/return",
}
ROLES = (*SHIPPED, "nothing", "rows-only")


@pytest.fixture(scope="module")
async def keys(made: GatewayWorld) -> dict[str, dict[str, str]]:
    """A key of each role, two custom ones among them, in one tenant."""
    customer: Customer = await sign_up(made.client, plan="pro")
    for name, permissions in (("nothing", []), ("rows-only", ["rows.read", "rows.write"])):
        answer = await made.client.put(
            f"/api/roles/{name}", json={"permissions": permissions}, headers=customer.headers
        )
        expect(answer, 200)
    return {role: bearer(await make_key(made.client, customer.token, role=role)) for role in ROLES}


async def test_every_call_of_the_document_is_tried_here(made: GatewayWorld) -> None:
    document = expect(await made.client.get("/openapi.json"), 200)
    calls = {
        (verb, path)
        for path, item in document["paths"].items()
        for verb in item
        if path.startswith("/api/") and not path.startswith("/api/ops")
    }
    assert {call for call in calls if call[1] not in TENANTLESS} == set(TAKES)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", TAKES)
async def test_a_role_may_do_what_it_says(
    made: GatewayWorld, keys: dict[str, dict[str, str]], call: tuple[str, str], role: str
) -> None:
    verb, path = call
    shipped = SHIPPED.get(role)
    permissions = shipped.permissions if shipped else frozenset[Permission]()
    target = path.replace("{name}", "none-such").replace("{key_id}", "a" * 16)
    target = target.replace("{member_id}", str(uuid.uuid4()))
    target = target.replace("{access_id}", str(uuid.uuid4()))
    for name in ("{invitation_id}", "{move_id}", "{export_id}"):
        target = target.replace(name, str(uuid.uuid4()))
    body: dict[str, object] | None = {} if verb in {"post", "put", "patch"} else None
    answer = await made.client.request(verb.upper(), target, json=body, headers=keys[role])
    is_let_in = TAKES[call] is None or TAKES[call] in permissions
    if is_let_in:
        # 409: no archives are kept here; 400: a question without what it asks for.
        assert answer.status_code in {200, 400, 404, 409, 422}, answer.text
    else:
        assert expect(answer, 403)["code"] == "not_allowed"


@pytest.mark.parametrize("role", ROLES)
async def test_rows_take_a_permission_too(
    made: GatewayWorld, keys: dict[str, dict[str, str]], role: str
) -> None:
    reads = role != "nothing"
    writes = role in {"owner", "admin", "member", "rows-only"}
    headers = keys[role]
    expect(await made.client.get("/artists", headers=headers), 200 if reads else 403)
    answer = await made.client.post("/artists", json={"name": "X"}, headers=headers)
    expect(answer, 201 if writes else 403)
