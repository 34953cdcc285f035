"""Passkeys: devices made of software, and what an attacker tries with them."""
