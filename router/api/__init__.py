"""The platform's own routes under /api: accounts, the tenant, its members and keys, operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from router.api.audit import list_audit
from router.api.door import Admit, Door, admit_account, admit_anyone, admit_member, admit_operator
from router.api.errand import errand_of
from router.api.fleet import list_clusters, list_ops_audit, show_operation
from router.api.invitations import (
    accept_invitation,
    invite,
    list_invitations,
    withdraw_invitation,
)
from router.api.keys import list_keys, make_key, revoke_key
from router.api.me import show_me
from router.api.members import add_member, change_member, list_members, remove_member
from router.api.moves import (
    cancel_move,
    list_moves,
    promote,
    settle_move,
    show_move,
    undo_move,
    watch_move,
)
from router.api.ops import (
    list_tenants,
    maintain,
    onboard,
    resume,
    set_plan,
    show_ops_tenant,
    suspend,
)
from router.api.parts import Parts
from router.api.roles import list_roles, put_role, remove_role
from router.api.sessions import log_in, log_out, switch
from router.api.signup import sign_up
from router.api.tenant import show_tenant
from router.api.usage import show_usage

__all__ = ["Parts", "platform_routers", "router_behind"]


def platform_routers(parts: Parts) -> list[Router]:
    """Make every platform route; each kind of caller has its own door."""
    return [
        router_behind(parts, admit_anyone, [sign_up, log_in, accept_invitation]),
        router_behind(parts, admit_account, [switch, log_out, show_me]),
        router_behind(parts, admit_member, [show_tenant, show_usage, list_audit, *_PEOPLE]),
        router_behind(parts, admit_operator, _OPERATORS, path="/api/ops"),
    ]


_PEOPLE: Sequence[ControllerRouterHandler] = (
    list_members,
    add_member,
    change_member,
    remove_member,
    list_invitations,
    invite,
    withdraw_invitation,
    list_roles,
    put_role,
    remove_role,
    list_keys,
    make_key,
    revoke_key,
)
_OPERATORS: Sequence[ControllerRouterHandler] = (
    onboard,
    list_tenants,
    show_ops_tenant,
    set_plan,
    suspend,
    resume,
    maintain,
    show_operation,
    promote,
    list_moves,
    show_move,
    watch_move,
    cancel_move,
    undo_move,
    settle_move,
    list_clusters,
    list_ops_audit,
)


def router_behind(
    parts: Parts,
    admit: Admit,
    handlers: Sequence[ControllerRouterHandler],
    *,
    path: str = "/api",
    dependencies: Mapping[str, Provide] | None = None,
) -> Router:
    """Put routes behind the door of one kind of caller."""
    return Router(
        path=path,
        route_handlers=handlers,
        middleware=[Door(parts, admit)],
        dependencies={"errand": Provide(errand_of), **(dependencies or {})},
        security=[{"bearer": []}],
    )
