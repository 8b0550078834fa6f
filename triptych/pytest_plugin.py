"""A fixture for pytest: the check that two models are the same network.

Every run of pytest imports this module where Triptych is installed. So nothing else of Triptych,
and no library, is imported before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import triptych
from triptych.lazily import ShadowedError

if TYPE_CHECKING:
    from triptych import Report


@pytest.fixture
def assert_same_model() -> Callable[..., Report]:
    """`triptych.assert_same_model`: fails a test with the first layer that differs."""
    try:
        return triptych.assert_same_model
    except ShadowedError as error:
        sentence = str(error)
    pytest.fail(sentence, pytrace=False)  # here, so that it is told once
