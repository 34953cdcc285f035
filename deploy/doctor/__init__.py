"""The doctor: rules of isolation and configuration, checked against the live databases."""

from __future__ import annotations

from deploy.doctor.examine import (
    RULES,
    DatabaseName,
    Patient,
    examine,
    examine_catalog,
    in_order,
)
from deploy.doctor.rule import Finding, Rule

__all__ = [
    "RULES",
    "DatabaseName",
    "Finding",
    "Patient",
    "Rule",
    "examine",
    "examine_catalog",
    "in_order",
]
