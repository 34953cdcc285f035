"""Products and prices."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, created, delete, get, page, post
from deploy.stand_in.forms import Form
from deploy.stand_in.objects import Deleted, Meter, Price, Product, Recurring
from deploy.stand_in.periods import INTERVALS
from deploy.stand_in.problems import Refused, invalid, required

#: Stripe's own bound.
AMOUNT_MAX = 99_999_999
CURRENCY = re.compile("[a-z]{3}")


def describe(price: Price, product: Product) -> str:
    """Name what is bought, as invoices do."""
    return price.nickname or product.name


# Products ---------------------------------------------------------------------------------------


def _create_product(call: Call) -> Product:
    form, books = call.form, call.books
    id = form.text("id") or books.store.fresh_id("prod_")  # noqa: A001 - the field's name
    if books.store.find(Product, id) is not None:
        raise Refused(f"Product already exists: {id}", code="resource_already_exists", param="id")
    return _make_product(books, form, id=id)


def _make_product(books: Books, form: Form, *, id: str) -> Product:  # noqa: A002 - the field's name
    form.pass_over("shippable", "images")
    now = books.now(None)
    active = form.flag("active")
    product = books.keep(
        Product(
            id=id,
            active=active is not False,
            created=now,
            description=form.text("description"),
            metadata=form.pairs("metadata"),
            name=form.wanted("name"),
            statement_descriptor=form.text("statement_descriptor"),
            tax_code=form.text("tax_code"),
            type=form.choice("type", ("good", "service")) or "service",
            unit_label=form.text("unit_label"),
            updated=now,
            url=form.text("url"),
        )
    )
    books.tell("product.created", product)
    return product


def _update_product(call: Call) -> Product:
    form, books = call.form, call.books
    before = books.get(Product, call.ids[0])
    active = form.flag("active")
    default = form.text("default_price")
    if default is not None:
        books.get(Price, default, param="default_price")
    after = msgspec.structs.replace(
        before,
        active=before.active if active is None else active,
        default_price=default or before.default_price,
        description=form.text("description") if form.has("description") else before.description,
        metadata=form.pairs("metadata", before.metadata),
        name=form.text("name") or before.name,
        tax_code=form.text("tax_code") or before.tax_code,
        unit_label=form.text("unit_label") or before.unit_label,
        updated=books.now(None),
    )
    return books.tell_change("product.updated", before, after)


def _retrieve_product(call: Call) -> Product:
    return call.books.get(Product, call.ids[0])


def _delete_product(call: Call) -> Deleted:
    product = call.books.get(Product, call.ids[0])
    if any(call.books.store.newest(Price, owner=product.id)):
        raise Refused(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    call.books.store.drop(product)
    call.books.tell("product.deleted", product)
    return Deleted(id=product.id, object="product")


def _list_products(call: Call) -> Listing:
    active, ids = call.form.flag("active"), call.form.texts("ids")
    fits = created(call)
    return page(
        call,
        Product,
        wanted=lambda product: (
            (active is None or product.active == active)
            and (not ids or product.id in ids)
            and fits(product.created)
        ),
    )


# Prices -----------------------------------------------------------------------------------------


def read_amount(form: Form) -> tuple[int | None, str]:
    """Read unit_amount or unit_amount_decimal; returns both, the first None for parts of a cent."""
    amount = form.number("unit_amount", at_least=0, at_most=AMOUNT_MAX)
    if amount is not None:
        return amount, str(amount)
    text = form.wanted("unit_amount_decimal") if form.has("unit_amount_decimal") else None
    if text is None:
        raise required(form.spelled("unit_amount"))
    if re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,12})?", text, re.ASCII) is None:
        raise invalid(form.spelled("unit_amount_decimal"), f"Invalid decimal: {text[:40]}")
    exact = Decimal(text)
    whole = int(exact) if exact == exact.to_integral_value() else None
    return whole, format(exact.normalize(), "f")


def read_currency(form: Form) -> str:
    """Read a currency, in whatever case it came."""
    currency = form.wanted("currency").lower()
    if CURRENCY.fullmatch(currency) is None:
        raise invalid(form.spelled("currency"), f"Invalid currency: {currency[:20]}")
    return currency


def make_price(books: Books, form: Form, *, product: str) -> Price:
    """Make a price from the fields of one, be they a price's own or a price_data."""
    amount, exact = read_amount(form)
    recurring = _read_recurring(books, form.within("recurring")) if form.has("recurring") else None
    active = form.flag("active")
    price = books.keep(
        Price(
            id=books.store.fresh_id("price_"),
            active=active is not False,
            created=books.now(None),
            currency=read_currency(form),
            lookup_key=_take_lookup_key(books, form),
            metadata=form.pairs("metadata"),
            nickname=form.text("nickname"),
            product=product,
            recurring=recurring,
            tax_behavior=form.choice("tax_behavior", ("exclusive", "inclusive", "unspecified"))
            or "unspecified",
            type="one_time" if recurring is None else "recurring",
            unit_amount=amount,
            unit_amount_decimal=exact,
        )
    )
    books.tell("price.created", price)
    return price


def _read_recurring(books: Books, form: Form) -> Recurring:
    interval = form.choice("interval", INTERVALS)
    if interval is None:
        raise required(form.spelled("interval"))
    usage_type = form.choice("usage_type", ("licensed", "metered")) or "licensed"
    meter = form.text("meter")
    if meter is not None:
        books.get(Meter, meter, param=form.spelled("meter"))
    if (meter is not None) != (usage_type == "metered"):
        raise invalid(
            form.spelled("meter"), "A price is metered when, and only when, it names its meter."
        )
    return Recurring(
        interval=interval,
        interval_count=form.number("interval_count", at_least=1, at_most=1_095) or 1,
        meter=meter,
        usage_type=usage_type,
    )


def _take_lookup_key(books: Books, form: Form, *, to: str | None = None) -> str | None:
    key, may_transfer = form.text("lookup_key"), form.flag("transfer_lookup_key")
    if key is None:
        return None
    holder = next((price for price in books.store.newest(Price) if price.lookup_key == key), None)
    if holder is None or holder.id == to:
        return key
    if not may_transfer:
        raise Refused(
            f"A price (`{holder.id}`) already uses that lookup key.",
            code="resource_already_exists",
            param="lookup_key",
        )
    books.tell_change("price.updated", holder, msgspec.structs.replace(holder, lookup_key=None))
    return key


def _create_price(call: Call) -> Price:
    form, books = call.form, call.books
    form.choice("billing_scheme", ("per_unit",))
    product = form.text("product")
    if product is None:
        if not form.has("product_data"):
            raise required("product")
        data = form.within("product_data")
        product = _make_product(books, data, id=data.text("id") or books.store.fresh_id("prod_")).id
    else:
        books.get(Product, product, param="product")
    return make_price(books, form, product=product)


def _update_price(call: Call) -> Price:
    form, books = call.form, call.books
    before = books.get(Price, call.ids[0])
    active = form.flag("active")
    key = before.lookup_key
    if form.has("lookup_key"):
        key = _take_lookup_key(books, form, to=before.id)
    after = msgspec.structs.replace(
        before,
        active=before.active if active is None else active,
        lookup_key=key,
        metadata=form.pairs("metadata", before.metadata),
        nickname=form.text("nickname") or before.nickname,
    )
    return books.tell_change("price.updated", before, after)


def _retrieve_price(call: Call) -> Price:
    return call.books.get(Price, call.ids[0])


def _list_prices(call: Call) -> Listing:
    form = call.form
    active, keys = form.flag("active"), form.texts("lookup_keys")
    currency, type = form.text("currency"), form.choice("type", ("one_time", "recurring"))  # noqa: A001 - the field's name
    interval = form.within("recurring").choice("interval", INTERVALS)
    fits = created(call)

    def wanted(price: Price) -> bool:
        return (
            (active is None or price.active == active)
            and (not keys or price.lookup_key in keys)
            and currency in {None, price.currency}
            and type in {None, price.type}
            and (interval is None or interval == (price.recurring and price.recurring.interval))
            and fits(price.created)
        )

    return page(call, Price, owner=form.text("product"), wanted=wanted)


ROUTES = (
    post("products", _create_product),
    get("products", _list_products),
    get("products/*", _retrieve_product),
    post("products/*", _update_product),
    delete("products/*", _delete_product),
    post("prices", _create_price),
    get("prices", _list_prices),
    get("prices/*", _retrieve_price),
    post("prices/*", _update_price),
)
