"""Makes sure that our packages are our files: their plain names could be somebody else's too."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from router.errors import Misconfigured
from router.product.plug import OUR_PACKAGES

_ROOT = Path(__file__).parents[1]


def check_packages() -> None:
    """Raise Misconfigured when an installed package would be imported in place of one of ours."""
    for name in sorted(OUR_PACKAGES):
        spec = find_spec(name)
        found = Path(spec.origin).parent if spec and spec.origin else None
        if found is not None and found != _ROOT / name:
            raise Misconfigured(
                f"the package {name!r} of Stepwell is hidden by {found}: uninstall that package, "
                "or run Stepwell in an environment of its own"
            )
