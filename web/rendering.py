"""How pages are rendered: Jinja with escaping on, undefined names an error, and our few filters."""

from __future__ import annotations

import hashlib
import secrets
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template import TemplateConfig

from web.form import shown_again

ASSETS: Final = Path(__file__).with_name("assets")
_KEY_BYTES: Final = 16
_THOUSAND: Final = 1_000
_BYTE_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def make_templates() -> TemplateConfig[JinjaTemplateEngine]:
    """Make the templates of all pages."""
    environment = Environment(
        loader=PackageLoader("web", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        {"number": number, "size": size, "day": day, "moment": moment, "lasting": lasting}
    )
    versions = _versions()
    ours: dict[str, Any] = {
        "draw_key": draw_key,
        "shown_again": shown_again,
        "asset": versions.__getitem__,
    }
    environment.globals.update(ours)
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def draw_key() -> str:
    """Draw the key under which a form is done once, however often it is sent."""
    return secrets.token_urlsafe(_KEY_BYTES)


def number(value: int | None) -> str:
    """Spell a count with thin spaces between thousands; None is a limit by contract."""
    return (
        "by contract" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    )


def size(value: int | None) -> str:
    """Spell a number of bytes in the largest unit that leaves at least one."""
    if value is None:
        return "by contract"
    left, unit = float(value), 0
    while left >= _THOUSAND and unit < len(_BYTE_UNITS) - 1:
        left, unit = left / _THOUSAND, unit + 1
    digits = 0 if unit == 0 or left == int(left) else 1
    return f"{left:.{digits}f} {_BYTE_UNITS[unit]}"


def day(value: date | None) -> str:
    """Spell a day as people everywhere read it."""
    return "" if value is None else f"{value.day} {value:%B %Y}"


def moment(value: datetime | None) -> str:
    """Spell a moment, in UTC as all of ours are."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def lasting(value_s: float | None) -> str:
    """Spell a duration in its two largest units."""
    if value_s is None:
        return ""
    if value_s < 1:
        return f"{value_s * _THOUSAND:.0f} ms"
    if value_s < _MINUTE_S:
        return f"{value_s:.1f} s"
    if value_s < _HOUR_S:
        return f"{value_s // _MINUTE_S:.0f} min {value_s % _MINUTE_S:.0f} s"
    if value_s < _DAY_S:
        return f"{value_s // _HOUR_S:.0f} h {value_s % _HOUR_S // _MINUTE_S:.0f} min"
    return f"{value_s // _DAY_S:.0f} d {value_s % _DAY_S // _HOUR_S:.0f} h"


def _versions() -> dict[str, str]:
    """Return each asset's address: it changes with the file, so browsers may keep it for ever."""
    return {
        path.name: f"/assets/{path.name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
        for path in ASSETS.iterdir()
    }
