"""Events as Stripe delivers them: a body, and a signature over it."""

from __future__ import annotations

import hmac
import itertools
import time
import uuid

import msgspec

API_VERSION = "2026-10-28.endive"
_numbers = itertools.count(1)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event, ready to be sent."""

    id: str
    body: bytes

    def headers(self, secret: str, *, at: float | None = None) -> dict[str, str]:
        """Sign it, now or as if it were another time."""
        second = int(time.time() if at is None else at)
        signed = b"%d.%b" % (second, self.body)
        digest = hmac.digest(secret.encode(), signed, "sha256").hex()
        return {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": f"t={second},v1={digest}",
        }


def event(
    customer: str | None,
    *,
    kind: str = "customer.subscription.updated",
    version: str | None = API_VERSION,
    padding: str = "",
) -> Delivery:
    """Make an event about a customer."""
    number = next(_numbers)
    event_id = f"evt_{number}_{uuid.uuid4().hex[:8]}"
    document = {
        "id": event_id,
        "object": "event",
        "api_version": version,
        "created": int(time.time()),
        "type": kind,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "data": {
            "object": {
                "id": f"sub_{number}",
                "object": "subscription",
                "customer": customer,
                "status": "active",
                "description": padding,
            }
        },
    }
    return Delivery(id=event_id, body=msgspec.json.encode(document))
