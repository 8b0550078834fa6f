"""A median and its spread."""

import pytest

from shared.figures import Figure, figure


def test_medians_and_spread() -> None:
    assert figure([3.0, 1.0, 2.0]).median == 2
    assert figure([7.0]) == Figure(7.0, None, (7.0,))
    # Quartiles 90 and 110: half of what is between them is 10 % of 100.
    assert figure([80.0, 90.0, 100.0, 110.0, 500.0]).spread == pytest.approx(10)
    assert figure([5.0, 5.0]).spread == 0
