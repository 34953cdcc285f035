"""What the stand-in keeps and shows, with Stripe's names; the SDK's classes are held against it.

Fields that are always the same here are still shown, because a client that reads them must not
find them missing.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

#: The version whose shapes these are: the SDK's own.
API_VERSION = "2026-10-28.endive"


#: Named out here: inside a class that has a field ``object``, the word means that field.
Document: TypeAlias = dict[str, object]


class Resource(Struct, frozen=True, kw_only=True):
    """Anything with an id."""

    id: str


# Customers and their cards ----------------------------------------------------------------------


class CustomerInvoiceSettings(Struct, frozen=True, kw_only=True):
    custom_fields: None = None
    default_payment_method: str | None = None
    footer: None = None
    rendering_options: None = None


class Customer(Resource, frozen=True, kw_only=True):
    object: str = "customer"
    address: dict[str, str] | None = None
    balance: int = 0
    created: int
    currency: str | None = None
    default_source: None = None
    delinquent: bool = False
    description: str | None = None
    discount: None = None
    email: str | None = None
    invoice_prefix: str
    invoice_settings: CustomerInvoiceSettings = CustomerInvoiceSettings()
    livemode: bool = False
    metadata: dict[str, str] = {}
    name: str | None = None
    next_invoice_sequence: int = 1
    phone: str | None = None
    preferred_locales: tuple[str, ...] = ()
    shipping: None = None
    tax_exempt: str = "none"
    test_clock: str | None = None


class Deleted(Resource, frozen=True, kw_only=True):
    """What is left of a thing: that it was."""

    object: str
    deleted: bool = True


class DeletedCustomer(Deleted, frozen=True, kw_only=True):
    object: str = "customer"


class Card(Struct, frozen=True, kw_only=True):
    brand: str = "visa"
    country: str = "US"
    display_brand: str = "visa"
    exp_month: int = 12
    exp_year: int = 2099
    fingerprint: str
    funding: str = "credit"
    #: Whether it pays is in here: see cards.py.
    last4: str


class BillingDetails(Struct, frozen=True, kw_only=True):
    address: None = None
    email: str | None = None
    name: str | None = None
    phone: None = None
    tax_id: None = None


class PaymentMethod(Resource, frozen=True, kw_only=True):
    object: str = "payment_method"
    allow_redisplay: str = "unspecified"
    billing_details: BillingDetails = BillingDetails()
    card: Card
    created: int
    customer: str | None
    livemode: bool = False
    metadata: dict[str, str] = {}
    type: str = "card"


# The catalogue ----------------------------------------------------------------------------------


class Product(Resource, frozen=True, kw_only=True):
    object: str = "product"
    active: bool = True
    created: int
    default_price: str | None = None
    description: str | None = None
    images: tuple[str, ...] = ()
    livemode: bool = False
    marketing_features: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    name: str
    package_dimensions: None = None
    shippable: None = None
    statement_descriptor: str | None = None
    tax_code: str | None = None
    type: str = "service"
    unit_label: str | None = None
    updated: int
    url: str | None = None


class Recurring(Struct, frozen=True, kw_only=True):
    interval: str
    interval_count: int = 1
    meter: str | None = None
    trial_period_days: None = None
    usage_type: str = "licensed"


class Price(Resource, frozen=True, kw_only=True):
    object: str = "price"
    active: bool = True
    billing_scheme: str = "per_unit"
    created: int
    currency: str
    custom_unit_amount: None = None
    livemode: bool = False
    lookup_key: str | None = None
    metadata: dict[str, str] = {}
    nickname: str | None = None
    product: str
    recurring: Recurring | None = None
    tax_behavior: str = "unspecified"
    tiers_mode: None = None
    transform_quantity: None = None
    type: str
    unit_amount: int | None
    unit_amount_decimal: str


# Pages ------------------------------------------------------------------------------------------


class CheckoutCustomerDetails(Struct, frozen=True, kw_only=True):
    address: None = None
    email: str | None
    name: str | None
    phone: None = None
    tax_exempt: str = "none"
    tax_ids: tuple[str, ...] = ()


class SessionTax(Struct, frozen=True, kw_only=True):
    enabled: bool = False
    liability: None = None
    provider: None = None
    status: None = None


class TotalDetails(Struct, frozen=True, kw_only=True):
    amount_discount: int = 0
    amount_shipping: int = 0
    amount_tax: int = 0


class CheckoutSession(Resource, frozen=True, kw_only=True):
    object: str = "checkout.session"
    allow_promotion_codes: bool | None = None
    amount_subtotal: int
    amount_total: int
    automatic_tax: SessionTax = SessionTax()
    billing_address_collection: str | None = None
    cancel_url: str | None
    client_reference_id: str | None
    created: int
    currency: str
    customer: str | None
    customer_creation: str | None
    customer_details: CheckoutCustomerDetails | None = None
    customer_email: str | None
    expires_at: int
    invoice: str | None = None
    livemode: bool = False
    locale: str | None = None
    metadata: dict[str, str] = {}
    mode: str = "subscription"
    payment_intent: None = None
    payment_method_collection: str
    payment_method_types: tuple[str, ...] = ("card",)
    payment_status: str = "unpaid"
    status: str = "open"
    subscription: str | None = None
    success_url: str
    total_details: TotalDetails = TotalDetails()
    ui_mode: str = "hosted_page"
    url: str | None


class LineItem(Resource, frozen=True, kw_only=True):
    """A line of a checkout session."""

    object: str = "item"
    amount_discount: int = 0
    amount_subtotal: int
    amount_tax: int = 0
    amount_total: int
    currency: str
    description: str
    price: Price
    quantity: int | None


class PortalSession(Resource, frozen=True, kw_only=True):
    object: str = "billing_portal.session"
    configuration: str
    created: int
    customer: str
    customer_account: None = None
    flow: None = None
    livemode: bool = False
    locale: str | None = None
    on_behalf_of: None = None
    return_url: str | None
    url: str


# Events and who hears of them -------------------------------------------------------------------


class EventData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    object: Document
    previous_attributes: Document | None = None


class EventRequest(Struct, frozen=True, kw_only=True):
    id: str | None
    idempotency_key: str | None


class Event(Resource, frozen=True, kw_only=True):
    object: str = "event"
    api_version: str = API_VERSION
    created: int
    data: EventData
    livemode: bool = False
    pending_webhooks: int
    request: EventRequest
    type: str


class WebhookEndpoint(Resource, frozen=True, kw_only=True):
    """``secret`` is shown once, when the endpoint is made."""

    object: str = "webhook_endpoint"
    api_version: str | None
    application: None = None
    created: int
    description: str | None
    enabled_events: tuple[str, ...]
    livemode: bool = False
    metadata: dict[str, str] = {}
    secret: str | None
    status: str = "enabled"
    url: str


# Meters -----------------------------------------------------------------------------------------


class CustomerMapping(Struct, frozen=True, kw_only=True):
    event_payload_key: str = "stripe_customer_id"
    type: str = "by_id"


class DefaultAggregation(Struct, frozen=True, kw_only=True):
    formula: str


class ValueSettings(Struct, frozen=True, kw_only=True):
    event_payload_key: str = "value"


class MeterTransitions(Struct, frozen=True, kw_only=True):
    deactivated_at: int | None = None


class Meter(Resource, frozen=True, kw_only=True):
    object: str = "billing.meter"
    created: int
    customer_mapping: CustomerMapping
    default_aggregation: DefaultAggregation
    display_name: str
    event_name: str
    event_time_window: str | None = None
    livemode: bool = False
    status: str = "active"
    status_transitions: MeterTransitions = MeterTransitions()
    updated: int
    value_settings: ValueSettings


class MeterEvent(Struct, frozen=True, kw_only=True):
    object: str = "billing.meter_event"
    created: int
    event_name: str
    identifier: str
    livemode: bool = False
    payload: dict[str, str]
    timestamp: int


class MeterReading(Resource, frozen=True, kw_only=True):
    """A meter event as it is kept: under its identifier, filed by customer."""

    created: int
    customer: str
    event_name: str
    timestamp: int
    value: float


class MeterEventSummary(Resource, frozen=True, kw_only=True):
    object: str = "billing.meter_event_summary"
    aggregated_value: float
    end_time: int
    livemode: bool = False
    meter: str
    start_time: int


# Test clocks ------------------------------------------------------------------------------------


class Advancing(Struct, frozen=True, kw_only=True):
    target_frozen_time: int


class ClockDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    advancing: Advancing | None = None


class TestClock(Resource, frozen=True, kw_only=True):
    object: str = "test_helpers.test_clock"
    created: int
    deletes_after: int
    frozen_time: int
    livemode: bool = False
    name: str | None
    status: str = "ready"
    status_details: ClockDetails = ClockDetails()
