"""What the console's pages have in common: who may change, filters, addresses of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlencode

from litestar.params import QueryParameter

from router.catalog.credentials import StaffRole
from web.form import EMPTY, REASON_FIELD, Form

#: Who may change something; all of the staff may look.
CHANGES = StaffRole.OPERATOR
Filter = Annotated[str, QueryParameter(max_length=200)]
CONFIRM_FIELD = "confirm"


def segment(text: str) -> str:
    """Spell one part of an address, whatever it contains."""
    return quote(text, safe="")


def chosen(**filters: str) -> dict[str, str | None]:
    """Return filters as the API takes them: what was left empty isn't asked for."""
    return {name: value.strip() or None for name, value in filters.items()}


def address(path: str, filters: Mapping[str, str | None]) -> str:
    """Return a list's own address, to which the cursor of its next page is added."""
    kept = {name: value for name, value in filters.items() if value and name != "after"}
    return f"{path}?{urlencode(kept)}" if kept else path


def checked(form: Form, *, confirm: str | None = None) -> Form:
    """Look whether it says why, and whether what is hard to take back was typed out."""
    if not form.text(REASON_FIELD):
        form = form.wrong(reason="Say why: it stands in the audit.")
    if confirm is not None and form.text(CONFIRM_FIELD) != confirm:
        form = form.wrong(confirm=f"Type {confirm} to confirm.")
    return form


def by_act(acts: tuple[str, ...], act: str | None, form: Form) -> dict[str, Form]:
    """Give each form of a page its own: only the one that was sent shows what was typed."""
    return {each: form if each == act else EMPTY for each in acts}
