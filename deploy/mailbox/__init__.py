"""The mailbox of the embedded stack: takes every letter, keeps the newest, brings none anywhere."""
