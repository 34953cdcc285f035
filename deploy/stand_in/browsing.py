"""What the pages' buttons do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from litestar import MediaType, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.status_codes import HTTP_303_SEE_OTHER

from deploy.stand_in import checkout, collecting, pages, portal
from deploy.stand_in.books import Books
from deploy.stand_in.control import AnyRequest
from deploy.stand_in.desk import Desk
from deploy.stand_in.forms import Form, parse
from deploy.stand_in.objects import CheckoutSession, PortalSession
from deploy.stand_in.problems import Refused
from deploy.stand_in.subscription_objects import Invoice

Answer = Response[str]
PortalDeed = Callable[[Books, PortalSession, Form], object]

PORTAL_DEEDS: Mapping[str, PortalDeed] = {
    "change": lambda books, session, form: portal.change_price(
        books,
        session,
        subscription=form.wanted("subscription"),
        price=form.wanted("price"),
    ),
    "cancel": lambda books, session, form: portal.cancel(
        books, session, subscription=form.wanted("subscription")
    ),
    "resume": lambda books, session, form: portal.resume(
        books, session, subscription=form.wanted("subscription")
    ),
    "pay": lambda books, session, form: portal.pay(books, session, invoice=form.wanted("invoice")),
    "good_card": lambda books, session, _: portal.set_card(books, session, is_good=True),
    "bad_card": lambda books, session, _: portal.set_card(books, session, is_good=False),
}


def _html(text: str, problem: Refused | None = None) -> Answer:
    status = 200 if problem is None else problem.status
    return Response(text, status_code=status, media_type=MediaType.HTML)


def _redirect(url: str) -> Answer:
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": url})


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """Make the handlers; whoever knows a page's address may use it, as at Stripe."""
    return [*_checkout_routes(desk), *_portal_routes(desk), *_invoice_routes(desk)]


# Checkout ---------------------------------------------------------------------------------------


def _checkout_routes(desk: Desk) -> list[HTTPRouteHandler]:
    @get("/pay/{session:str}")
    async def show_checkout(session: str) -> Answer:
        return _checkout(desk, session)

    @post("/pay/{session:str}")
    async def use_checkout(session: str, request: AnyRequest) -> Answer:
        action = parse(await request.body()).wanted("action")
        try:
            with desk.books() as books:
                return _redirect(_use(books, books.get(CheckoutSession, session), action))
        except Refused as refused:
            return _checkout(desk, session, problem=refused)

    return [show_checkout, use_checkout]


def _checkout(desk: Desk, session: str, *, problem: Refused | None = None) -> Answer:
    with desk.books() as books:
        found = books.get(CheckoutSession, session)
        said = None if problem is None else str(problem)
        return _html(pages.checkout(books, found, problem=said), problem)


def _use(books: Books, session: CheckoutSession, action: str) -> str:
    """Do what a button says; returns where the browser goes."""
    if action == "cancel":
        return session.cancel_url or session.success_url
    if action not in {"pay", "fail"}:
        raise Refused(f"A checkout knows pay, fail and cancel, not {action[:40]}.", param="action")
    checkout.buy(books, session, is_good=action == "pay")
    return session.success_url.replace("{CHECKOUT_SESSION_ID}", quote(session.id, safe=""))


# The portal -------------------------------------------------------------------------------------


def _portal_routes(desk: Desk) -> list[HTTPRouteHandler]:
    @get("/portal/{session:str}")
    async def show_portal(session: str) -> Answer:
        return _portal(desk, session)

    @post("/portal/{session:str}")
    async def use_portal(session: str, request: AnyRequest) -> Answer:
        form = parse(await request.body())
        try:
            with desk.books() as books:
                found = books.get(PortalSession, session)
                _deed(form.wanted("action"))(books, found, form)
                return _redirect(found.url)
        except Refused as refused:
            return _portal(desk, session, problem=refused)

    return [show_portal, use_portal]


def _portal(desk: Desk, session: str, *, problem: Refused | None = None) -> Answer:
    with desk.books() as books:
        found = books.get(PortalSession, session)
        said = None if problem is None else str(problem)
        return _html(pages.customer_portal(books, found, problem=said), problem)


def _deed(action: str) -> PortalDeed:
    deed = PORTAL_DEEDS.get(action)
    if deed is None:
        raise Refused(f"The portal knows {', '.join(PORTAL_DEEDS)}.", param="action")
    return deed


# Invoices ---------------------------------------------------------------------------------------


def _invoice_routes(desk: Desk) -> list[HTTPRouteHandler]:
    @get("/invoice/{invoice:str}")
    async def show_invoice(invoice: str) -> Answer:
        with desk.books() as books:
            return _html(pages.invoice(books.get(Invoice, invoice)))

    @post("/invoice/{invoice:str}")
    async def use_invoice(invoice: str) -> Answer:
        # Whoever pays here types a card that is good.
        with desk.books() as books:
            found = books.get(Invoice, invoice)
            paid = collecting.pay(books, found) if found.status == "open" else found
            return _html(pages.invoice(paid))

    return [show_invoice, use_invoice]
