"""Pages of one workspace: what its people see of it, and what they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from web.workspace import (
    audit,
    billing,
    data,
    domains,
    general,
    keys,
    location,
    members,
    moves,
    onboarding,
    overview,
    roles,
    security,
    upgrade,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ControllerRouterHandler

PAGES: Sequence[ControllerRouterHandler] = (
    security.show,
    security.change,
    security.remove,
    onboarding.name_workspace,
    onboarding.make_workspace,
    onboarding.welcome,
    onboarding.watch,
    overview.show,
    members.show,
    members.invite,
    members.withdraw,
    members.change_role,
    members.ask_removal,
    members.remove,
    roles.show,
    roles.put,
    roles.remove,
    keys.show,
    keys.make,
    keys.ask_revocation,
    keys.revoke,
    domains.show,
    domains.claim,
    domains.check,
    domains.ask_removal,
    domains.remove,
    data.show,
    data.watch,
    data.ask_for_archive,
    data.fetch_archive,
    data.delete_archive,
    data.ask_restore,
    data.restore_archive,
    data.ask_deletion,
    data.delete_workspace,
    data.keep_workspace,
    billing.show,
    billing.check_out,
    billing.open_portal,
    billing.preview,
    billing.change,
    billing.ask_cancellation,
    billing.cancel,
    billing.resume,
    upgrade.come_back,
    upgrade.watch,
    moves.show,
    moves.watch,
    moves.watch_strip,
    location.show,
    general.show,
    general.change,
    general.check_slug,
    audit.show,
)
