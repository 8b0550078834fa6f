"""How a comparison ends, and the differences that it ends by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shared.parity.locate import Divergence

ALIKE = 0.999
"""Of differences this near to each other rounding alone decides which is the largest."""

Status = Literal["passed", "bounded", "failed", "missing"]


@dataclass(frozen=True)
class Result:
    """How one comparison ended."""

    status: Status
    difference: float | None = None
    tolerance: float | None = None
    detail: str = ""
    first: Divergence | None = None


@dataclass
class Differences:
    """Relative differences by name, what each may be, and what could not be compared."""

    values: dict[str, float] = field(default_factory=dict)
    allowed: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def failing(self) -> list[str]:
        """The names with more than they may have."""
        return [name for name, value in self.values.items() if not value <= self.allowed[name]]

    @property
    def worst(self) -> str | None:
        """The name that is furthest above what it may have, or nearest to it.

        Of several that are alike the first one, so that every machine names the same.
        """
        names = self.failing or self.values
        ratios = {name: self.values[name] / self.allowed[name] for name in names}
        most = max(ratios.values(), default=0.0)
        return next((name for name, ratio in ratios.items() if not ratio < ALIKE * most), None)

    def result(self, first: Divergence | None = None) -> Result:
        """The result of a rung."""
        worst = self.worst
        if worst is None or self.problems:
            message = "; ".join(self.problems[:4]) or "there is nothing to compare"
            return Result("failed", detail=message, first=first)
        value, allowed = self.values[worst], self.allowed[worst]
        if self.failing:
            message = f"{worst} differs by {value:.1e}, and may by {allowed:.1e}"
            return Result("failed", value, allowed, message, first)
        most = max(self.values, key=lambda name: self.values[name])
        return Result("passed", self.values[most], self.allowed[most], f"most: {most}")
