"""Models of users that are refused before they are looked at."""

import pytest

from shared.errors import ConfigurationError
from shared.parity.user_models import compare_models


def test_own_models_are_not_held_against_each_other_in_bfloat16() -> None:
    with pytest.raises(ConfigurationError, match="dtype must be float64 or float32, not 'bfloat1"):
        compare_models(None, None, [], dtype="bfloat16")
