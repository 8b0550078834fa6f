"""One cause, one line: the checks that failed, by what explains them, and those that nothing does.

A check is explained by the first divergence that was located for it. Where none was, or one that
fits no known convention, what was measured follows from a cause that was located further down the
ladder in the same case, if the backend that departs there took part in it. What was counted, such
as classes or right answers, only may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.parity import places
from shared.parity.checks import RUNGS, Check
from shared.parity.locate import Divergence

_NAMED = 3
"""How many lines are named."""

Case = tuple[str, str]
"""An architecture and one of its cases."""


@dataclass(eq=False)
class Explanation:
    """Where backends part, why, and the checks that failed for it, in the order of the rungs.

    `odd` is the backend that departs from the others, "" where that cannot be told. `places` are
    the lines where it does, as far as they are known. `perhaps` are checks that may have failed for
    it.
    """

    first: Divergence
    odd: str
    places: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    perhaps: list[Check] = field(default_factory=list)

    @property
    def text(self) -> str:
        """One line: where it is, what differs there and why, and how many checks it explains."""
        lines = self.places[:_NAMED]
        if len(self.places) > _NAMED:
            lines.append(f"{len(self.places) - _NAMED} more lines")
        where = ", ".join([*lines, self.first.point])
        checks = "1 check" if len(self.checks) == 1 else f"{len(self.checks):,} checks"
        more = f", and perhaps {len(self.perhaps):,} more" if self.perhaps else ""
        if self.first.cause:
            return f"{where}: {self.first.cause}; explains {checks}{more}"
        who = self.odd or self.checks[0].between
        size = self.first.size
        return f"{where}: {who} differs {size} for no known reason; from there: {checks}{more}"

    @property
    def rungs(self) -> list[str]:
        """Those on which checks failed for it."""
        return list(dict.fromkeys(check.rung for check in self.checks))


def explain(checks: Iterable[Check]) -> tuple[list[Explanation], list[Check]]:
    """What explains the checks that did not pass, and those that it does not explain.

    Both begin with the lowest rung. What is missing is never explained by what differs.
    """
    bad = sorted(
        (check for check in checks if check.status in ("failed", "missing")),
        key=lambda check: RUNGS.index(check.rung),
    )
    alike: dict[tuple[str, ...], list[set[str]]] = {}
    for check in bad:
        alike.setdefault(_place(check), []).append({*check.between.split("-")})
    known: dict[tuple[str, ...], Explanation] = {}
    causes: list[Explanation] = []
    by_case: dict[Case, list[Explanation]] = {}
    unexplained = []
    for check in bad:
        case = (check.architecture, check.case)
        if check.first is None or not check.first.cause:
            earlier = _followed(check, by_case.get(case, []))
            if earlier:
                measured = check.difference is not None
                (earlier.checks if measured else earlier.perhaps).append(check)
                continue
        if check.first is None or check.status == "missing":
            unexplained.append(check)
            continue
        odd = _odd(check, check.first, alike[_place(check)])
        place = places.side(odd, check.first.place) if odd else check.first.place
        keys = _keys(check, check.first, odd, place)
        cause = next((known[key] for key in keys if key in known), None)
        if cause is None:
            cause = Explanation(check.first, odd)
            causes.append(cause)
        known |= dict.fromkeys(keys, cause)
        cause.checks.append(check)
        if place and place not in cause.places:
            cause.places.append(place)
        of_case = by_case.setdefault(case, [])
        if cause not in of_case:
            of_case.append(cause)
    return causes, unexplained


def _keys(check: Check, first: Divergence, odd: str, place: str) -> list[tuple[str, ...]]:
    """What is alike of divergences that have one cause: any of these.

    One line of a file may be of many layers and cases, and one cause, in the same words about the
    backend that departs, of many lines. Of one layer they are of one kind.
    """
    between = odd or check.between
    keys: list[tuple[str, ...]] = [
        (between, first.kind, check.architecture, first.layer or first.point)
    ]
    if place:
        keys.append((between, first.kind, place))
    if first.cause and odd:
        other = "".join(name for name in check.between.split("-") if name != odd)
        keys.append((between, first.kind, first.cause.replace(other, "")))
    return keys


def _place(check: Check) -> tuple[str, ...]:
    """What the checks of all pairs of backends have alike."""
    return check.rung, check.architecture, check.case, check.dtype, check.part


def _followed(check: Check, earlier: Sequence[Explanation]) -> Explanation | None:
    """What may be the cause of a difference that has no known one of its own."""
    sides = check.between.split("-")
    if check.status == "missing" or len(sides) < 2:  # or it is a backend held against itself
        return None
    for explanation in earlier:
        if explanation.odd in sides or any(
            check.between == other.between for other in explanation.checks
        ):
            return explanation
    return None


def _odd(check: Check, first: Divergence, pairs: Sequence[set[str]]) -> str:
    """The backend that departs from the two others; of two the one that the cause begins with."""
    common = set.intersection(*pairs)
    if len(common) == 1:
        return next(iter(common))
    named = first.cause.partition(" ")[0]
    return named if named in check.between.split("-") else ""
