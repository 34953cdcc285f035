"""Single sign-on: a small provider of our own, and what an attacker tries with it."""
