"""The console's pages about migrations: what they show, who changes by them, and what forms do."""

from __future__ import annotations

import asyncio
import re
import uuid

import pytest

from tests.migrations.calls.conftest import BEFORE, NEWEST, WAIT_S_MAX, Diary, working
from tests.migrations.calls.test_calls import break_one
from tests.web.surfing import Surfer
from tests.web.test_console import staff

ROOT = "/console/migrations"


@pytest.fixture(scope="module")
async def operator(diary: Diary) -> Surfer:
    return await staff(diary.made, "operator")


async def begin(surfer: Surfer, **fields: str) -> str:
    """Begin a migration by the form; returns its page's address."""
    await surfer.get(ROOT)
    sent = await surfer.submit(ROOT, {"to": BEFORE, "percents": "", "reason": "a test", **fields})
    assert sent.status_code == 303, surfer.text
    return sent.headers["location"]


async def test_one_begun_by_the_form_is_watched_to_its_end(diary: Diary, operator: Surfer) -> None:
    path = await begin(operator, canaries=f"{diary.customers[1].slug}, ", percents="25% 50")
    told = await diary.get(path.removeprefix(ROOT))
    assert (told["percents"], len(told["canaries"])) == ([25, 50], 1)
    shown = await operator.get(path)
    assert f'data-live="{path}/live"' in shown.text
    async with working(diary.made), asyncio.timeout(WAIT_S_MAX):
        live = (await operator.get(f"{path}/live")).text
    assert "event: part" in live
    assert f"data: {path}" in live.partition("event: end")[2]
    shown = await operator.get(path)
    assert "data-live" not in shown.text
    assert "5 of 5" in operator.text
    await operator.get(ROOT)
    assert "5 lack the newest revision" in operator.text
    assert "0 of 3 3 behind" in operator.text
    await diary.bring_to(NEWEST)


async def test_a_form_that_says_what_can_not_be_keeps_what_was_typed(
    diary: Diary, operator: Surfer
) -> None:
    await operator.get(ROOT)
    typed = {"canaries": "nobody-here", "reason": "a test", "halt_after": "3"}
    refused = await operator.submit(ROOT, typed)
    assert refused.status_code == 422
    assert "There is no tenant" in operator.text
    assert operator.forms[ROOT]["halt_after"] == "3"
    for wrong in ({"percents": "many"}, {"jobs": "0"}, {"wave_max": "first"}, {"reason": " "}):
        await operator.get(ROOT)
        answer = await operator.submit(ROOT, {"to": NEWEST, "reason": "a test", **wrong})
        assert answer.status_code == 422, wrong
    assert (await diary.get("?limit=1"))["items"][0]["state"] not in {"running", "paused"}


async def test_it_is_paused_and_goes_on_and_is_cancelled_by_forms(
    diary: Diary, operator: Surfer
) -> None:
    path = await begin(operator)
    await operator.get(path)
    assert {f"{path}/pause"} == {each for each in operator.forms if each.startswith(path)}
    await operator.submit(f"{path}/pause", {"reason": "wait"})
    await operator.get(path)
    assert "stops after the places" in operator.text
    await operator.submit(f"{path}/resume", {"reason": "go"})
    await operator.get(path)
    await operator.submit(f"{path}/pause", {"reason": "wait again"})
    await operator.get(path)
    wrong = await operator.submit(f"{path}/cancel", {"reason": "enough", "confirm": "yes"})
    assert (wrong.status_code, "Type cancel to confirm." in operator.text) == (422, True)
    await operator.get(path)
    await operator.submit(f"{path}/cancel", {"reason": "enough", "confirm": "cancel"})
    assert (await diary.get(path.removeprefix(ROOT)))["state"] == "cancelled"
    shown = await operator.get(path)
    assert not [each for each in operator.forms if each.startswith(path)]
    assert "cancelled" in shown.text


async def test_what_failed_is_shown_and_tried_again_by_a_form(
    diary: Diary, operator: Surfer
) -> None:
    await diary.bring_to(BEFORE)
    schema = await break_one(diary, "ALTER TABLE note OWNER TO CURRENT_USER")
    path = await begin(operator, to=NEWEST)
    await diary.until(path.removeprefix(f"{ROOT}/"), "halted")
    await operator.get(path)
    assert "must be owner" in operator.text
    await operator.get(f"{path}/places?entry=failed")
    assert schema in operator.text
    assert diary.customers[2].slug in operator.text
    await operator.get(f"{path}/places?entry=failed&wave=99")
    assert "No place of this migration is like that" in operator.text
    await operator.get(ROOT)
    assert "1 failed" in operator.text
    assert ROOT not in operator.forms
    await break_one(diary, "ALTER TABLE note OWNER TO stepwell_owner")
    await operator.get(path)
    await operator.submit(f"{path}/retry", {"reason": "it is mended"})
    assert (await diary.until(path.removeprefix(f"{ROOT}/"), "done"))["failures"] == []


async def test_an_observer_looks_and_changes_nothing(diary: Diary, operator: Surfer) -> None:
    path = await begin(operator)
    observer = await staff(diary.made, "observer")
    for each in (ROOT, path, f"{path}/places"):
        shown = await observer.get(each)
        assert shown.status_code == 200
        assert not re.findall(r'<form method="post" action="/console', shown.text)
    sent = {"_csrf_token": observer.forms["/logout"]["_csrf_token"], "reason": "why not"}
    for each in (ROOT, f"{path}/pause", f"{path}/cancel"):
        assert (await observer.post(each, sent)).status_code == 403
    await diary.post(f"{path.removeprefix(ROOT)}/cancel", 200)


async def test_a_stranger_finds_nothing_and_nobody_what_is_not_there(
    diary: Diary, operator: Surfer
) -> None:
    stranger = Surfer(diary.made.client)
    await stranger.log_in(diary.customers[0])
    assert (await stranger.get(ROOT)).status_code == 404
    for what in ("", "/places", "/live"):
        answer = await operator.get(f"{ROOT}/{uuid.uuid4()}{what}")
        assert answer.status_code == 404
    assert (await operator.get(f"{ROOT}?after=x")).status_code == 400
