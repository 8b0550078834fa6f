"""A fixture for pytest: the check that two models are the same network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def assert_same_model() -> Callable[..., Any]:
    """`shared.parity.assert_same_model`: fails a test with the first layer that differs."""
    from shared.parity.own import assert_same_model

    return assert_same_model
