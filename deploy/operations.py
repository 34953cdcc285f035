"""Every kind of operation with what does it: the worker's whole repertoire."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import migrating, provision
from deploy.leaving import check_leaving
from deploy.making import PlatformPlaces
from promotion.archive_erase import EraseHandler
from promotion.archive_export import ArchiveTerms, ExportHandler
from promotion.archive_restore import RestoreHandler
from promotion.faults import Faults, FaultSignal
from promotion.figures import Figures
from promotion.keep import KeepHandler
from promotion.move import MoveHandler
from promotion.pace import PaceLimits
from promotion.settle import SettleHandler
from promotion.shape import shape_of
from promotion.terms import HolderPolicy, MoveLimits, Terms
from promotion.undo import UndoHandler
from router.catalog.archives import ERASE, EXPORT, RESTORE
from router.catalog.move_words import KEEP, MOVE, SETTLE, UNDO
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
        },
        name=f"{socket.gethostname()}:{os.getpid()}",
        limits=RunnerLimits(
            poll_s=platform.settings.worker_poll_s, lease_s=platform.settings.operation_lease_s
        ),
    )


def archive_terms(platform: Platform, registry: CollectorRegistry | None = None) -> ArchiveTerms:
    """Say what archives are made of and with here."""
    settings = platform.settings
    return ArchiveTerms(
        moving=_terms(platform, Figures(registry)),
        product=platform.loaded.product.name,
        folder=None if settings.archive_dir is None else Path(settings.archive_dir),
        keep=timedelta(seconds=settings.archive_keep_s),
        bytes_max=settings.archive_bytes_max,
    )


def _terms(platform: Platform, figures: Figures) -> Terms:
    settings = platform.settings
    return Terms(
        catalog=platform.catalog,
        fleet=platform.fleet,
        places=PlatformPlaces(platform),
        shape=shape_of(platform.loaded.stored),
        blueprint=platform.blueprint,
        limits=MoveLimits(
            at_once_on_a_cluster=settings.moves_per_cluster_max,
            wait_s_max=settings.move_wait_s_max,
            holders=HolderPolicy(settings.move_holders),
            settle_after=timedelta(seconds=settings.move_settle_after_s),
            keep_after=timedelta(seconds=settings.move_keep_s),
            pace=PaceLimits(share_min=settings.move_share_min),
        ),
        figures=figures,
        faults=Faults(settings.fault_point, FaultSignal(settings.fault_signal)),
    )
