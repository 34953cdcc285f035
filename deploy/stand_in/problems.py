"""What goes wrong, in Stripe's JSON: one exception that knows its status, type, code and field."""

from __future__ import annotations

import msgspec

LIVE_KEYS = ("sk_live_", "rk_live_")


class Refused(Exception):
    """The call isn't done; its message goes to whoever made it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - the word of Stripe's document
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.param = param

    def document(self) -> bytes:
        """Write the error as Stripe does: what isn't known is left out."""
        said = {"code": self.code, "message": str(self), "param": self.param, "type": self.type}
        error = {name: value for name, value in said.items() if value is not None}
        if self.code == "card_declined":
            error["decline_code"] = "generic_decline"
        return msgspec.json.encode({"error": error})


def missing(kind: str, id: str, *, param: str = "id") -> Refused:  # noqa: A002 - as on the wire
    """Say that there is no such thing: 404 where the path names it, 400 where a field does."""
    return Refused(
        f"No such {kind}: '{id}'",
        status=404 if param == "id" else 400,
        code="resource_missing",
        param=param,
    )


def required(param: str) -> Refused:
    """Say that a field has to be there."""
    return Refused(f"Missing required param: {param}.", code="parameter_missing", param=param)


def invalid(param: str, why: str) -> Refused:
    """Say that a field can't be that."""
    return Refused(why, code="parameter_invalid", param=param)


def declined() -> Refused:
    """Say that the card wasn't good for it."""
    return Refused("Your card was declined.", status=402, type="card_error", code="card_declined")


def wrong_key(key: str | None) -> Refused:
    """Say what is wrong with the key, without repeating it."""
    if not key:
        message = (
            "You did not provide an API key: send it as the user name of basic authentication, "
            "or as 'Authorization: Bearer YOUR_SECRET_KEY'"
        )
    elif key.startswith(LIVE_KEYS):
        message = "A live key was sent to a stand-in for tests: use a key that begins with sk_test_"
    else:
        message = f"Invalid API Key provided: {key[:7]}****"
    return Refused(message, status=401)
