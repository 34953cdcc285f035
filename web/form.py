"""What somebody typed into a form, and what is wrong with it."""

from __future__ import annotations

import itertools
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request

from web.api import Change, Refused

#: The fields that every form of ours carries beside what is asked.
KEY_FIELD = "_key"
REASON_FIELD = "reason"
FIELDS_MAX = 100
TEXT_LENGTH_MAX = 10_000
_SHOWN_AGAIN_NEVER = frozenset(
    {"password", "new_password", "client_secret", "credential", "_csrf_token"}
)


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """The values as they were typed; ``errors`` by field, ``problem`` of the form as a whole."""

    values: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    errors: dict[str, str] = {}
    problem: str | None = None

    def text(self, name: str) -> str:
        """Return a field without the spaces around it; an absent one is empty."""
        return self.values.get(name, "").strip()

    def raw(self, name: str) -> str:
        """Return a field as it is: passwords may begin with a space."""
        return self.values.get(name, "")

    def optional(self, name: str) -> str | None:
        """Return a field, None when nothing was typed."""
        return self.text(name) or None

    def whole(self, name: str) -> int | str | None:
        """Return a number; what is none stays a text, which the API refuses beside its field."""
        typed = self.text(name)
        return int(typed) if typed.isascii() and typed.isdigit() else typed or None

    def is_ticked(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return bool(self.text(name))

    def chosen(self, name: str) -> list[str]:
        """Return all values of a field that may be given more than once."""
        return self.lists.get(name, [])

    @property
    def change(self) -> Change:
        """Return what makes sending the form twice do it once, and why it is done."""
        key = self.optional(KEY_FIELD)
        # Ours are ASCII; what somebody made up can't travel in a header.
        return Change(
            reason=self.optional(REASON_FIELD), key=key if key and key.isascii() else None
        )

    @property
    def status(self) -> int:
        """Return the status of the page that shows this form."""
        return 422 if self.errors or self.problem else 200

    def wrong(self, **errors: str) -> Form:
        """Return the form with something said beside fields."""
        return msgspec.structs.replace(self, errors={**self.errors, **errors})

    def refused(self, refused: Refused) -> Form:
        """Return the form with what the API said, beside the fields that it named.

        A session that has ended is raised again: the visitor logs in, and comes back.
        """
        if refused.is_(HTTPStatus.UNAUTHORIZED):
            raise refused
        return self.said(refused)

    def said(self, refused: Refused) -> Form:
        """Return the form with what the API said, whatever it was."""
        problem = refused.problem
        errors = {
            str(each["key"]): _sentence(str(each.get("message", "")))
            for each in problem.errors
            if each.get("key")
        }
        known = {name: said for name, said in errors.items() if name in self.values}
        whole = None if known and len(known) == len(errors) else _sentence(problem.detail)
        return msgspec.structs.replace(self, errors={**self.errors, **known}, problem=whole)


EMPTY = Form()


async def read_form(request: Request[Any, Any, Any]) -> Form:
    """Read what was sent; a file field counts as empty here, and is read by the page that has one.

    What is longer than any field of ours may be is cut: the API refuses the rest by its length.
    """
    sent = await request.form()
    values: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for name, value in itertools.islice(sent.multi_items(), FIELDS_MAX):
        text = value[:TEXT_LENGTH_MAX] if isinstance(value, str) else ""
        values[name] = text
        lists.setdefault(name, []).append(text)
    return Form(values=values, lists=lists)


def shown_again(form: Form, name: str) -> str:
    """Return what a field shows when its page comes again: secrets are typed anew."""
    return "" if name in _SHOWN_AGAIN_NEVER else form.values.get(name, "")


def _sentence(text: str) -> str:
    """Spell a problem as people read it: a capital, and a full stop."""
    text = text.strip()
    if not text:
        return "This can't be taken as it is."
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
