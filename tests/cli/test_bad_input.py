"""Whatever is wrong: one sentence on stderr, exit status 1, and nothing half made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.teller import Teller
from tests.cli.worlds import Stack, run

CREATE = ("tenant", "create", "--name", "Any")
OWNER = ("--owner", "owner@any.example")
ADD = ("cluster", "add", "extra", "--region", "here", "--capacity", "5", "--role", "shared")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tenant", "show", "nobody"), "there is no tenant 'nobody'"),
        (("tenant", "show", "00000000-0000-0000-0000-000000000000"), "there is no tenant"),
        (("tenant", "show", "'; DROP TABLE catalog.tenant"), "there is no tenant"),
        (("tenant", "suspend", "nobody", "--reason", "any"), "there is no tenant"),
        (("key", "create", "nobody", "--name", "any"), "there is no tenant"),
        (("key", "create", "city-records", "--name", "any", "--role", "king"), "no role 'king'"),
        (("key", "create", "city-records", "--name", "\x07"), "control characters"),
        (("plan", "set", "city-records", "gold"), "choose one of starter, pro, enterprise"),
        (("tenant", "maintenance", "nobody", "on"), "there is no tenant"),
        (("audit", "list", "--tenant", "nobody"), "there is no tenant"),
        ((*CREATE, "--slug", "city-records", "--plan", "pro", *OWNER), "is taken"),
        ((*CREATE, "--slug", "admin", "--plan", "pro", *OWNER), "is reserved"),
        ((*CREATE, "--slug", "A b", "--plan", "pro", *OWNER), "the slug may hold a-z"),
        ((*CREATE, "--slug", "any", "--plan", "gold", *OWNER), "there is no plan 'gold'"),
        ((*CREATE, "--slug", "any", "--plan", "pro", "--owner", "any"), "is no e-mail address"),
        (
            (*CREATE, "--slug", "any", "--plan", "pro", *OWNER, "--cluster", "moon"),
            "there is no shared cluster 'moon'",
        ),
        (
            ("tenant", "create", "--name", "", "--slug", "any", "--plan", "pro", *OWNER),
            "a name must have 1 to 200 characters",
        ),
        ((*ADD, "--dsn-file", "no-such-file"), "can't be read: No such file"),
        (("cluster", "add", "Z!", *ADD[3:], "--dsn-file", "x"), "can't name a cluster"),
        (("reference", "load", "country", "x.csv"), "there is no reference table 'country'"),
        (("revision", "-m", "any", "--product", "no.such:product"), "can't be imported"),
    ],
    ids=str,
)
def test_a_wrong_word_is_answered_with_a_sentence(
    stack: Stack, words: tuple[str, ...], said: str
) -> None:
    assert said in stack.ask(*words).sentence()


def test_a_tenant_that_was_refused_left_nothing(stack: Stack) -> None:
    before = stack.ask("audit", "list", "--json").out
    stack.ask(*CREATE, "--slug", "half-made", "--plan", "pro", "--owner", "no address")
    assert "there is no tenant" in stack.ask("tenant", "show", "half-made").sentence()
    assert stack.ask("audit", "list", "--json").out == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"mysql://a@b/c", "must look like postgresql://"),
        (b"postgresql://a:b@127.0.0.1:1/postgres", "can't be reached"),
        (b"postgresql://a:b@127.0.0.1:port/postgres", "the port is not a number"),
        (b"\xff\xfe", "holds no text"),
        (b"", "must look like postgresql://"),
    ],
)
def test_a_wrong_address_is_answered_with_a_sentence(
    stack: Stack, tmp_path: Path, text: bytes, said: str
) -> None:
    file = tmp_path / "dsn"
    file.write_bytes(text)
    assert said in stack.ask(*ADD, "--dsn-file", str(file)).sentence()
    assert "extra" not in stack.ask("cluster", "list").out


def test_wrong_settings_are_all_named_at_once(teller: Teller) -> None:
    wrong = {
        "STEPWELL_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c",
        "STEPWELL_SECRET_KEY": "short",
        "STEPWELL_PORT": "no number",
        "STEPWELL_NO_SUCH": "1",
    }
    for words in (("serve",), ("worker",), ("tenant", "list")):
        said = teller.run([*words], wrong).sentence()
        for name in ("STEPWELL_SECRET_KEY", "STEPWELL_PORT", "STEPWELL_NO_SUCH"):
            assert name in said


def test_a_catalog_that_is_silent_is_named_without_its_password(teller: Teller) -> None:
    env = {
        "STEPWELL_DATABASE_URL": "postgresql://somebody:hidden@127.0.0.1:1/catalog",
        "STEPWELL_SECRET_KEY": "k" * 32,
    }
    for words in (("tenant", "list"), ("serve",), ("worker",), ("migrate", "catalog")):
        said = teller.run([*words], {**env, "STEPWELL_PORT": "0"}).sentence()
        assert "somebody@127.0.0.1:1/catalog" in said
        assert "hidden" not in said


def test_without_a_stack_a_command_says_how_to_start_one(teller: Teller, tmp_path: Path) -> None:
    said = Stack(teller, tmp_path / "none").ask("tenant", "list").sentence()
    assert "start it with `stepwell up" in said


def test_status_and_down_of_no_stack_are_no_failure(teller: Teller, tmp_path: Path) -> None:
    nowhere = Stack(teller, tmp_path / "none")
    assert nowhere.status().phase == "stopped"
    assert nowhere.ask("down").status == 0
    assert not nowhere.state.exists()


def test_a_gateway_does_not_start_on_an_empty_catalog(stack: Stack) -> None:
    catalog, _ = stack.dsns()
    env = {
        "STEPWELL_DATABASE_URL": catalog.replace("stepwell_catalog", "postgres"),
        "STEPWELL_SECRET_KEY": "k" * 32,
        "STEPWELL_PORT": "0",
    }
    assert "run `stepwell migrate catalog`" in run("serve", env=env).sentence()
