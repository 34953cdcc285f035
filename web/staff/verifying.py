"""Whether the audit is whole, recomputed while the visitor waits."""

from __future__ import annotations

import re

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template

from router.api.audit import VerdictShown
from web.console.asking import Filter, chosen
from web.form import Form
from web.visitor import Visitor

_HEAD = re.compile("[0-9a-f]{64}")


@get("/console/audit/verify", include_in_schema=False)
async def verify(visitor: NamedDependency[Visitor], expect: Filter = "") -> Template:
    """A head that was noted earlier finds what was written anew with all keys."""
    await visitor.staff()
    head = expect.strip().lower()
    form = Form(values={"expect": expect})
    if head and _HEAD.fullmatch(head) is None:
        wrong = form.wrong(expect="A head has 64 digits of 0-9 and a-f.")
        return visitor.page("staff/verified.html", {"verdict": None}, form=wrong)
    verdict = await visitor.api.get("/api/ops/audit/verify", VerdictShown, chosen(expect=head))
    return visitor.page("staff/verified.html", {"verdict": verdict}, form=form)
