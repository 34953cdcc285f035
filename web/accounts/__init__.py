"""Pages of people: log in, sign up, prove an address, one's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from web.accounts import entry, invitation, own, passkeys, resets, signup, sso, verification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ControllerRouterHandler

PAGES: Sequence[ControllerRouterHandler] = (
    entry.log_in_page,
    entry.log_in,
    entry.log_out,
    signup.sign_up_page,
    signup.sign_up,
    verification.verify_page,
    verification.verify,
    verification.send_again,
    resets.reset_page,
    resets.ask_reset,
    resets.reset,
    invitation.invitation_page,
    invitation.accept,
    invitation.join,
    own.show,
    own.rename,
    own.end_session,
    own.end_other_sessions,
    own.password_page,
    own.change_password,
    own.email_page,
    own.change_email,
    own.verify_email,
    passkeys.ask_passkey,
    passkeys.log_in,
    passkeys.passkeys_page,
    passkeys.ask_registration,
    passkeys.register,
    passkeys.rename,
    passkeys.remove,
    sso.sign_on_page,
    sso.begin,
    sso.come_back,
)
