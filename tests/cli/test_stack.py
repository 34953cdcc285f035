"""The embedded stack by the command line: up, down, status, and what is killed comes back."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections import Counter

import httpx
import msgspec
import pytest

from tests.cli.teller import Teller
from tests.cli.worlds import IMPATIENT, Stack, running
from tests.stack.worlds import living, open_folder

LETTER_S_MAX = 60.0


def test_status_tells_programs_everything(stack: Stack) -> None:
    document = stack.ask("status", "--json").document()
    assert {"parts", "urls", "dsn", "stripe", "ops_token"} <= document.keys()
    parts = msgspec.convert(document["parts"], list[dict[str, object]])
    for part in parts:
        assert {"name", "kind", "pid", "address", "healthy"} <= part.keys()
        assert part["healthy"] is True
    kinds = Counter(part["kind"] for part in parts)
    assert (kinds["postgres"], kinds["gateway"], kinds["worker"]) == (2, 2, 1)
    assert kinds["stripe"] == kinds["mailbox"] == 1
    assert msgspec.convert(document["urls"], dict[str, str]).keys() == {"site", "api", "mailbox"}
    assert stack.dsns()[1].keys() == {"shared-1", "dedicated-1"}
    stripe = msgspec.convert(document["stripe"], dict[str, str])
    assert stripe["api_base"] == f"http://{stack.status().part('stripe').address}"
    assert stripe["api_key"].startswith("sk_test_")
    assert stripe["webhook_secret"].startswith("whsec_")


def test_status_tells_people_what_is_healthy(stack: Stack) -> None:
    done = stack.run("status")
    assert done.status == 0
    assert done.out.count(" yes") == len(stack.status().parts)


@pytest.mark.parametrize("slug", ["corner-records", "city-records", "world-records"])
def test_a_demo_tenant_is_served_by_both_gateways(stack: Stack, slug: str) -> None:
    totals: set[str] = set()
    for gateway in (0, 1):
        with stack.call(slug, gateway=gateway) as client:
            totals.add(client.get("/reports/revenue").raise_for_status().json()["total"])
    assert len(totals) == 1
    assert float(totals.pop()) > 0


@pytest.mark.parametrize("role", ["operator", "sales"])
def test_the_demo_has_staff_who_enter_the_console(stack: Stack, role: str) -> None:
    told = msgspec.convert(
        stack.ask("status", "--json").document()["staff"], type=list[dict[str, str]]
    )
    login = next(each for each in told if each["role"] == role)
    body = {"email": login["email"], "password": login["password"]}
    with httpx.Client(base_url=f"http://{stack.status().gateways[0]}", timeout=20) as client:
        token = client.post("/api/login", json=body).raise_for_status().json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        listed = client.get("/api/ops/staff", headers=headers).raise_for_status().json()
    assert login["email"] in [each["email"] for each in listed["items"]]


def test_the_letter_of_a_sign_up_comes_to_the_mailbox(stack: Stack) -> None:
    slug = f"mail-{secrets.token_hex(4)}"
    email = f"ann@{slug}.example"
    body = {"email": email, "password": "correct horse battery", "company": "Ann", "slug": slug}
    with httpx.Client(base_url=f"http://{stack.status().gateways[0]}", timeout=60) as client:
        client.post("/api/signup", json=body).raise_for_status()
        found: list[dict[str, str]] = []
        deadline_s = time.monotonic() + LETTER_S_MAX
        while not found and time.monotonic() < deadline_s:
            answer = client.get("/api/mailbox", params={"to": email}).raise_for_status()
            found = msgspec.convert(answer.json()["items"], list[dict[str, str]])
            time.sleep(0.1)
    assert [each["subject"] for each in found] == ["Confirm your e-mail address"]


def test_a_second_up_is_refused_with_a_sentence(stack: Stack) -> None:
    for words in (("up", "--port", "0"), ("up", "--port", "0", "--detach")):
        assert "is in use by process" in stack.ask(*words).sentence()


@pytest.mark.parametrize("name", ["gateway-1", "worker-1", "shared-1", "dedicated-1", "stripe"])
def test_a_killed_part_comes_back_and_serves(stack: Stack, name: str) -> None:
    killed = stack.until(lambda seen: all(part.healthy for part in seen.parts)).part(name).pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    stack.until(
        lambda seen: seen.part(name).pid != killed and all(part.healthy for part in seen.parts)
    )
    with stack.call("world-records") as client:
        stack.until(lambda _: client.get("/artists").status_code == 200)


def test_a_killed_supervisor_costs_nothing_but_the_next_up(teller: Teller) -> None:
    with open_folder() as folder:
        stack = Stack(teller, folder / "state")
        with running(stack):
            first = stack.status().demo
            with stack.call("city-records") as client:
                made = client.post("/artists", json={"name": "Committed"}).raise_for_status()
            os.kill(_supervisor(stack), signal.SIGKILL)
            stack.until(lambda seen: seen.phase == "stopped")
            assert stack.run("up", "--detach", "--port", "0", env=IMPATIENT).status == 0
            assert stack.status().demo == first
            with stack.call("city-records") as client:
                kept = client.get(f"/artists/{made.json()['artist_id']}")
                assert kept.json() == made.json()
                assert len(client.get("/artists?limit=200").json()["items"]) > 20
            assert stack.run("down").status == 0
            assert stack.status().phase == "stopped"
        assert living(stack.state) == {}


def test_a_port_that_is_taken_is_named(teller: Teller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, open_folder() as folder:
        port = taken.getsockname()[1]
        done = Stack(teller, folder / "state").run("up", "--port", str(port))
        assert done.status == 1
        assert done.err.splitlines()[-1].startswith(f"stepwell: port {port} is in use")
        assert living(folder) == {}


def _supervisor(stack: Stack) -> int:
    text = stack.state.joinpath("lock").read_text(encoding="utf-8")
    return int(text.partition('"pid":')[2].partition(",")[0])
