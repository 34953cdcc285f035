"""Each rule finds the hole that is planted for it, names it, and finds nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.doctor import RULES
from tests.doctor.plants import examined, planted, sections

if TYPE_CHECKING:
    from deploy.doctor import Finding
    from tests.doctor.plants import Ward

#: What each hole is called when it is found; $names as in plants.sql.
OBJECTS = {
    "row_security_enabled": "shared.author",
    "row_security_enabled_in_a_schema": "$schema.book",
    "row_security_enabled_in_a_database": "data.shelf",
    "row_security_forced": "shared.author",
    "policy_present": "shared.author",
    "policy_form": "shared.author",
    "policy_form_without_check": "shared.author",
    "policy_form_for_reading_alone": "shared.author",
    "policy_form_for_one_role": "shared.author",
    "policy_alone": "shared.author",
    "changes_captured": "shared.author",
    "changes_captured_not_at_all": "shared.author",
    "references_deferrable": "shared.book book_author_id_exists",
    "tenant_column": "shared.shelf",
    "tenant_default": "shared.shelf",
    "primary_key": "shared.shelf",
    "primary_key_is_missing": "shared.shelf",
    "unique_rules": "shared.planted",
    "index_order": "shared.planted",
    "foreign_keys": "shared.book planted",
    "foreign_keys_with_the_tenant_in_the_wrong_place": "$schema.book planted",
    "materialised_views": "shared.planted",
    "foreign_tables": "shared.planted",
    "view_invoker": "shared.title",
    "view_invoker_is_off": "shared.title",
    "table_rules": "shared.shelf",
    "table_owner": "shared.shelf",
    "table_owner_of_a_schema": "$schema",
    "trigger_functions": "shared.shelf",
    "table_grants": "shared.book",
    "table_grants_on_a_column": "shared.book",
    "table_grants_to_a_stranger": "$strict_schema.book",
    "table_grants_to_everybody": "data.book",
    "sequence_grants": "$schema.book_book_id_seq",
    "default_privileges": "shared",
    "database_connect": "$shared",
    "database_logins": "$dedicated",
    "database_temp": "$shared",
    "database_temp_create": "$dedicated",
    "schema_create": "shared",
    "schema_usage": "$strict_schema",
    "public_schema": "public",
    "stray_relations": "planted.everything",
    "reference_grants": "reference.country",
    "reference_grants_on_a_column": "reference.country",
    "definer_functions": "planted.peek()",
    "definer_search_path": "gate.next_id(text)",
    "definer_search_path_with_temp_first": "gate.next_id(text)",
    "gate_functions": "gate.claimed()",
    "gate_functions_one_too_many": "gate.planted()",
    "gate_functions_one_is_missing": "gate.adopt",
    "gate_functions_with_another_owner": "gate.tenant()",
    "gate_execute": "gate.adopt(text,text,name)",
    "gate_secret": "gate.key",
    "gate_secret_by_its_column": "gate.key",
    "gate_key_foreign": "gate.key 666",
    "gate_grants": "gate.home",
    "home_place": "tenant 00000000-0000-0000-0000-000000000001",
    "session_functions": "pg_cancel_backend(integer)",
    "event_triggers": "planted",
    "powerful_extensions": "planted.dblink(text)",
    "powerful_extensions_as_a_server": "planted",
    "password_encryption": "password_encryption",
    "role_flags": "stepwell_app",
    "role_flags_of_a_tenant": "$strict_login",
    "role_flags_of_a_group": "stepwell_owner",
    "role_membership": "stepwell_app",
    "role_membership_in_a_role_of_the_server": "$strict_login",
    "role_membership_of_a_group": "stepwell_login",
    "role_membership_of_a_stranger": "planted",
    "login_owns_nothing": "stepwell_app",
    "login_owns_nothing_large": "stepwell_app",
    "stuck_settings": "$strict_login",
    "stuck_protection": "stepwell_app",
    "stuck_protection_of_a_database": "database $shared",
    "parameter_grants": "stepwell_rows",
}
IN_DEDICATED = {
    "row_security_enabled_in_a_database",
    "table_grants_to_everybody",
    "database_logins",
    "database_temp_create",
}
#: What no SQL can plant here; test_examination.py shows that each of them is found, and
#: test_billing_rules.py those of billing.
ELSEWHERE = {
    # tests/doctor/test_billing_rules.py and tests/accounts plant theirs.
    *(rule.name for rule in RULES if rule.scope in {"billing", "mail"}),
    "unreachable",
    "capacity",
    "pooler-version",
    "clock-skew",
    "server-unsupported",
    "server-version",
    "gate-missing",
    # tests/doctor/test_canaries.py
    "canary-seen",
}


def rule_of(section: str) -> str:
    names = [rule.name for rule in RULES if section.startswith(rule.name.replace("-", "_"))]
    assert names, f"{section} begins with the name of its rule"
    return max(names, key=len)


async def findings(made: Ward, section: str) -> list[Finding]:
    """What is found where the hole is."""
    return await examined(
        made.made.fleet, made.dedicated if section in IN_DEDICATED else made.shared
    )


def test_every_rule_has_a_hole_that_it_must_find() -> None:
    assert {rule_of(section) for section in sections()} | ELSEWHERE == {r.name for r in RULES}


def test_every_hole_is_planted_once() -> None:
    assert sections() == list(OBJECTS)


@pytest.mark.parametrize("section", OBJECTS)
async def test_a_planted_hole_is_found_and_nothing_else(made: Ward, section: str) -> None:
    plant, undo = planted(section)
    assert await findings(made, section) == []
    await made.run(plant, in_dedicated=section in IN_DEDICATED)
    try:
        found = await findings(made, section)
    finally:
        await made.run(undo, in_dedicated=section in IN_DEDICATED)
    assert {each.rule for each in found} == {rule_of(section)}
    assert made.fill(OBJECTS[section]) in [each.object for each in found]
