"""The forms of the stages: what they show at first, and what is sent of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from router.catalog.onboarding_words import PlaceKind, Stage
from web.form import Form

if TYPE_CHECKING:
    from router.api.onboarding import OnboardingShown

#: Under which word the API saves what a stage asks for.
SAVED_AS = {
    Stage.DRAFT: "draft",
    Stage.CONTRACT: "contract",
    Stage.PROVISIONING: "place",
    Stage.DATA: "data",
}
_LINES = (
    "legal_name",
    "address",
    "vat_id",
    "owner_name",
    "owner_email",
    "billing_name",
    "billing_email",
    "technical_name",
    "technical_email",
)
_LIMITS = ("seats", "amount", "api_calls_per_month", "storage_bytes", "requests_per_second")


def filled(shown: OnboardingShown, stage: Stage) -> Form:
    """Return a stage's form with what is saved."""
    line = shown.line
    values: dict[str, Any] = {"version": line.version, "reason": f"Onboarding of {line.name}"}
    match stage:
        case Stage.DRAFT:
            head = {"name": line.name, "owner": line.owner, "due_on": line.due_on}
            values |= head | msgspec.to_builtins(shown.parties)
        case Stage.CONTRACT:
            values |= msgspec.to_builtins(shown.terms)
        case Stage.PROVISIONING:
            values |= msgspec.to_builtins(shown.place)
            values["own_cluster"] = ""
            if shown.place.kind is PlaceKind.OWN:
                values |= {"own_cluster": shown.place.cluster, "cluster": ""}
        case Stage.DATA:
            values |= msgspec.to_builtins(shown.data)
        case _:
            pass
    return Form(values={name: "" if each is None else str(each) for name, each in values.items()})


def body_of(form: Form, stage: Stage) -> dict[str, object]:
    """Return what is sent; what is no number goes as it was typed, and is refused beside itself."""
    version: dict[str, object] = {"version": form.whole("version")}
    match stage:
        case Stage.DRAFT:
            head = {"name": form.text("name"), "owner": form.text("owner")}
            lines = {name: form.text(name) for name in _LINES}
            return version | head | lines | {"due_on": form.optional("due_on")}
        case Stage.CONTRACT:
            return version | _terms(form)
        case Stage.PROVISIONING:
            return version | _place(form)
        case _:
            names = ("source", "workspace", "slug", "archive")
            return version | {name: form.text(name) for name in names}


def beside(form: Form, shown: OnboardingShown) -> Form:
    """Say beside the fields what is missing before the next stage."""
    errors = {each.field: each.says[0].upper() + each.says[1:] + "." for each in shown.missing}
    return own_name(msgspec.structs.replace(form, errors={**errors, **form.errors}))


def own_name(form: Form) -> Form:
    """Say what is wrong with the cluster's name where it was typed."""
    if form.text("kind") != PlaceKind.OWN or "cluster" not in form.errors:
        return form
    errors = {
        ("own_cluster" if name == "cluster" else name): said for name, said in form.errors.items()
    }
    return msgspec.structs.replace(form, errors=errors)


def _terms(form: Form) -> dict[str, object]:
    return {
        "plan": form.text("plan"),
        "starts_on": form.optional("starts_on"),
        "ends_on": form.optional("ends_on"),
        "purchase_order": form.text("purchase_order"),
        "currency": form.text("currency").lower(),
        "interval": form.text("interval"),
        "net_days": form.whole("net_days"),
        **{name: form.whole(name) for name in _LIMITS},
    }


def _place(form: Form) -> dict[str, object]:
    is_own = form.text("kind") == PlaceKind.OWN
    return {
        "kind": form.text("kind"),
        "cluster": form.text("own_cluster" if is_own else "cluster"),
        "region": form.text("region"),
        "host": form.text("host"),
        "port": form.whole("port"),
        "database": form.text("database"),
        "user": form.text("user"),
        "password": form.raw("password"),
        "certificates": form.text("certificates"),
    }
