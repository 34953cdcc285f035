"""`python -m deploy.cli` is `stepwell`."""

from __future__ import annotations

from deploy.cli import main

if __name__ == "__main__":
    main(prog_name="stepwell")
