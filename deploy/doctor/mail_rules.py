"""Rules of mail: without it nobody proves an address, nor gets back in."""

from __future__ import annotations

from deploy.doctor.rule import Rule
from router.sql import load

_SQL = load("deploy.doctor", "mail.sql")

#: Goes in front of every statement below.
MAIL_GIVEN = _SQL["given"]

MAIL_RULES = (
    Rule(
        name="letter-waiting",
        title="No letter has waited for ten minutes",
        danger="Nobody can prove an address, set a forgotten password or accept an invitation.",
        remedy="Read the error: STEPWELL_SMTP_URL is missing or wrong, its server is away, or no "
        "worker runs.",
        grave=False,
        scope="mail",
        sql=_SQL["letter_waiting"],
    ),
    Rule(
        name="letter-given-up",
        title="No letter was given up within the last day",
        danger="Whoever waits for it waits in vain.",
        remedy="Read the error. A server that refuses every address takes no mail from "
        "STEPWELL_MAIL_FROM; one that refuses a single address is right.",
        grave=False,
        scope="mail",
        sql=_SQL["letter_given_up"],
    ),
)
