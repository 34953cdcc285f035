"""The pages that a browser sees: plain HTML, no script, each button a form."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from deploy.stand_in import portal
from deploy.stand_in.books import Books
from deploy.stand_in.checkout import Order
from deploy.stand_in.objects import CheckoutSession, Customer, PortalSession, Price, Product
from deploy.stand_in.subscription_objects import Invoice, Subscription

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }}
form {{ display: inline }} .problem {{ color: #a00 }} button {{ margin: 0.2rem 0.2rem 0.2rem 0 }}
</style>
<h1>{title}</h1>
<p>This is a stand-in for Stripe, for development: no money moves.</p>
{problem}
{body}
</html>
"""


def page(title: str, body: Iterable[str], *, problem: str | None = None) -> str:
    """Put a page together; ``body`` is markup already."""
    said = "" if problem is None else f'<p class="problem" role="alert">{escape(problem)}</p>'
    return PAGE.format(title=escape(title), body="\n".join(body), problem=said)


def money(amount: int, currency: str) -> str:
    """Spell an amount of a currency with cents."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d} {currency.upper()}"


def button(label: str, action: str, **fields: str) -> str:
    """Make a form of one button."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in {"action": action, **fields}.items()
    )
    return f'<form method="post">{hidden}<button>{escape(label)}</button></form>'


def checkout(books: Books, session: CheckoutSession, *, problem: str | None = None) -> str:
    """Show what is bought, and the ways to pay or not to."""
    order = books.get(Order, session.id)
    lines = [
        f"<li>{line.quantity or ''} {escape(line.description)}: "
        f"{money(line.amount_total, line.currency)}</li>"
        for line in order.lines
    ]
    trial = [f"<p>{order.trial_days} days are free.</p>"] if order.trial_days else []
    return page(
        "Checkout",
        [
            f"<ul>{''.join(lines)}</ul>",
            *trial,
            f"<p>To pay today: {money(session.amount_total, session.currency)}</p>",
            button("Pay", "pay"),
            button("Pay with a card that fails", "fail"),
            button("Cancel", "cancel"),
        ],
        problem=problem,
    )


def customer_portal(books: Books, session: PortalSession, *, problem: str | None = None) -> str:
    """Show what a customer has, owes and could have."""
    customer = books.get(Customer, session.customer)
    parts = [f"<p>{escape(customer.name or customer.email or customer.id)}</p>"]
    for subscription in portal.living(books, customer.id):
        parts += _subscription(books, subscription)
    for invoice in portal.to_pay(books, customer.id):
        parts.append(
            f"<p>Invoice {escape(invoice.number or invoice.id)}: "
            f"{money(invoice.amount_due, invoice.currency)} "
            f"{button('Pay it', 'pay', invoice=invoice.id)}</p>"
        )
    parts += [
        button("Use a card that works", "good_card"),
        button("Fail the next payment", "bad_card"),
    ]
    if session.return_url is not None:
        parts.append(f'<p><a href="{escape(session.return_url)}">Back</a></p>')
    return page("Your subscription", parts, problem=problem)


def _subscription(books: Books, subscription: Subscription) -> list[str]:
    held = {item.price.id for item in subscription.items.data}
    names = ", ".join(_name(books, item.price) for item in subscription.items.data)
    parts = [f"<h2>{escape(names)}</h2>", f"<p>Status: {escape(subscription.status)}</p>"]
    parts += [
        button(
            f"Change to {_name(books, price)}, {money(price.unit_amount or 0, price.currency)}",
            "change",
            subscription=subscription.id,
            price=price.id,
        )
        for price in portal.on_sale(books, subscription.currency)
        if price.id not in held
    ]
    if subscription.cancel_at is None:
        parts.append(button("Cancel at period end", "cancel", subscription=subscription.id))
    else:
        parts.append(button("Don't cancel", "resume", subscription=subscription.id))
    return parts


def _name(books: Books, price: Price) -> str:
    product = books.store.find(Product, price.product)
    named = price.nickname or (product.name if product is not None else price.id)
    every = "" if price.recurring is None else f" each {price.recurring.interval}"
    return named + every


def invoice(shown: Invoice, *, problem: str | None = None) -> str:
    """Show an invoice, and a button that pays it."""
    lines = [
        f"<li>{escape(line.description)}: {money(line.amount, line.currency)}</li>"
        for line in shown.lines.data
    ]
    parts = [
        f"<ul>{''.join(lines)}</ul>",
        f"<p>Due: {money(shown.amount_due, shown.currency)}. Status: {escape(shown.status)}</p>",
    ]
    if shown.status == "open":
        parts.append(button("Pay", "pay"))
    return page(f"Invoice {shown.number or shown.id}", parts, problem=problem)
