"""Products that no customer would buy: they have one of everything that PostgreSQL can store."""
