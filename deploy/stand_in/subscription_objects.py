"""Subscriptions and invoices as Stripe shows them."""

from __future__ import annotations

from msgspec import Struct, field

from deploy.stand_in.objects import Price, Resource


class Items(Struct, frozen=True, kw_only=True):
    """The list inside a subscription."""

    object: str = "list"
    data: tuple[SubscriptionItem, ...]
    has_more: bool = False
    url: str


class SubscriptionItem(Resource, frozen=True, kw_only=True):
    """``quantity`` is None where a meter counts."""

    object: str = "subscription_item"
    billing_thresholds: None = None
    created: int
    current_period_end: int
    current_period_start: int
    discounts: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    price: Price
    quantity: int | None
    subscription: str
    tax_rates: tuple[str, ...] = ()


class BillingMode(Struct, frozen=True, kw_only=True):
    flexible: None = None
    type: str = "flexible"


class CancellationDetails(Struct, frozen=True, kw_only=True):
    comment: str | None = None
    feedback: str | None = None
    reason: str | None = None


class Issuer(Struct, frozen=True, kw_only=True):
    type: str = "self"


class Tax(Struct, frozen=True, kw_only=True):
    disabled_reason: None = None
    enabled: bool = False
    liability: None = None


class SubscriptionInvoiceSettings(Struct, frozen=True, kw_only=True):
    account_tax_ids: None = None
    issuer: Issuer = Issuer()


class PauseCollection(Struct, frozen=True, kw_only=True):
    behavior: str
    resumes_at: int | None


class SubscriptionPaymentSettings(Struct, frozen=True, kw_only=True):
    payment_method_options: None = None
    payment_method_types: None = None
    save_default_payment_method: str = "off"


class EndBehavior(Struct, frozen=True, kw_only=True):
    missing_payment_method: str = "create_invoice"


class TrialSettings(Struct, frozen=True, kw_only=True):
    end_behavior: EndBehavior = EndBehavior()


class PendingUpdate(Struct, frozen=True, kw_only=True):
    """What holds once its invoice is paid."""

    billing_cycle_anchor: int | None
    expires_at: int
    subscription_items: tuple[SubscriptionItem, ...]
    trial_end: int | None
    trial_from_plan: bool | None = None


class Subscription(Resource, frozen=True, kw_only=True):
    object: str = "subscription"
    application: None = None
    application_fee_percent: None = None
    automatic_tax: Tax = Tax()
    billing_cycle_anchor: int
    billing_mode: BillingMode = BillingMode()
    billing_thresholds: None = None
    cancel_at: int | None = None
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    cancellation_details: CancellationDetails = CancellationDetails()
    collection_method: str = "charge_automatically"
    created: int
    currency: str
    customer: str
    days_until_due: int | None = None
    default_payment_method: str | None = None
    default_source: None = None
    default_tax_rates: tuple[str, ...] = ()
    description: str | None = None
    discounts: tuple[str, ...] = ()
    ended_at: int | None = None
    invoice_settings: SubscriptionInvoiceSettings = SubscriptionInvoiceSettings()
    items: Items
    latest_invoice: str | None = None
    livemode: bool = False
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    next_pending_invoice_item_invoice: None = None
    pause_collection: PauseCollection | None = None
    payment_settings: SubscriptionPaymentSettings = SubscriptionPaymentSettings()
    pending_setup_intent: None = None
    pending_update: PendingUpdate | None = None
    schedule: None = None
    start_date: int
    status: str
    test_clock: str | None
    trial_end: int | None = None
    trial_settings: TrialSettings = TrialSettings()
    trial_start: int | None = None


# Invoices ---------------------------------------------------------------------------------------


class Period(Struct, frozen=True, kw_only=True):
    end: int
    start: int


class PriceDetails(Struct, frozen=True, kw_only=True):
    price: str
    product: str


class Pricing(Struct, frozen=True, kw_only=True):
    price_details: PriceDetails
    type: str = "price_details"
    unit_amount_decimal: str


class SubscriptionItemDetails(Struct, frozen=True, kw_only=True):
    invoice_item: str | None
    proration: bool
    proration_details: None = None
    subscription: str
    subscription_item: str


class InvoiceItemDetails(Struct, frozen=True, kw_only=True):
    invoice_item: str
    proration: bool
    proration_details: None = None
    subscription: str | None


class LineParent(Struct, frozen=True, kw_only=True):
    invoice_item_details: InvoiceItemDetails | None = None
    subscription_item_details: SubscriptionItemDetails | None = None
    type: str


class InvoiceLine(Resource, frozen=True, kw_only=True):
    object: str = "line_item"
    amount: int
    currency: str
    description: str
    discount_amounts: tuple[str, ...] = ()
    discountable: bool = True
    discounts: tuple[str, ...] = ()
    invoice: str
    livemode: bool = False
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    parent: LineParent
    period: Period
    pretax_credit_amounts: tuple[str, ...] = ()
    pricing: Pricing | None
    quantity: int | None
    subtotal: int
    taxes: tuple[str, ...] = ()


class Lines(Struct, frozen=True, kw_only=True):
    """The list inside an invoice."""

    object: str = "list"
    data: tuple[InvoiceLine, ...]
    has_more: bool = False
    url: str


class InvoiceTax(Struct, frozen=True, kw_only=True):
    disabled_reason: None = None
    enabled: bool = False
    liability: None = None
    provider: None = None
    status: None = None


class SubscriptionDetails(Struct, frozen=True, kw_only=True):
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    subscription: str


class InvoiceParent(Struct, frozen=True, kw_only=True):
    quote_details: None = None
    subscription_details: SubscriptionDetails
    type: str = "subscription_details"


class InvoicePaymentSettings(Struct, frozen=True, kw_only=True):
    default_mandate: None = None
    payment_method_options: None = None
    payment_method_types: None = None


class StatusTransitions(Struct, frozen=True, kw_only=True):
    finalized_at: int | None = None
    marked_uncollectible_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None


class Invoice(Resource, frozen=True, kw_only=True):
    object: str = "invoice"
    account_country: str = "US"
    account_name: str = "Stand-in"
    account_tax_ids: None = None
    amount_due: int
    amount_overpaid: int = 0
    amount_paid: int = 0
    amount_remaining: int
    amount_shipping: int = 0
    application: None = None
    attempt_count: int = 0
    attempted: bool = False
    auto_advance: bool = True
    automatic_tax: InvoiceTax = InvoiceTax()
    automatically_finalizes_at: int | None = None
    billing_reason: str
    collection_method: str
    created: int
    currency: str
    custom_fields: None = None
    customer: str
    customer_email: str | None
    customer_name: str | None
    default_payment_method: str | None = None
    default_source: None = None
    default_tax_rates: tuple[str, ...] = ()
    description: str | None = None
    discounts: tuple[str, ...] = ()
    due_date: int | None = None
    effective_at: int | None = None
    ending_balance: int | None = None
    footer: None = None
    from_invoice: None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None
    issuer: Issuer = Issuer()
    last_finalization_error: None = None
    latest_revision: None = None
    lines: Lines
    livemode: bool = False
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    next_payment_attempt: int | None = None
    number: str | None = None
    on_behalf_of: None = None
    parent: InvoiceParent | None
    payment_settings: InvoicePaymentSettings = InvoicePaymentSettings()
    period_end: int
    period_start: int
    post_payment_credit_notes_amount: int = 0
    pre_payment_credit_notes_amount: int = 0
    receipt_number: None = None
    starting_balance: int = 0
    statement_descriptor: None = None
    status: str = "draft"
    status_transitions: StatusTransitions = StatusTransitions()
    subtotal: int
    subtotal_excluding_tax: int
    test_clock: str | None
    total: int
    total_discount_amounts: tuple[str, ...] = ()
    total_excluding_tax: int
    total_pretax_credit_amounts: tuple[str, ...] = ()
    total_taxes: tuple[str, ...] = ()
    webhooks_delivered_at: int | None = None


class InvoiceItemParent(Struct, frozen=True, kw_only=True):
    subscription_details: InvoiceItemSubscription
    type: str = "subscription_details"


class InvoiceItemSubscription(Struct, frozen=True, kw_only=True):
    subscription: str
    subscription_item: str | None = None


class InvoiceItem(Resource, frozen=True, kw_only=True):
    """An amount that waits for the next invoice, until ``invoice`` names the one that took it."""

    object: str = "invoiceitem"
    amount: int
    currency: str
    customer: str
    date: int
    description: str | None
    discountable: bool = False
    discounts: tuple[str, ...] = ()
    invoice: str | None = None
    livemode: bool = False
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    parent: InvoiceItemParent | None = None
    period: Period
    pricing: Pricing | None = None
    proration: bool = False
    quantity: int = 1
    tax_rates: tuple[str, ...] = ()
    test_clock: str | None
