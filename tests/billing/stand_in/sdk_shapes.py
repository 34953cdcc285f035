"""Holds a document against the SDK's own classes: what they don't know, Stripe doesn't send."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import cache

from stripe import ListObject, StripeObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import UntypedStripeObject

Document = dict[str, object]
#: A reference that a class makes by name alone.
_NAMED = {name: path for path, name in reversed(OBJECT_CLASSES.values())}


@cache
def class_of(name: str) -> type[StripeObject]:
    """Return the SDK's class for an object's name, as ``checkout.session``."""
    path, class_name = OBJECT_CLASSES[name]
    found: type[StripeObject] = getattr(importlib.import_module(path), class_name)
    return found


@cache
def _named(name: str) -> type[StripeObject]:
    found: type[StripeObject] = getattr(importlib.import_module(_NAMED[name]), name)
    return found


def _annotations(shape: type[StripeObject]) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in reversed(shape.__mro__):
        found |= vars(one).get("__annotations__", {})
    return found


def complaints(document: Document, shape: type[StripeObject], path: str = "") -> Iterator[str]:
    """Name each key that the class lacks, and each value that it doesn't allow."""
    known = _annotations(shape)
    for key, value in document.items():
        where = f"{path}.{key}" if path else f"{shape.__name__}.{key}"
        if key not in known:
            yield f"{where} isn't known"
        else:
            yield from _wrong(value, known[key], where)


def _wrong(value: object, annotation: object, where: str) -> list[str]:  # noqa: C901, PLR0911 - one case for each way to write a type
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, typing.ForwardRef | str):
        # Only an id that was expanded is looked at more closely.
        named = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        return _wrong_object(value, _named(named), where) if _is_object(value) else [where]
    if origin in {typing.Union, types.UnionType}:
        return _wrong_in_all(value, args, where)
    if origin is typing.Literal:
        return [] if value in args else [f"{where} is {value!r}, not one of {args}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{where} is no list"]
        listed = typing.cast("list[object]", value)
        return [said for one in listed for said in _wrong(one, args[0], f"{where}[]")]
    if origin is ListObject:
        return _wrong_in_list(value, args[0], where)
    if annotation is type(None) or annotation is None:
        return [] if value is None else [f"{where} is {value!r}, not null"]
    if isinstance(origin or annotation, type) and issubclass(
        typing.cast("type", origin or annotation), StripeObject
    ):
        return _wrong_object(value, typing.cast("type[StripeObject]", origin or annotation), where)
    return _wrong_plain(value, annotation, where)


def _wrong_in_all(value: object, choices: tuple[object, ...], where: str) -> list[str]:
    # The SDK writes an enum as Literal[...] | str, open for what is to come: nothing is, here.
    literal = [one for one in choices if typing.get_origin(one) is typing.Literal]
    if literal and isinstance(value, str):
        choices = tuple(literal)
    tried = [_wrong(value, one, where) for one in choices]
    return [] if any(not said for said in tried) else max(tried, key=len)


def _wrong_in_list(value: object, of: object, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is no list object"]
    listing = typing.cast("Document", value)
    wrong = [
        f"{where}.{key} isn't known"
        for key in listing.keys() - {"object", "data", "has_more", "url"}
    ]
    if listing.get("object") != "list":
        wrong.append(f"{where}.object isn't list")
    for one in typing.cast("list[object]", listing.get("data")):
        wrong += _wrong(one, of, f"{where}.data[]")
    return wrong


def _wrong_object(value: object, shape: type[StripeObject], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is {value!r}, no object"]
    if shape is UntypedStripeObject:
        return []
    return list(complaints(typing.cast("Document", value), shape, where))


def _wrong_plain(value: object, annotation: object, where: str) -> list[str]:
    fits = False
    if annotation is typing.Any:
        fits = True
    elif annotation is Decimal:
        fits = _is_decimal(value)
    elif annotation is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif annotation is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(annotation, type):
        fits = isinstance(value, annotation)
    return [] if fits else [f"{where} is {value!r}, not {annotation}"]


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_decimal(value: object) -> bool:
    if isinstance(value, Decimal):
        return True
    if not isinstance(value, str):
        return False
    try:
        Decimal(value)
    except InvalidOperation:
        return False
    return True
