"""The operators' console: what the operators' API tells and does, as pages for the staff."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from web.console import (
    clusters,
    lists,
    migrations,
    moves,
    neighbours,
    operations,
    overview,
    search,
    tenant,
    tenants,
)

PAGES: Sequence[ControllerRouterHandler] = (
    overview.overview,
    overview.show_comparison,
    overview.compare_now,
    operations.show_operations,
    operations.show_operation,
    operations.retry_operation,
    search.search,
    clusters.show_clusters,
    clusters.show_cluster,
    lists.show_isolation,
    lists.look_now,
    neighbours.show_neighbours,
    lists.show_inbox,
    lists.replay,
    lists.show_audit,
    tenants.show_tenants,
    *tenant.PAGES,
    moves.show_moves,
    moves.show_move,
    moves.watch_move,
    moves.change_move,
    migrations.show_migrations,
    migrations.begin_migration,
    migrations.show_migration,
    migrations.show_places,
    migrations.watch_migration,
    migrations.change_migration,
)
