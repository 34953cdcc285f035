"""The product of the documentation does what its page says."""

from __future__ import annotations

from httpx import AsyncClient


async def test_a_note_is_written_and_read(notes: AsyncClient) -> None:
    answer = await notes.post("/notes", json={"text": "Buy milk", "tags": ["home", "shop"]})
    assert answer.status_code == 201
    note = answer.json()
    assert note == {"note_id": note["note_id"], "text": "Buy milk", "tags": ["home", "shop"]}
    assert (await notes.get(f"/notes/{note['note_id']}")).json() == note
    assert (await notes.get("/notes")).json()[0] == note


async def test_a_note_that_is_not_there_is_a_404(notes: AsyncClient) -> None:
    for key in (0, -1, 10**9, 10**30, -(10**30)):
        assert (await notes.get(f"/notes/{key}")).status_code == 404


async def test_a_note_without_text_is_refused(notes: AsyncClient) -> None:
    for body in ({}, {"text": None}, {"text": "a\x00b"}, {"text": "a", "note_id": 5}):
        assert (await notes.post("/notes", json=body)).status_code == 422
