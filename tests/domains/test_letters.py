"""What a tenant's people are written about its domains and its end."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from deploy.mail.news import letters_of
from router.catalog.letters import Message, Reader

READER = Reader(slug="acme", tenant="Acme Ltd", email="ada@acme.example", name="Ada")


@pytest.mark.parametrize(
    ("kind", "payload", "said", "page"),
    [
        (
            "domain.lost",
            {"domain": "shop.acme.example", "off_at": "2026-12-01T10:00:00+00:00"},
            "by 1 December 2026",
            "/domains",
        ),
        ("domain.off", {"domain": "shop.acme.example"}, "Nothing is served at", "/domains"),
        (
            "deletion.planned",
            {"due_at": "2026-12-05T10:00:00+00:00"},
            "on 5 December 2026",
            "/data",
        ),
    ],
)
def test_people_are_told_the_day_and_where_to_go(
    kind: str, payload: dict[str, object], said: str, page: str
) -> None:
    message = Message(id=1, at=datetime.now(UTC), kind=kind, tenant_id=uuid4(), payload=payload)
    (letter,) = letters_of(message, [READER], site_url="https://stepwell.example")
    assert (letter.recipient, letter.kind) == (READER.email, "notice")
    assert said in letter.values["said"]
    assert "“Acme Ltd”" in letter.values["subject"]
    assert letter.values["link"] == f"https://stepwell.example/w/acme{page}"
