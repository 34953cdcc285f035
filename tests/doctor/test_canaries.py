"""Canaries: quiet where nothing is wrong, loud where a policy is, and gone when they have flown."""

from __future__ import annotations

import pytest

from deploy.canaries import findings_of, release
from deploy.doctor import DatabaseName
from router.words import Isolation, Tier
from tests.doctor.plants import Ward, planted

#: Holes by which rows of others are reached, and where.
HOLES = {
    "row_security_enabled": "shared.author",
    "policy_alone": "shared.author",
}
EVERYTHING = """
    SELECT (SELECT count(*) FROM shared.author) + (SELECT count(*) FROM shared.book)
        + (SELECT count(*) FROM shared.shelf) + (SELECT count(*) FROM gate.counter)
        + (SELECT count(*) FROM gate.home)
"""


def name_of(made: Ward) -> DatabaseName:
    return DatabaseName(cluster="shared-1", database=made.made.shared_database)


async def test_canaries_see_nothing_and_leave_nothing(made: Ward) -> None:
    async with made.made.admin() as connection:
        before = await connection.fetchval(EVERYTHING)
    told = await release(made.made.fleet, name_of(made))
    assert (told.seen, told.unmarked, told.untried) == ((), (), ())
    assert told.marked == told.tables >= 3
    # Of the strict tenants' logins, which are the whole server's, some are tried for all.
    strict = made.place(Tier.ROWS, Isolation.STRICT).login
    logins = set(told.roles) - {"stepwell_app", "stepwell_owner"}
    assert len(logins) == len(told.roles) - 2
    assert logins
    assert all(login.startswith(strict[:2]) for login in logins)
    async with made.made.admin() as connection:
        assert await connection.fetchval(EVERYTHING) == before


@pytest.mark.parametrize("section", HOLES)
async def test_a_canary_that_sees_another_one_names_where(made: Ward, section: str) -> None:
    plant, undo = planted(section)
    await made.run(plant)
    try:
        told = await release(made.made.fleet, name_of(made))
    finally:
        await made.run(undo)
    assert {each.relation for each in told.seen} == {HOLES[section]}
    assert "stepwell_app" in {each.role for each in told.seen}
    for finding in findings_of(name_of(made), told):
        assert (finding.rule, finding.grave, finding.object) == (
            "canary-seen",
            True,
            HOLES[section],
        )
    assert (await release(made.made.fleet, name_of(made))).seen == ()


async def test_a_view_that_reads_as_its_mighty_owner_is_found_out(made: Ward) -> None:
    await made.run(
        "ALTER VIEW shared.title OWNER TO CURRENT_USER;"
        "ALTER VIEW shared.title RESET (security_invoker)"
    )
    try:
        told = await release(made.made.fleet, name_of(made))
    finally:
        await made.run(
            "ALTER VIEW shared.title SET (security_invoker = true);"
            "ALTER VIEW shared.title OWNER TO stepwell_owner"
        )
    assert {each.relation for each in told.seen} == {"shared.title"}


async def test_a_view_that_does_not_say_whose_its_rows_are_gives_itself_away(made: Ward) -> None:
    """What one canary sees of it becomes more when the other one writes."""
    await made.run(
        "CREATE VIEW shared.planted AS SELECT title FROM shared.book;"
        "GRANT SELECT ON shared.planted TO stepwell_rows"
    )
    try:
        told = await release(made.made.fleet, name_of(made))
    finally:
        await made.run("DROP VIEW shared.planted")
    assert {each.relation for each in told.seen} == {"shared.planted"}
    assert "stepwell_app" in {each.role for each in told.seen}


async def test_a_canary_that_can_change_what_it_cannot_see_is_found_out(made: Ward) -> None:
    """Row security is off for everybody: rows are seen, and they are changed."""
    plant, undo = planted("row_security_enabled")
    await made.run(plant)
    try:
        told = await release(made.made.fleet, name_of(made))
    finally:
        await made.run(undo)
    assert {each.how for each in told.seen} == {"seen", "changed", "forged"}


async def test_a_canary_that_can_write_in_anothers_name_is_found_out(made: Ward) -> None:
    """What it forges it doesn't see."""
    plant, undo = planted("policy_form_without_check")
    await made.run(plant)
    try:
        told = await release(made.made.fleet, name_of(made))
    finally:
        await made.run(undo)
    assert {(each.relation, each.how) for each in told.seen} == {("shared.author", "forged")}


async def test_a_table_that_takes_no_canary_is_told_with_its_reason(made: Ward) -> None:
    await made.run("ALTER TABLE shared.shelf ADD CONSTRAINT planted CHECK (label = 'A1') NOT VALID")
    try:
        told = await release(made.made.fleet, name_of(made))
    finally:
        await made.run("ALTER TABLE shared.shelf DROP CONSTRAINT planted")
    (unmarked,) = told.unmarked
    assert unmarked.startswith("shared.shelf: ")
    assert "planted" in unmarked
    assert told.marked == told.tables - 1
