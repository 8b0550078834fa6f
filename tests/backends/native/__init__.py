"""Three mirrored files: what a user of each framework would do with its panel, in its own words.

Their functions run in workers and give plain facts; the assertions stand in test_architectures.
"""

import importlib
from typing import Any


def call(backend: str, function: str, *arguments: Any) -> Any:
    """Call a function of a backend's file; only here is the file imported, and its framework."""
    module = importlib.import_module(f"tests.backends.native.{backend}_checks")
    return getattr(module, function)(*arguments)
