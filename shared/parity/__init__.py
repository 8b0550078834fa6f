"""Proof that the panels hold the same networks, rung by rung, from sources to numbers.

For two models of your own: `compare_models` and `assert_same_model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.parity.user_models import Report, assert_same_model, compare_models

__all__ = ["Report", "assert_same_model", "compare_models"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: a command that compares nothing need not wait."""
    if name in __all__:
        from shared.parity import user_models

        return getattr(user_models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
