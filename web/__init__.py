"""The pages: each is a client of the platform's own HTTP API and may do nothing that API can't.

A page holds the visitor's session and asks with it, so that rights, limits, idempotency and the
audit are enforced in one place, and a mistake in a page can leak nothing.
"""
