"""Usage: API calls counted in every gateway, held to their limits, and written down for ever."""
