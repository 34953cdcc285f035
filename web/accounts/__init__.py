"""Pages of people: log in, sign up, prove an address, one's own account."""
