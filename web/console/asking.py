"""What the console's pages have in common: who may change, filters, addresses of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlencode

from litestar.params import QueryParameter

from router.catalog.access_words import Access, AccessMode
from router.catalog.credentials import StaffRole
from web.form import EMPTY, REASON_FIELD, Form

#: Who may change something; all of the staff may look.
CHANGES = StaffRole.OPERATOR
#: Who may ask for access to rows: whoever sells has no business there.
ASKS = (StaffRole.OBSERVER, CHANGES)
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


def checked(form: Form, *, confirm: str | None = None, field: str = CONFIRM_FIELD) -> Form:
    """Look whether it says why, and whether what is hard to take back was typed out."""
    if not form.text(REASON_FIELD):
        form = form.wrong(reason="Say why: it stands in the audit.")
    if confirm is not None and form.text(field) != confirm:
        form = form.wrong(**{field: f"Type {confirm} to confirm."})
    return form


def by_act(acts: tuple[str, ...], act: str | None, form: Form) -> dict[str, Form]:
    """Give each form of a page its own: only the one that was sent shows what was typed."""
    return {each: form if each == act else EMPTY for each in acts}


def access_modes(role: StaffRole | None) -> list[tuple[str, str]]:
    """Return what somebody of the staff may ask to do with rows, and what it is called."""
    modes = [(AccessMode.READ.value, "read")]
    if role is CHANGES:
        modes.append((AccessMode.WRITE.value, "read and write, after a second person's approval"))
    return modes


def access_wanted(tenant: str, form: Form) -> dict[str, object]:
    """Return the access that a form asks for, as the API takes it."""
    return {
        "tenant": tenant,
        "mode": form.text("mode"),
        "ticket": form.text("ticket"),
        "minutes": form.whole("minutes"),
    }


def access_said(asked: Access) -> str:
    """Say what comes next, to whoever asked."""
    if asked.mode is AccessMode.WRITE:
        return "Another operator has to approve it now."
    return "Enter it when you are ready: its minutes begin then."
