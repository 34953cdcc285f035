"""The gate's SQL: roles.sql once a cluster, gate.sql and adopt.sql once a database."""

from __future__ import annotations
