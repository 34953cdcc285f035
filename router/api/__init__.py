"""The platform's own routes under /api: accounts, the tenant, its members and keys, operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from router.api.access import (
    approve_access,
    ask_for_access,
    deny_access,
    end_access,
    enter_access,
    list_access,
    list_own_access,
    show_access,
    show_own_access,
    show_own_transcript,
    show_transcript,
)
from router.api.accounts import create_account, resend_code, verify_account
from router.api.archives import (
    begin_export,
    drop_export,
    fetch_export,
    list_exports,
    show_export,
)
from router.api.audit import list_audit
from router.api.deletion import begin_deletion, show_deletion, take_back_deletion
from router.api.domains import (
    check_domain,
    claim_domain,
    list_domains,
    ops_list_domains,
    remove_domain,
)
from router.api.door import Admit, Door, admit_account, admit_anyone, admit_member, admit_operator
from router.api.errand import errand_of
from router.api.fleet import (
    list_clusters,
    list_ops_audit,
    show_cluster,
    show_operation,
    verify_audit,
)
from router.api.invitations import (
    accept_invitation,
    invite,
    join_by_invitation,
    list_invitations,
    show_open_invitation,
    withdraw_invitation,
)
from router.api.isolation import look_now, show_isolation
from router.api.keys import list_keys, make_key, revoke_key
from router.api.location import show_location
from router.api.me import show_me
from router.api.members import add_member, change_member, list_members, remove_member
from router.api.migrations import (
    begin_migration,
    cancel_migration,
    list_migration_places,
    list_migrations,
    list_places,
    pause_migration,
    resume_migration,
    retry_migration,
    show_migration,
    watch_migration,
)
from router.api.moves import (
    cancel_move,
    cut_over_move,
    foresee_move,
    hold_move,
    list_moves,
    pause_move,
    promote,
    release_move,
    resume_move,
    settle_move,
    show_move,
    undo_move,
    watch_move,
)
from router.api.neighbours import list_neighbours
from router.api.onmoves import list_own_moves, show_own_move, watch_own_move
from router.api.operations import list_operations, retry_operation
from router.api.ops import (
    list_tenants,
    maintain,
    onboard,
    resume,
    set_plan,
    show_ops_tenant,
    suspend,
)
from router.api.ops_archives import (
    ops_begin_export,
    ops_erase,
    ops_list_exports,
    ops_restore,
    ops_show_certificate,
    ops_show_deletion,
    ops_take_back_deletion,
)
from router.api.ops_life import ops_list_tables, ops_show_timeline
from router.api.ops_people import ops_list_invitations, ops_list_members, ops_list_roles
from router.api.overview import show_overview
from router.api.parts import Parts
from router.api.passkeys import (
    ask_passkey,
    ask_registration,
    list_passkeys,
    log_in_with_passkey,
    register_passkey,
    remove_passkey,
    rename_passkey,
)
from router.api.profile import (
    change_email,
    change_password,
    change_profile,
    end_other_sessions,
    end_session,
    list_sessions,
    send_verification,
    show_profile,
    verify_email,
)
from router.api.resets import forget_password, reset_password
from router.api.restoring import restore_export
from router.api.roles import list_roles, put_role, remove_role
from router.api.search import search_tenants
from router.api.sessions import log_in, log_out, switch
from router.api.signup import sign_up
from router.api.sso import (
    finish_sign_on,
    put_sign_on,
    remove_sign_on,
    show_sign_on,
    start_sign_on,
)
from router.api.sso_trials import begin_trial, finish_trial
from router.api.staff import add_staff, list_staff, remove_staff
from router.api.tenant import change_tenant, show_tenant
from router.api.usage import show_usage
from router.api.workspaces import check_slug_free, make_workspace

__all__ = ["Parts", "platform_routers", "router_behind"]


def platform_routers(parts: Parts) -> list[Router]:
    """Make every platform route; each kind of caller has its own door."""
    return [
        router_behind(parts, admit_anyone, _STRANGERS),
        router_behind(parts, admit_account, _PERSONS),
        router_behind(parts, admit_member, [*_TENANTS, *_PEOPLE]),
        router_behind(parts, admit_operator, _OPERATORS, path="/api/ops"),
    ]


_STRANGERS: Sequence[ControllerRouterHandler] = (
    sign_up,
    log_in,
    accept_invitation,
    show_open_invitation,
    create_account,
    resend_code,
    verify_account,
    forget_password,
    reset_password,
    ask_passkey,
    log_in_with_passkey,
    start_sign_on,
    finish_sign_on,
)
_PERSONS: Sequence[ControllerRouterHandler] = (
    switch,
    log_out,
    show_me,
    join_by_invitation,
    make_workspace,
    check_slug_free,
    show_profile,
    change_profile,
    change_password,
    change_email,
    verify_email,
    send_verification,
    list_sessions,
    end_session,
    end_other_sessions,
    ask_registration,
    register_passkey,
    list_passkeys,
    rename_passkey,
    remove_passkey,
)
_TENANTS: Sequence[ControllerRouterHandler] = (
    show_tenant,
    change_tenant,
    show_usage,
    show_location,
    list_own_moves,
    show_own_move,
    watch_own_move,
    list_audit,
    list_own_access,
    show_own_access,
    show_own_transcript,
)
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
    show_sign_on,
    put_sign_on,
    remove_sign_on,
    begin_trial,
    finish_trial,
    list_domains,
    claim_domain,
    check_domain,
    remove_domain,
    begin_export,
    list_exports,
    show_export,
    fetch_export,
    drop_export,
    restore_export,
    begin_deletion,
    show_deletion,
    take_back_deletion,
)
_OPERATORS: Sequence[ControllerRouterHandler] = (
    show_overview,
    onboard,
    list_tenants,
    show_ops_tenant,
    set_plan,
    suspend,
    resume,
    maintain,
    show_operation,
    list_operations,
    retry_operation,
    promote,
    foresee_move,
    list_moves,
    show_move,
    watch_move,
    cancel_move,
    pause_move,
    resume_move,
    hold_move,
    release_move,
    cut_over_move,
    undo_move,
    settle_move,
    list_migrations,
    show_migration,
    list_migration_places,
    watch_migration,
    begin_migration,
    pause_migration,
    resume_migration,
    retry_migration,
    cancel_migration,
    list_places,
    search_tenants,
    show_isolation,
    look_now,
    list_neighbours,
    list_clusters,
    show_cluster,
    list_ops_audit,
    verify_audit,
    list_staff,
    add_staff,
    remove_staff,
    ask_for_access,
    list_access,
    show_access,
    approve_access,
    deny_access,
    enter_access,
    end_access,
    show_transcript,
    ops_show_timeline,
    ops_list_tables,
    ops_list_members,
    ops_list_invitations,
    ops_list_roles,
    ops_list_domains,
    ops_begin_export,
    ops_list_exports,
    ops_restore,
    ops_erase,
    ops_show_deletion,
    ops_take_back_deletion,
    ops_show_certificate,
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
