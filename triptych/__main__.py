"""The command `triptych`, and `python -m triptych`."""

from __future__ import annotations

import sys

from triptych import lazily


def main() -> None:
    """Run the command line; exits with the status."""
    try:
        lazily.check()
    except lazily.ShadowedError as error:
        print(f"triptych: {error}", file=sys.stderr)
        sys.exit(2)
    from shared import cli

    cli.main()


if __name__ == "__main__":
    main()
