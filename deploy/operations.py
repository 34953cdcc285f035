"""Every kind of operation with what does it: the worker's whole repertoire."""

from __future__ import annotations

import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from deploy import migrating, provision
from deploy.accepting import AcceptanceHandler
from deploy.leaving import check_leaving
from deploy.terms import archive_terms
from promotion.archive_erase import EraseHandler
from promotion.archive_export import ExportHandler
from promotion.archive_restore import RestoreHandler
from promotion.keep import KeepHandler
from promotion.move import MoveHandler
from promotion.settle import SettleHandler
from promotion.undo import UndoHandler
from router.catalog.archives import ERASE, EXPORT, RESTORE
from router.catalog.move_words import KEEP, MOVE, SETTLE, UNDO
from router.catalog.onboarding_words import ACCEPTANCE
from router.catalog.runner import Runner, RunnerLimits
from router.catalog.wave_words import MIGRATION

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from deploy.platform import Platform


def make_runner(platform: Platform, registry: CollectorRegistry | None = None) -> Runner:
    """Make the runner of this process; ``registry`` gets what it counts of moves."""
    archive = archive_terms(platform, registry)
    terms = archive.moving
    return Runner(
        platform.catalog,
        {
            provision.KIND: provision.Provision(platform),
            MOVE: MoveHandler(terms),
            KEEP: KeepHandler(terms),
            UNDO: UndoHandler(terms),
            SETTLE: SettleHandler(terms),
            MIGRATION: migrating.make_handler(platform, registry),
            EXPORT: ExportHandler(archive),
            RESTORE: RestoreHandler(archive),
            ERASE: EraseHandler(archive, partial(check_leaving, platform.catalog)),
            ACCEPTANCE: AcceptanceHandler(platform),
        },
        name=f"{socket.gethostname()}:{os.getpid()}",
        limits=RunnerLimits(
            poll_s=platform.settings.worker_poll_s, lease_s=platform.settings.operation_lease_s
        ),
    )
