"""What moves and archives are made of and with in this process, from its settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.making import PlatformPlaces
from promotion.archive_export import ArchiveTerms
from promotion.faults import Faults, FaultSignal
from promotion.figures import Figures
from promotion.pace import PaceLimits
from promotion.shape import shape_of
from promotion.terms import HolderPolicy, MoveLimits, Terms

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from deploy.platform import Platform


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
            pause_max=timedelta(hours=settings.move_pause_h_max),
            pace=PaceLimits(share_min=settings.move_share_min),
        ),
        figures=figures,
        faults=Faults(settings.fault_point, FaultSignal(settings.fault_signal)),
    )
