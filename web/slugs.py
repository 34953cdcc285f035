"""An address made of a name: one question less for whoever signs up."""

from __future__ import annotations

import re
import unicodedata

from router.names import SLUG_LENGTH_MAX

_OTHER = re.compile(r"[^a-z0-9]+")


def slug_of(name: str) -> str:
    """Return the name as an address; empty or too short where too little of it is left."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore")
    # What joins two letters in one word is no word's end.
    words = plain.decode().lower().replace("'", "")
    return _OTHER.sub("-", words).strip("-")[:SLUG_LENGTH_MAX].rstrip("-")
