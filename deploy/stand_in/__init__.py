"""A stand-in for Stripe on machines without internet: development and tests only, loopback only."""
