"""Sign-up: an account and its first workspace, ready when the page is answered.

Where the address is proved first, what was typed waits in the browser until it is.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from billing.routes import PlanShown
from router.api.accounts import Mailed
from router.api.shapes import List
from router.api.signup import DEFAULT_PLAN, SignedUp
from web.accounts.wish import Wish, wishing
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.slugs import slug_of
from web.visitor import Visitor

PlanName = Annotated[str, QueryParameter(name="plan", max_length=100)]


@get("/signup", include_in_schema=False)
async def sign_up_page(
    visitor: NamedDependency[Visitor], plan: PlanName = ""
) -> Template | Redirect:
    """Three questions; the plan is one more only for whoever didn't come from the price list."""
    if await visitor.me() is not None:
        return visitor.to(f"/onboarding/workspace?{urlencode({'plan': plan})}")
    return await _page(visitor, plan, EMPTY)


@post("/signup", status_code=200, include_in_schema=False)
async def sign_up(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Whoever chose a plan that costs something goes on to pay; the workspace is there by then."""
    form = await read_form(request)
    body = {
        "email": form.text("email"),
        "password": form.raw("password"),
        "company": form.text("company"),
        "slug": form.text("slug").lower() or slug_of(form.text("company")),
        "plan": form.text("plan") or DEFAULT_PLAN,
    }
    try:
        answer = await visitor.api.send("POST", "/api/signup", body, change=form.change)
    except Refused as refused:
        return await _page(visitor, form.text("chosen"), form.said(refused))
    if answer.status_code == HTTPStatus.ACCEPTED:
        sent = msgspec.json.decode(answer.content, type=Mailed)
        said = f"A letter is on its way to {sent.email}: follow its link, or type its code here."
        wish = Wish(name=body["company"], slug=body["slug"], plan=body["plan"])
        return wishing(visitor.to("/verify", said=said), wish)
    made = msgspec.json.decode(answer.content, type=SignedUp)
    where = made.checkout_url or f"/w/{made.tenant.slug}/welcome"
    return visitor.entered(made.token, made.expires_at, where)


async def _page(visitor: Visitor, plan: str, form: Form) -> Template:
    listed = (await visitor.api.get("/api/plans", List[PlanShown])).items
    plans = [(each.name, each.title) for each in listed if not each.is_contract]
    chosen = next(((name, title) for name, title in plans if name == plan), None)
    values = {"plans": plans, "chosen": chosen, "site": visitor.web.base_domain}
    return visitor.page("accounts/signup.html", values, form=form)
