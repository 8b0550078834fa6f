"""The laws that frameworks draw new weights by."""

from shared.conventions.initialisers import Row

OF_TORCH = "U(±1/sqrt(fan_in))"


def laws(rows: list[Row]) -> dict[str, str]:
    """The law of each kind of new weights, of which there is one."""
    assert len({row.kind for row in rows}) == len(rows)
    return {row.kind: row.law for row in rows}
