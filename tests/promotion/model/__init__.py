"""A move as a finite machine, and a search through everything that it can do."""
