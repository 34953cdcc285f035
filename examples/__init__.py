"""Products to read, run and copy: each is written as if it had a single customer."""
