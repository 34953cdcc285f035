"""Stripe as a provider: the only file that knows Stripe's SDK.

Stripe is asked in asynchronous calls of bounded time. Whatever goes wrong is translated here, once:
ProviderFailed where asking again may help, ProviderRefused where the request itself is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias, cast
from urllib.parse import urlsplit

import httpx
import msgspec
import stripe

from billing import stripe_reading as reading
from billing.price_list import ListedPlan, ListedPrice
from billing.provider import Agreement, NewCustomer, Purchase, Usage
from billing.seen import Line, Preview, Seen, SeenEvent, SeenInvoice, SeenPrice
from billing.stripe_lines import ItemChange, item_changes
from router.errors import BadRequest, ProviderFailed, ProviderRefused

if TYPE_CHECKING:
    from stripe.params import (
        EventListParams,
        InvoiceCreatePreviewParamsSubscriptionDetails,
        PriceCreateParams,
        SubscriptionListParams,
        SubscriptionUpdateParams,
        SubscriptionUpdateParamsItem,
    )
    from stripe.params import InvoiceCreatePreviewParamsSubscriptionDetailsItem as PreviewedItem
    from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItem

#: The API version that Stripe answers in: the one that the SDK's own classes were written for.
STRIPE_VERSION: Final = stripe.api_version
STRIPE_ADDRESS: Final = "https://api.stripe.com"
LOOPBACKS = frozenset({"localhost", "127.0.0.1", "::1"})
CONNECT_S_MAX = 5.0
RETRIES_MAX = 2
WEBHOOK_BYTES_MAX = 1_000_000
PAGE_ITEMS = 100  # Stripe gives no more
PAGES_MAX = 100_000  # a list that never ends is nonsense
INVOICES_SHOWN = 10
LOOKUP_KEYS_MAX = 10  # Stripe takes no more of them in one question

_Asked: TypeAlias = dict[str, object]
_AskPage: TypeAlias = Callable[[str], Awaitable[object]]


class StripeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How Stripe is reached. While secrets are rotated there are several: any of them will do.

    ``answer_s_max`` is how long one answer may take, ``call_s_max`` a call with its retries.
    """

    api_key: str
    webhook_secrets: tuple[str, ...] = ()
    api_base: str = STRIPE_ADDRESS
    tolerance_s: int = 300
    answer_s_max: float = 8.0
    call_s_max: float = 20.0

    def __repr__(self) -> str:
        return f"<Stripe at {self.api_base}>"


def make_stripe_provider(settings: StripeSettings) -> StripeProvider:
    """Make the provider; nothing is asked before its first call. Close it in the end."""
    return StripeProvider(settings)


class _Http(stripe.HTTPClient):
    """How the SDK's requests travel: as its own HTTPXClient does it, which takes no settings."""

    name = "httpx"

    def __init__(self, settings: StripeSettings) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]  # the SDK forgot a type
        # A stand-in on this machine is behind no proxy, whatever the environment says of Stripe.
        is_here = urlsplit(settings.api_base).hostname in LOOPBACKS
        timeout = httpx.Timeout(settings.answer_s_max, connect=CONNECT_S_MAX)
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=not is_here)

    def sleep_async(self, secs: float) -> Awaitable[None]:
        return asyncio.sleep(secs)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            answer = await self._client.request(method, url, headers=headers, content=post_data)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]  # the SDK forgot its types
                type(error).__name__, should_retry=True
            ) from error
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        await self._client.aclose()


class StripeProvider:
    """The border in Stripe's terms. Every write bears an idempotency key: repeated, it is one."""

    name = "stripe"

    def __init__(self, settings: StripeSettings) -> None:
        assert settings.tolerance_s > 0, "without a tolerance, the SDK takes events of any age"
        self._settings = settings
        self._http = _Http(settings)
        client = stripe.StripeClient(
            settings.api_key,
            stripe_version=STRIPE_VERSION,
            base_addresses={"api": settings.api_base.rstrip("/")},
            max_network_retries=RETRIES_MAX,
            http_client=self._http,
        )
        self._stripe = client.v1

    def __repr__(self) -> str:
        return repr(self._settings)

    @property
    def address(self) -> str:
        """Where its Stripe is: the real one, or a stand-in."""
        return self._settings.api_base

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close_async()

    # ── Customers, and what they have ────────────────────────────────────────────────────────────

    async def make_customer(self, customer: NewCustomer, *, key: str) -> str:
        """Make a customer that bears its tenant's id; returns its id."""
        made = await self._asked(
            f"make a customer for tenant {customer.tenant_id}",
            self._stripe.customers.create_async(
                {
                    "name": customer.name,
                    "email": customer.email,
                    "metadata": {reading.TENANT_KEY: str(customer.tenant_id)},
                },
                {"idempotency_key": f"customer:{key}"},
            ),
        )
        return reading.read(made, reading.CustomerShape).id

    async def look(self, customer_id: str) -> Seen | None:
        """Ask for everything about a customer; None where there is no such customer.

        The clock is read first: what changes while we ask is told by an event of its own.
        """
        what = f"show customer {customer_id}"
        at = datetime.now(UTC)
        found = await self._found(what, self._stripe.customers.retrieve_async(customer_id))
        if found is None:
            return None
        customer = reading.read(found, reading.CustomerShape)
        if customer.id != customer_id:
            raise ProviderFailed(f"asked to {what}, Stripe answered with {customer.id}")
        if customer.clock_id is not None:
            at = await self._clock(customer.clock_id)
        shapes = [] if customer.deleted else await self._subscriptions_of(customer_id)
        return Seen(
            customer_id=customer.id,
            is_deleted=customer.deleted,
            tenant_id=customer.tenant_id,
            subscriptions=tuple(shape.seen() for shape in shapes),
            invoices=() if customer.deleted else await self._invoices_of(customer_id),
            at=at,
        )

    async def customers_since(self, at: datetime | None) -> AsyncIterator[str]:
        """Go through the customers that have a subscription of any status, or got one since."""

        def ask(after: str) -> Awaitable[object]:
            params: SubscriptionListParams = {"status": "all", "limit": PAGE_ITEMS}
            if at is not None:
                params["created"] = {"gte": int(at.timestamp())}
            if after:
                params["starting_after"] = after
            return self._stripe.subscriptions.list_async(params)

        known: set[str] = set()
        async for page in self._pages("list subscriptions", ask):
            for listed in page:
                customer_id = reading.read(listed, reading.SubscriptionShape).customer_id
                if customer_id not in known:
                    known.add(customer_id)
                    yield customer_id

    # ── Events ───────────────────────────────────────────────────────────────────────────────────

    async def events_since(self, at: datetime) -> AsyncIterator[SeenEvent]:
        """Go through the events of late, oldest first.

        Stripe lists the newest first, so its pages are turned to the oldest one, of which only
        the places are kept where they begin, and then read on the way back.
        """
        what, ask = "list events", self._ask_events(int(at.timestamp()))
        newest = page = await self._page(what, ask(""))
        begins = [""]
        while page.has_more and page.data:
            if len(begins) == PAGES_MAX:
                raise ProviderFailed(f"asked to {what}, Stripe gave {PAGES_MAX} pages and no end")
            begins.append(page.last_id())
            page = await self._page(what, ask(begins[-1]))
        while begins:
            for listed in reversed(page.data):
                yield reading.read_event(listed)
            begins.pop()
            if len(begins) > 1:
                page = await self._page(what, ask(begins[-1]))
            else:
                page = newest  # asked for again, it would begin with what has come since

    def verify(self, body: bytes, headers: Mapping[str, str]) -> SeenEvent:
        """Read a webhook's body; raises BadRequest for what Stripe didn't sign of late."""
        if len(body) > WEBHOOK_BYTES_MAX:
            raise BadRequest(f"a webhook has at most {WEBHOOK_BYTES_MAX} bytes")
        given = [value for name, value in headers.items() if name.lower() == "stripe-signature"]
        if not given:
            raise BadRequest("the webhook has no Stripe-Signature header")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise BadRequest("the webhook's body is not UTF-8") from None
        if not any(
            self._is_signed(text, given[0], secret) for secret in self._settings.webhook_secrets
        ):
            raise BadRequest(
                f"the webhook's signature is wrong or older than {self._settings.tolerance_s} s:"
                " check STEPWELL_STRIPE_WEBHOOK_SECRET and this machine's clock"
            )
        return reading.read_signed_event(body)

    # ── The price list ───────────────────────────────────────────────────────────────────────────

    async def list_prices(self, plans: Sequence[ListedPlan]) -> tuple[SeenPrice, ...]:
        """Make Stripe's products, prices and meters what the price list says.

        A second run changes nothing. A plan without a price has no product: nobody buys it.
        """
        sold = [plan for plan in plans if plan.price]
        meters = await self._meters(sold)
        known = await self._current_prices([p.lookup_key for plan in sold for p in plan.price])
        seen: list[SeenPrice] = []
        for plan in sold:
            product_id = await self._product(plan)
            for price in plan.price:
                wanted = reading.wanted(price, product_id, meters.get(price.metric or ""))
                held = known.get(price.lookup_key)
                if held is None or not held.is_as(wanted):
                    held = await self._make_price(wanted, price, held)
                seen.append(held.seen(price.lookup_key))
        return tuple(seen)

    # ── Buying and changing ──────────────────────────────────────────────────────────────────────

    async def checkout(self, purchase: Purchase, *, key: str) -> str:
        """Return the address of a page where the customer buys; the pages from before end by that.

        The page may not write to the customer: its name and address are ours to keep.
        """
        tenant = {reading.TENANT_KEY: str(purchase.tenant_id)}
        params: SessionCreateParams = {
            "mode": "subscription",
            "customer": purchase.customer_id,
            "client_reference_id": str(purchase.tenant_id),
            "line_items": [_bought(line) for line in purchase.lines],
            "subscription_data": {"metadata": tenant},
            "success_url": purchase.success_url,
            "cancel_url": purchase.cancel_url,
        }
        if purchase.trial_days:
            params["subscription_data"]["trial_period_days"] = purchase.trial_days
        made = await self._asked(
            f"open a checkout for customer {purchase.customer_id}",
            self._stripe.checkout.sessions.create_async(
                params, {"idempotency_key": f"checkout:{key}"}
            ),
        )
        opened = reading.read(made, reading.CheckoutShape)
        await self._end_older(opened, purchase.customer_id)
        return opened.url

    async def _end_older(self, opened: reading.CheckoutShape, customer_id: str) -> None:
        sessions = self._stripe.checkout.sessions
        asked = sessions.list_async({"customer": customer_id, "status": "open"})
        page = await self._page("list open checkouts", asked)
        ids = [reading.read(each, reading.CheckoutShape).id for each in page.data]
        for older in ids[ids.index(opened.id) + 1 :] if opened.id in ids else ():  # newest first
            with suppress(ProviderRefused):  # it was paid, or ran out, meanwhile
                await self._asked(f"end checkout {older}", sessions.expire_async(older))

    async def portal(self, customer_id: str, *, return_url: str) -> str:
        """Return the address of a page where the customer changes, pays and cancels.

        The SDK makes the key of its retries: each visit is a session of its own.
        """
        made = await self._asked(
            f"open the portal for customer {customer_id}",
            self._stripe.billing_portal.sessions.create_async(
                {"customer": customer_id, "return_url": return_url}
            ),
        )
        return reading.read(made, reading.AddressShape).url

    async def preview(
        self, subscription_id: str, lines: Sequence[Line], *, ends_trial: bool = False
    ) -> Preview:
        """Say what it would cost to have these lines instead: now, and with each invoice later."""
        held = await self._subscription(subscription_id)
        changes = item_changes(held.seen().items, lines)
        # The SDK has a class of its own for the same dictionary.
        items = cast("list[PreviewedItem]", [_changed(change) for change in changes])

        async def ask(proration: str) -> reading.PreviewShape:
            details: InvoiceCreatePreviewParamsSubscriptionDetails = {
                "items": items,
                "proration_behavior": proration,
            }
            if ends_trial:
                details["trial_end"] = "now"
            found = await self._asked(
                f"preview a change of subscription {subscription_id}",
                self._stripe.invoices.create_preview_async(
                    {"subscription": subscription_id, "subscription_details": details}
                ),
            )
            return reading.read(found, reading.PreviewShape)

        at_once = await ask("always_invoice")
        return at_once.seen(
            regular=await ask("none"), is_trial_over=ends_trial, period_end=held.period()[1]
        )

    async def change(self, subscription_id: str, lines: Sequence[Line], *, key: str) -> None:
        """Have these lines instead, once what is due for them is paid.

        The difference is invoiced at once, and ``pending_if_incomplete`` keeps the old lines until
        that invoice is paid; left to the next invoice, an upgrade would be given on credit. What
        is invoiced with net terms can't wait so: Stripe refuses it, and the terms are the credit.
        """
        held = await self._subscription(subscription_id)
        changes = item_changes(held.seen().items, lines)
        params: SubscriptionUpdateParams = {
            "items": [_changed(change) for change in changes],
            "proration_behavior": "always_invoice",
        }
        if not held.is_invoiced:
            params["payment_behavior"] = "pending_if_incomplete"
        await self._update(subscription_id, params, key=f"change:{key}")

    async def cancel(self, subscription_id: str, *, key: str) -> None:
        """End the subscription when what is paid for ends."""
        await self._update(subscription_id, {"cancel_at_period_end": True}, key=f"cancel:{key}")

    async def resume(self, subscription_id: str, *, key: str) -> None:
        """Take back a cancellation that is still to come, whether at a period's end or on a day."""
        held = await self._subscription(subscription_id)
        if held.cancel_at_period_end:
            taken_back: SubscriptionUpdateParams = {"cancel_at_period_end": False}
        elif held.cancel_at is not None:
            taken_back = {"cancel_at": ""}
        else:
            return
        await self._update(subscription_id, taken_back, key=f"resume:{key}")

    async def agree(self, agreement: Agreement, *, key: str) -> SeenInvoice | None:
        """Begin a contract's subscription; returns its first invoice, when there is one already."""
        made = await self._asked(
            f"begin a contract for customer {agreement.customer_id}",
            self._stripe.subscriptions.create_async(
                {
                    "customer": agreement.customer_id,
                    "collection_method": "send_invoice",
                    "days_until_due": agreement.net_days,
                    "metadata": {reading.TENANT_KEY: str(agreement.tenant_id)},
                    "expand": ["latest_invoice"],
                    "items": [
                        {
                            "price_data": {
                                "product": agreement.product_id,
                                "currency": agreement.currency,
                                "unit_amount": agreement.amount,
                                "recurring": {"interval": agreement.interval},
                            }
                        }
                    ],
                },
                {"idempotency_key": f"agree:{key}"},
            ),
        )
        invoice = reading.read(made, reading.SubscriptionShape).latest_invoice
        return invoice.seen() if isinstance(invoice, reading.InvoiceShape) else None

    async def report(self, usage: Usage) -> None:
        """Tell a meter what was used. The identifier outlives the key of the call itself."""
        try:
            await self._asked(
                f"count {usage.quantity} of {usage.meter} for customer {usage.customer_id}",
                self._stripe.billing.meter_events.create_async(
                    {
                        "event_name": usage.meter,
                        "identifier": usage.identifier,
                        "timestamp": int(usage.at.timestamp()),
                        "payload": {
                            "stripe_customer_id": usage.customer_id,
                            "value": str(usage.quantity),
                        },
                    },
                    {"idempotency_key": f"meter:{usage.identifier}"},
                ),
            )
        except ProviderRefused as refused:
            # Counted already, by a call whose answer was lost more than a day ago.
            if f"already exists with identifier {usage.identifier}" not in refused.detail:
                raise

    # ── Parts of the above ───────────────────────────────────────────────────────────────────────

    def _is_signed(self, text: str, signature: str, secret: str) -> bool:
        # The SDK compares only ASCII in constant time, and raises TypeError for anything else.
        if not signature.isascii():
            return False
        try:
            stripe.WebhookSignature.verify_header(  # pyright: ignore[reportUnknownMemberType]  # the SDK forgot a type
                text, signature, secret, self._settings.tolerance_s
            )
        except stripe.SignatureVerificationError:
            return False
        return True

    async def _clock(self, clock_id: str) -> datetime:
        found = await self._asked(
            f"show test clock {clock_id}",
            self._stripe.test_helpers.test_clocks.retrieve_async(clock_id),
        )
        return reading.read(found, reading.ClockShape).at

    async def _subscriptions_of(self, customer_id: str) -> list[reading.SubscriptionShape]:
        def ask(after: str) -> Awaitable[object]:
            params: SubscriptionListParams = {
                "customer": customer_id,
                "status": "all",
                "limit": PAGE_ITEMS,
            }
            if after:
                params["starting_after"] = after
            return self._stripe.subscriptions.list_async(params)

        what = f"list the subscriptions of customer {customer_id}"
        shapes: list[reading.SubscriptionShape] = []
        async for page in self._pages(what, ask):
            shapes += [reading.read(listed, reading.SubscriptionShape) for listed in page]
        if any(shape.customer_id != customer_id for shape in shapes):
            raise ProviderFailed(f"asked to {what}, Stripe listed another customer's")
        return [await self._whole(shape) for shape in shapes]

    async def _subscription(self, subscription_id: str) -> reading.SubscriptionShape:
        found = await self._asked(
            f"show subscription {subscription_id}",
            self._stripe.subscriptions.retrieve_async(subscription_id),
        )
        return await self._whole(reading.read(found, reading.SubscriptionShape))

    async def _whole(self, shape: reading.SubscriptionShape) -> reading.SubscriptionShape:
        """Ask for the items that Stripe left out of a subscription with many."""
        if not shape.items.has_more:
            return shape
        found = await self._asked(
            f"list the items of subscription {shape.id}",
            self._stripe.subscription_items.list_async(
                {"subscription": shape.id, "limit": PAGE_ITEMS}
            ),
        )
        return msgspec.structs.replace(shape, items=reading.read(found, reading.ItemsShape))

    async def _invoices_of(self, customer_id: str) -> tuple[SeenInvoice, ...]:
        page = await self._page(
            f"list the invoices of customer {customer_id}",
            self._stripe.invoices.list_async({"customer": customer_id, "limit": INVOICES_SHOWN}),
        )
        return tuple(reading.read(listed, reading.InvoiceShape).seen() for listed in page.data)

    def _ask_events(self, start: int) -> _AskPage:
        def ask(after: str) -> Awaitable[object]:
            params: EventListParams = {"created": {"gte": start}, "limit": PAGE_ITEMS}
            if after:
                params["starting_after"] = after
            return self._stripe.events.list_async(params)

        return ask

    async def _update(
        self, subscription_id: str, params: SubscriptionUpdateParams, *, key: str
    ) -> None:
        await self._asked(
            f"change subscription {subscription_id}",
            self._stripe.subscriptions.update_async(
                subscription_id, params, {"idempotency_key": key}
            ),
        )

    async def _product(self, plan: ListedPlan) -> str:
        """Find a plan's product or make it, on sale and with the plan's title."""
        product_id = f"stepwell_{plan.name}"
        what = f"make product {product_id}"
        found = await self._found(what, self._stripe.products.retrieve_async(product_id))
        if found is None:
            await self._asked(
                what,
                self._stripe.products.create_async(
                    {"id": product_id, "name": plan.title, "metadata": {"plan": plan.name}},
                    {"idempotency_key": f"product:{product_id}:{plan.title}"},
                ),
            )
            return product_id
        held = reading.read(found, reading.ProductShape)
        if held.name != plan.title or not held.active:
            await self._asked(
                what,
                self._stripe.products.update_async(
                    product_id, {"name": plan.title, "active": True}
                ),
            )
        return product_id

    async def _current_prices(self, keys: Sequence[str]) -> dict[str, reading.PriceShape]:
        """Find the prices that bear these lookup keys now."""
        known: dict[str, reading.PriceShape] = {}
        for start in range(0, len(keys), LOOKUP_KEYS_MAX):
            some = [*keys[start : start + LOOKUP_KEYS_MAX]]
            page = await self._page(
                "list prices",
                self._stripe.prices.list_async({"lookup_keys": some, "limit": PAGE_ITEMS}),
            )
            shapes = [reading.read(listed, reading.PriceShape) for listed in page.data]
            known |= {shape.lookup_key: shape for shape in shapes if shape.lookup_key in some}
        return known

    async def _make_price(
        self, wanted: reading.WantedPrice, listed: ListedPrice, held: reading.PriceShape | None
    ) -> reading.PriceShape:
        """Make a price, and have the lookup key lead to it from now on.

        Whoever bought the old price keeps it. The old one's id is part of the key: an amount that
        comes back is a third price, not the answer that the first one got.
        """
        params: PriceCreateParams = {
            "product": wanted.product_id,
            "currency": wanted.currency,
            "unit_amount": wanted.amount,
            "lookup_key": listed.lookup_key,
            "transfer_lookup_key": True,
            "recurring": {"interval": wanted.interval, "usage_type": wanted.usage_type},
        }
        if wanted.meter_id is not None:
            params["recurring"] = {
                "interval": wanted.interval,
                "usage_type": wanted.usage_type,
                "meter": wanted.meter_id,
            }
        replaced = held.id if held is not None else "none"
        made = await self._asked(
            f"make price {listed.lookup_key}",
            self._stripe.prices.create_async(
                params, {"idempotency_key": f"price:{listed.lookup_key}:{wanted.name()}:{replaced}"}
            ),
        )
        return reading.read(made, reading.PriceShape)

    async def _meters(self, plans: Sequence[ListedPlan]) -> dict[str, str]:
        """Find or make a meter for each metric that is charged by usage; its id by the metric."""
        metrics = {price.metric for plan in plans for price in plan.price if price.metric}
        if not metrics:
            return {}
        page = await self._page(
            "list meters",
            self._stripe.billing.meters.list_async({"status": "active", "limit": PAGE_ITEMS}),
        )
        shapes = [reading.read(listed, reading.MeterShape) for listed in page.data]
        known = {shape.event_name: shape.id for shape in shapes}
        for metric in sorted(metrics - known.keys()):
            made = await self._asked(
                f"make meter {metric}",
                self._stripe.billing.meters.create_async(
                    {
                        "display_name": metric.replace("_", " "),
                        "event_name": metric,
                        "default_aggregation": {"formula": "sum"},
                        "customer_mapping": {
                            "type": "by_id",
                            "event_payload_key": "stripe_customer_id",
                        },
                        "value_settings": {"event_payload_key": "value"},
                    },
                    {"idempotency_key": f"meter:{metric}"},
                ),
            )
            known[metric] = reading.read(made, reading.MeterShape).id
        return known

    # ── Asking ───────────────────────────────────────────────────────────────────────────────────

    async def _asked(self, what: str, answer: Awaitable[object]) -> _Asked:
        with self._translating(what):
            async with asyncio.timeout(self._settings.call_s_max):
                return _plain(await answer)

    async def _found(self, what: str, answer: Awaitable[object]) -> _Asked | None:
        """Ask for what may not be there."""
        with self._translating(what):
            try:
                async with asyncio.timeout(self._settings.call_s_max):
                    return _plain(await answer)
            except stripe.InvalidRequestError as error:
                if error.code != "resource_missing":
                    raise
                return None

    async def _page(self, what: str, answer: Awaitable[object]) -> reading.PageShape:
        return reading.read(await self._asked(what, answer), reading.PageShape)

    async def _pages(self, what: str, ask: _AskPage) -> AsyncIterator[list[_Asked]]:
        after = ""
        for _ in range(PAGES_MAX):
            page = await self._page(what, ask(after))
            yield page.data
            if not page.has_more or not page.data:
                return
            after = page.last_id()
        raise ProviderFailed(f"asked to {what}, Stripe gave {PAGES_MAX} pages and no end")

    @contextmanager
    def _translating(self, what: str) -> Generator[None]:
        """Translate what goes wrong. Causes are cut off: the SDK's may carry the key in them."""
        try:
            yield
        except TimeoutError:
            waited = self._settings.call_s_max
            raise ProviderFailed(f"Stripe didn't {what} within {waited:g} s; try again") from None
        except stripe.StripeError as error:
            raise self._translated(what, error) from None
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            # The SDK takes answers apart without a look at them: nonsense falls out as these.
            name = type(error).__name__
            raise ProviderFailed(f"asked to {what}, Stripe answered nonsense ({name})") from None

    def _translated(self, what: str, error: stripe.StripeError) -> ProviderFailed | ProviderRefused:
        match error:
            case stripe.InvalidRequestError() | stripe.CardError() | stripe.IdempotencyError():
                return ProviderRefused(f"Stripe refused to {what}: {self._said(error)}")
            case stripe.AuthenticationError() | stripe.PermissionError():
                return ProviderFailed(
                    f"Stripe doesn't take our key to {what}: check STEPWELL_STRIPE_API_KEY"
                )
            case stripe.RateLimitError():
                return ProviderFailed(f"Stripe has no room to {what} now; try again")
            case stripe.APIConnectionError():
                return ProviderFailed(f"Stripe can't be reached to {what}; try again")
            case _:
                status = error.http_status or "no status"
                return ProviderFailed(f"asked to {what}, Stripe failed ({status}); try again")

    def _said(self, error: stripe.StripeError) -> str:
        said = error.user_message or "it doesn't say why"
        return said.replace(self._settings.api_key, "(key)")[:300]


def _plain(answer: object) -> _Asked:
    if not isinstance(answer, stripe.StripeObject):
        raise TypeError("an answer is an object")
    return answer.to_dict(for_json=True)


def _bought(line: Line) -> SessionCreateParamsLineItem:
    if line.quantity is None:
        return {"price": line.price_id}
    return {"price": line.price_id, "quantity": line.quantity}


def _changed(change: ItemChange) -> SubscriptionUpdateParamsItem:
    item: SubscriptionUpdateParamsItem = {}
    if change.id is not None:
        item["id"] = change.id
    if change.price_id is None:
        item["deleted"] = True
    else:
        item["price"] = change.price_id
    if change.quantity is not None:
        item["quantity"] = change.quantity
    return item
