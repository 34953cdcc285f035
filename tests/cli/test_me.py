"""One's own account by the command line, on a site that is reached over HTTP alone."""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path

import httpx
import pytest

from tests.cli.teller import Done
from tests.cli.worlds import Stack

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "another horse, another battery"
LETTER_S_MAX = 40.0


class Person:
    """Somebody with a session file, and the commands that this person types."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.file = folder / "own" / "session.json"
        self.site = stack.status().urls["site"] or ""
        self.email = f"ann-{uuid.uuid4().hex[:8]}@example.com"
        self.slug = f"ann-{uuid.uuid4().hex[:8]}"
        body = {"email": self.email, "password": PASSWORD, "company": "Ann's", "slug": self.slug}
        told = httpx.post(f"{self.site}/api/signup", json=body, timeout=60, trust_env=False)
        assert told.status_code == 201, told.text
        self.token = str(told.json()["token"])

    def ask(self, *words: str, typed: str = "", **env: str) -> Done:
        known = {
            "STEPWELL_STATE": str(self.stack.state),
            "STEPWELL_SESSION_FILE": str(self.file),
            **env,
        }
        done = self.stack.teller.run([*words], known, typed)
        assert "Traceback" not in done.err, done.err
        return done

    def log_in(self, password: str = PASSWORD) -> Done:
        return self.ask("login", self.email, "--json", typed=f"{password}\n")

    def code(self, email: str, subject: str) -> str:
        """Return the code of the letter that came, once it is there."""
        end = time.monotonic() + LETTER_S_MAX
        with httpx.Client(base_url=self.site, trust_env=False) as client:
            while time.monotonic() < end:
                listed = client.get("/api/mailbox", params={"to": email}).json()["items"]
                found = [each["id"] for each in listed if each["subject"] == subject]
                if found:
                    text = client.get(f"/api/mailbox/{found[0]}").json()["text"]
                    code = re.search(r"^(\d{3} \d{3})$", text, re.MULTILINE)
                    assert code is not None, text
                    return code[1]
                time.sleep(0.1)
        raise AssertionError(f"no letter {subject!r} came to {email}")


@pytest.fixture
def ann(stack: Stack, tmp_path: Path) -> Person:
    return Person(stack, tmp_path)


def test_a_person_logs_in_and_sees_its_account(ann: Person) -> None:
    opened = ann.log_in().document()
    assert (opened["site"], opened["email"], opened["tenants"]) == (ann.site, ann.email, [ann.slug])
    assert "token" not in opened
    assert ann.file.stat().st_mode & 0o777 == 0o600
    shown = ann.ask("me", "show", "--json").document()
    assert (shown["email"], shown["has_password"], shown["staff"]) == (ann.email, True, None)
    assert ann.slug in ann.ask("me", "show").out
    assert ann.ask("me", "name", "Ann", "--json").document()["name"] == "Ann"
    assert ann.ask("logout", "--json").document() == {"site": ann.site}
    assert not ann.file.exists()
    assert "nobody is logged in" in ann.ask("me", "show").sentence()


def test_a_new_password_ends_the_sessions_and_this_one_goes_on(ann: Person) -> None:
    ann.log_in()
    wrong = ann.ask("me", "password", typed=f"not it at all\n{NEW_PASSWORD}\n")
    assert "password is wrong" in wrong.sentence()
    done = ann.ask("me", "password", "--json", typed=f"{PASSWORD}\n{NEW_PASSWORD}\n")
    assert "token" not in done.document()
    listed = ann.ask("me", "sessions", "--json").documents()
    assert [each["is_current"] for each in listed] == [True]
    assert listed[0]["agent"] == "stepwell"
    assert "password is wrong" in ann.log_in().sentence()
    assert ann.log_in(NEW_PASSWORD).status == 0


def test_sessions_are_ended_one_by_one_or_all_others(ann: Person) -> None:
    for _ in range(3):
        ann.log_in()
    listed = ann.ask("me", "sessions", "--json").documents()
    others = [str(each["id"]) for each in listed if not each["is_current"]]
    assert len(others) == 3
    ended = ann.ask("me", "end-session", others[0], "--json").document()
    assert ended == {"ended": others[0]}
    assert ann.ask("me", "end-session", others[0]).status == 1
    assert ann.ask("me", "end-session", "--others", "--json").document() == {"ended": "others"}
    assert len(ann.ask("me", "sessions", "--json").documents()) == 1
    assert ann.ask("me", "end-session").status == 2


def test_an_address_is_confirmed_and_changed_by_the_codes_of_letters(ann: Person) -> None:
    ann.log_in()
    wrong = ann.ask("me", "verify", "--code", "000000")
    assert wrong.status == 1
    code = ann.code(ann.email, "Confirm your e-mail address")
    assert "token" not in ann.ask("me", "verify", "--code", code, "--json").document()
    assert ann.ask("me", "show", "--json").document()["email_verified_at"] is not None
    assert "is proved already" in ann.ask("me", "verify").sentence()
    address = f"new-{ann.email}"
    sent = ann.ask("me", "email", address, "--json", typed=f"{PASSWORD}\n").document()
    assert sent["email"] == address
    code = ann.code(address, "Confirm your new e-mail address")
    changed = ann.ask("me", "email", "--code", code, "--json").document()
    assert changed["email"] == address
    assert ann.ask("me", "email").status == 2


def test_passkeys_are_listed_and_another_s_is_as_absent_as_none(ann: Person) -> None:
    ann.log_in()
    assert ann.ask("me", "passkeys", "--json").documents() == []
    assert "add one in a browser" in ann.ask("me", "passkeys").err
    nobodys = str(uuid.uuid4())
    for words in (("rename-passkey", nobodys, "phone"), ("delete-passkey", nobodys)):
        assert "no passkey" in ann.ask("me", *words).sentence()


def test_a_token_of_the_environment_needs_no_file(ann: Person) -> None:
    shown = ann.ask("me", "show", "--json", STEPWELL_TOKEN=ann.token).document()
    assert shown["email"] == ann.email
    typed = f"\n{NEW_PASSWORD}\n"
    told = ann.ask("me", "password", "--json", typed=typed, STEPWELL_TOKEN=ann.token).document()
    assert not ann.file.exists()
    again = ann.ask("me", "show", STEPWELL_TOKEN=str(told["token"]))
    assert again.status == 0
    assert "`stepwell login`" in ann.ask("me", "show", STEPWELL_TOKEN=ann.token).sentence()


def test_a_file_that_others_may_read_or_that_holds_none_is_refused(ann: Person) -> None:
    ann.log_in()
    ann.file.chmod(0o644)
    assert "others may read" in ann.ask("me", "show").sentence()
    ann.file.chmod(0o600)
    ann.file.write_text("nothing of ours")
    assert "holds no session" in ann.ask("me", "show").sentence()
    assert ann.log_in().status == 0
    assert ann.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("http://stepwell.example.com", "isn't encrypted"),
        ("ftp://localhost", "is no address of a site"),
        ("https://ann:secret@localhost", "is no address of a site"),
        ("http://localhost:port", "is no address of a site"),
        ("nothing", "is no address of a site"),
        ("http://localhost:1", "can't be reached"),
    ],
)
def test_a_site_that_is_none_gets_no_password(ann: Person, site: str, said: str) -> None:
    done = ann.ask("login", ann.email, "--site", site, typed=f"{PASSWORD}\n")
    assert said in done.sentence()
    assert not ann.file.exists()


def test_a_session_goes_to_no_other_site(ann: Person) -> None:
    ann.log_in()
    done = ann.ask("me", "show", "--site", "https://stepwell.example.com")
    assert "you are logged in at" in done.sentence()
