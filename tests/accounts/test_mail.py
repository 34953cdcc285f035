"""Mail: each letter arrives once, or waits, or is given up with its reason."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from deploy.doctor import examine_catalog
from deploy.mail.chores import MailFigures
from deploy.mail.postman import AGAIN_AFTER_MAX, AGAIN_AFTER_MIN, again_after
from deploy.mail.smtp import SmtpAddress, read_smtp_url
from deploy.mail.wording import UnwordedLetter, Wording
from deploy.stack.ports import free_port
from router.catalog import letters, moves
from router.catalog.letters import Letter
from router.errors import SettingsWrong
from router.sealing import Sealer
from router.tasks import end
from tests.accounts.people import SENDER, Town
from tests.accounts.post_office import PostOffice, text_of
from tests.gateways import Customer, GatewayWorld, new_slug

DEADLINE_S = 30.0
EVERY_KIND = {
    "verify": {"link": "https://x.example/v", "code": "123 456", "minutes": "30"},
    "reset": {"link": "https://x.example/r", "code": "123 456", "minutes": "30"},
    "email": {"link": "https://x.example/e", "code": "123 456", "minutes": "30"},
    "known": {"link": "https://x.example/login"},
    "password": {},
    "moved": {"email": "new@x.example"},
    "passkey": {"name": "my phone"},
    "invitation": {"tenant": "A", "role": "member", "link": "https://x.example", "until": "today"},
    "notice": {"tenant": "A", "subject": "S", "said": "Pay by May.", "link": "https://x.example"},
    "move": {
        "tenant": "A",
        "source": "shared tables",
        "target": "a schema of its own",
        "pause": "30 ms",
        "link": "https://x.example",
    },
}
MESSAGES: list[tuple[str, dict[str, object]]] = [
    ("notice.given", {"kind": "payment_overdue", "said": "Pay by 3 May.", "notice": "x"}),
    ("move.decide", {"from": "rows on a", "to": "schema on a", "pause_ms": 31.4}),
    ("move.decide", {"from": "rows on a", "to": "rows on b", "pause_ms": 31.4}),
    ("move.settled", {"from": "rows on a", "to": "schema on a"}),
    ("notice.given", {"unlike": "any notice"}),
]
ACCESS = {
    "tenant": "A",
    "who": "eve@stepwell.example of our staff",
    "does": "read",
    "reason": "a ticket",
    "ticket": "T-1",
    "link": "https://x.example/a",
}
EVERY_KIND.update(
    {
        "move_undone": EVERY_KIND["move"],
        "access_asked": {**ACCESS, "minutes": "30"},
        "access_begun": {**ACCESS, "until": "noon"},
        "access_ended": {**ACCESS, "how": "by time", "requests": "3 requests"},
        "removed": {"tenant": "A", "role": "viewer", "link": "https://x.example/w"},
        "erased": {
            "tenant": "A",
            "at": "noon",
            "rows": "3 rows",
            "tables": "2 tables",
            "exports": "0 archives",
            "certificate": "1234",
            "sha256": "abcd",
            "link": "https://x.example/w",
        },
        "plan": {
            "tenant": "A",
            "plan": "pro",
            "before": "starter",
            "why": "It was bought.",
            "gives": "seats: 50",
            "lacks": "6 seats of 5",
            "place": "a schema of its own",
            "pause": "30 ms",
            "link": "https://x.example/b",
        },
    }
)
#: Who has no link to a reset has no use for a code; whoever is back needn't hear where it was;
#: whoever is out, or has nothing any more, is led nowhere.
UNSAID = {
    "reset": {"123 456"},
    "move_undone": {"shared tables"},
    "removed": {"https://x.example/w"},
    "erased": {"https://x.example/w"},
}


async def write(
    made: GatewayWorld, *, to: str, kind: str = "password", life: timedelta = timedelta(days=1)
) -> UUID:
    letter = Letter(kind=kind, recipient=to, values=EVERY_KIND.get(kind, {}), life=life)
    async with made.platform.catalog.transaction() as connection:
        return await letters.put(connection, made.platform.sealer, letter)


async def state_of(made: GatewayWorld, letter_id: UUID) -> asyncpg.Record:
    async with made.platform.catalog.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM catalog.letter WHERE id = $1", letter_id)
    assert row is not None
    return row


async def make_due(made: GatewayWorld) -> None:
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.letter SET not_before = now() WHERE sent_at IS NULL"
        )


def new_address() -> str:
    return f"a@{new_slug()}.example"


async def test_a_letter_is_sent_once_and_what_it_said_is_forgotten(
    made: GatewayWorld, town: Town
) -> None:
    to = new_address()
    letter_id = await write(made, to=to, kind="verify")
    assert len(await town.mail(to)) == 1
    await make_due(made)
    assert len(await town.mail(to)) == 1
    state = await state_of(made, letter_id)
    assert state["sent_at"] is not None
    assert state["values_sealed"] is None


async def test_a_letter_is_plain_and_html_and_answers_no_machine(
    made: GatewayWorld, town: Town
) -> None:
    to = new_address()
    letter_id = await write(made, to=to, kind="verify")
    (letter,) = await town.mail(to)
    assert letter["From"] == f"Stepwell <{SENDER}>"
    assert letter["Message-ID"] == f"<{letter_id}@{SENDER.partition('@')[2]}>"
    assert letter["Auto-Submitted"] == "auto-generated"
    page = letter.get_body(("html",))
    assert page is not None
    for said in ("123 456", "https://x.example/v"):
        assert said in text_of(letter)
        assert said in page.get_content()
    assert "<script" not in page.get_content()


async def test_a_letter_that_is_sent_twice_has_the_same_message_id(
    made: GatewayWorld, town: Town
) -> None:
    to = new_address()
    letter_id = await write(made, to=to)
    await town.mail(to)
    async with made.platform.catalog.connection() as connection:
        # As if the postman had died between the server's yes and writing it down.
        await connection.execute(
            "UPDATE catalog.letter SET sent_at = NULL, not_before = now(), values_sealed = $2 "
            "WHERE id = $1",
            letter_id,
            made.platform.sealer.seal(b"{}", purpose=f"letter {letter_id}"),
        )
    first, second = await town.mail(to)
    assert first["Message-ID"] == second["Message-ID"]


async def test_while_the_server_is_away_letters_wait_and_then_arrive(made: GatewayWorld) -> None:
    office = PostOffice(1)  # nobody listens there
    town, to = Town(made, office), new_address()
    letter_id = await write(made, to=to)
    assert await town.mail(to) == []
    waiting = await state_of(made, letter_id)
    assert waiting["not_before"] > datetime.now(UTC)
    assert "127.0.0.1:1" in waiting["error"]
    assert waiting["given_up_at"] is None
    opened = PostOffice(free_port())
    async with opened.open():
        await make_due(made)
        assert len(await Town(made, opened).mail(to)) == 1


async def test_without_a_server_letters_wait(made: GatewayWorld, town: Town) -> None:
    to = new_address()
    letter_id = await write(made, to=to)
    assert await town.postman(has_address=False).go_round() == 0
    assert (await state_of(made, letter_id))["attempts"] == 0


async def test_an_address_that_is_refused_for_good_is_given_up_alone(
    made: GatewayWorld, town: Town
) -> None:
    wrong, right = new_address(), new_address()
    refused, taken = await write(made, to=wrong), await write(made, to=right)
    town.office.refusals[wrong] = "550 no such mailbox"
    assert len(await town.mail(right)) == 1
    ended = await state_of(made, refused)
    assert ended["given_up_at"] is not None
    assert ended["error"].startswith("550 no such mailbox")
    assert ended["values_sealed"] is None
    assert (await state_of(made, taken))["sent_at"] is not None


async def test_an_address_that_is_refused_for_now_is_tried_again(
    made: GatewayWorld, town: Town
) -> None:
    to = new_address()
    letter_id = await write(made, to=to)
    town.office.refusals[to] = "450 the mailbox is busy"
    assert await town.mail(to) == []
    assert (await state_of(made, letter_id))["given_up_at"] is None
    town.office.refusals.clear()
    await make_due(made)
    assert len(await town.mail(to)) == 1


async def test_a_letter_of_another_key_waits_and_holds_nobody_else_up(
    made: GatewayWorld, town: Town
) -> None:
    foreign, to = new_address(), new_address()
    letter = Letter(kind="password", recipient=foreign)
    async with made.platform.catalog.transaction() as connection:
        sealer = Sealer([b"another secret key of 32 bytes or more"])
        letter_id = await letters.put(connection, sealer, letter)
    await write(made, to=to)
    assert len(await town.mail(to)) == 1
    waiting = await state_of(made, letter_id)
    assert "another STEPWELL_SECRET_KEY" in waiting["error"]
    assert waiting["given_up_at"] is None
    async with made.platform.catalog.connection() as connection:
        await letters.give_up(connection, letter_id, error="the test is over")


async def test_a_letter_that_comes_too_late_is_not_sent(made: GatewayWorld, town: Town) -> None:
    to = new_address()
    letter_id = await write(made, to=to, life=timedelta(seconds=-1))
    assert await town.mail(to) == []
    assert (await state_of(made, letter_id))["given_up_at"] is not None


async def test_where_mail_goes_nowhere_what_is_too_old_is_forgotten_all_the_same(
    made: GatewayWorld,
) -> None:
    letter_id = await write(made, to=new_address(), kind="verify", life=timedelta(seconds=-1))
    async with made.platform.catalog.connection() as connection:
        await letters.forget_old(connection)
    ended = await state_of(made, letter_id)
    assert ended["values_sealed"] is None
    assert ended["error"] == "nobody needs it any more"


async def test_two_postmen_bring_each_letter_once(made: GatewayWorld, town: Town) -> None:
    addresses = [new_address() for _ in range(30)]
    for to in addresses:
        await write(made, to=to)
    await asyncio.gather(town.postman().go_round(), town.postman().go_round())
    assert all(town.office.recipients.count(to) == 1 for to in addresses)


async def test_a_postman_hears_of_a_letter(made: GatewayWorld, town: Town) -> None:
    working = asyncio.create_task(town.postman().keep())
    try:
        to = new_address()
        await write(made, to=to)
        async with asyncio.timeout(DEADLINE_S):
            while to not in town.office.recipients:
                await asyncio.sleep(0.02)
    finally:
        await end(working)


async def test_what_is_told_of_a_workspace_reaches_who_sees_to_its_bills(
    made: GatewayWorld, town: Town, shop: Customer
) -> None:
    async with made.platform.catalog.transaction() as connection:
        for kind, payload in MESSAGES:
            await moves.put_out(connection, kind, shop.id, payload)
    came = [each for each in await town.mail(shop.email) if shop.slug in text_of(each)]
    told = {str(each["Subject"]): text_of(each) for each in came}
    assert len(told) == len(came)
    assert "Pay by 3 May." in told[f"A payment for “{shop.slug}” has failed"]
    receipt = told[f"“{shop.slug}” has moved"]
    for said in ("a schema of its own", "shared tables", "31 ms", f"/w/{shop.slug}"):
        assert said in receipt
    again = await town.mail(shop.email)
    assert len([each for each in again if shop.slug in text_of(each)]) == len(came)


async def test_the_doctor_and_the_figures_tell_of_mail_that_waits(made: GatewayWorld) -> None:
    letter_id = await write(made, to=new_address())
    async with made.platform.catalog.connection() as connection:
        await connection.execute("DELETE FROM catalog.letter WHERE id <> $1", letter_id)
        assert [each.rule for each in await examine_catalog(connection)] == []
        late = "UPDATE catalog.letter SET made_at = now() - interval '11 minutes' WHERE id = $1"
        await connection.execute(late, letter_id)
        (found,) = await examine_catalog(connection)
        assert (found.rule, found.object) == ("letter-waiting", "catalog.letter")
        registry = CollectorRegistry()
        await MailFigures(registry).read(made.platform.catalog)
        told = generate_latest(registry).decode()
        assert "stepwell_mail_letters_waiting 1.0" in told
        await letters.give_up(connection, letter_id, error="550 no such mailbox")
        (found,) = await examine_catalog(connection)
        assert (found.rule, found.object) == ("letter-given-up", "password")
        assert "550 no such mailbox" in found.detail


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_has_a_subject_and_a_text(kind: str) -> None:
    subject, text = Wording(sender=SENDER).say(kind, EVERY_KIND[kind])
    assert subject
    assert not subject.endswith(".")
    assert "{" not in subject + text
    unsaid = {each for each in EVERY_KIND[kind].values() if each not in subject + text}
    assert unsaid == UNSAID.get(kind, set())


def test_a_letter_of_another_version_is_refused_and_not_guessed() -> None:
    wording = Wording(sender=SENDER)
    for kind, values in (("nothing-of-ours", {}), ("verify", {"code": "123 456"})):
        with pytest.raises(UnwordedLetter):
            wording.say(kind, values)


def test_what_people_call_a_workspace_makes_neither_header_nor_paragraph_nor_markup() -> None:
    values = {**EVERY_KIND["invitation"], "tenant": "A\r\nBcc: x@y.example\n\n<b>http://evil.x</b>"}
    due = letters.DueLetter(
        id=uuid4(),
        kind="invitation",
        recipient="a@b.example",
        values=values,
        made_at=datetime.now(UTC),
        attempts=1,
        is_late=False,
    )
    message: EmailMessage = Wording(sender=SENDER).message_of(due, values)
    assert message["Bcc"] is None
    page = message.get_body(("html",))
    assert page is not None
    assert "<b>" not in page.get_content()
    assert 'href="http://evil.x' not in page.get_content()


def test_a_letter_waits_twice_as_long_after_each_attempt_up_to_a_limit() -> None:
    waits = [again_after(number) for number in range(1, 200)]
    assert waits[0] == AGAIN_AFTER_MIN
    assert waits[1] == AGAIN_AFTER_MIN * 2
    assert waits == sorted(waits)
    assert waits[-1] == AGAIN_AFTER_MAX


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("smtp://mail.example", SmtpAddress(host="mail.example", port=25)),
        ("smtps://mail.example/", SmtpAddress(host="mail.example", port=465, is_tls=True)),
        (
            "smtp://me%40x:p%3Aw@mail.example",
            SmtpAddress(host="mail.example", port=587, user="me@x", password="p:w"),
        ),
        ("smtp://mail.example:2525", SmtpAddress(host="mail.example", port=2525)),
    ],
)
def test_the_server_s_address_is_read(url: str, address: SmtpAddress) -> None:
    assert read_smtp_url(url) == address
    assert "p:w" not in repr(address)


@pytest.mark.parametrize("url", ["smtp://", "smtp://h:x", "smtp://h/path", "smtp://h?tls=no"])
def test_a_wrong_address_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(SettingsWrong, match="STEPWELL_SMTP_URL must look like"):
        read_smtp_url(url)
