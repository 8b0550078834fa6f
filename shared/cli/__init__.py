"""The command `triptych`: it reads arguments, calls the verbs, and prints what they give.

Each verb is a module here. Whatever it needs is imported when it runs, so that `triptych list`
stays quick.
"""

from shared.cli.run import main

__all__ = ["main"]
