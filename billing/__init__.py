"""What tenants pay for: the price list."""
