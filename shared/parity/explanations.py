"""One cause, one line: the checks that failed, by what explains them, and those that nothing does.

A check is explained by the first divergence that was located for it. Where none was, what was
measured follows from a cause that was located further down the ladder in the same case, if the
backend that departs there took part in it and the cause reaches its rung. What was counted, such as
classes or right answers, only may, and so may what begins at a place of its own for no known
reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.parity import places
from shared.parity.checks import RUNGS, Check
from shared.parity.locate import Divergence

_NAMED = 3
"""How many lines are named."""

TRAINING = frozenset({"optimizers", "resume", "teacher-forced", "trainers", "variants"})

REACHES = {
    "dropout": frozenset({"dropout", "trainers", "variants"}),
    "loss": TRAINING | {"loss", "gradients", "dropout", "edges"},
    "gradients": TRAINING | {"gradients", "dropout", "edges"},
    "buffers": TRAINING | {"buffers"},
    **dict.fromkeys(TRAINING, TRAINING),
}
"""The rungs on which a cause may show that was met on one first; those of a pass forward reach all.
"""

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

    def add(self, check: Check, place: str) -> None:
        """A check that failed for it, and the line where it did, if one is known."""
        self.checks.append(check)
        if place and place not in self.places:
            self.places.append(place)

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
        case, first = _case(check), check.first if check.status == "failed" else None
        odd = _odd(check, first, alike[_place(check)]) if first else ""
        keys = _keys(check, first, odd) if first else []
        cause = next((known[key] for key in keys if key in known), None)
        if cause is None and not (first and first.cause):
            earlier = _followed(check, by_case.get(case, []))
            if earlier:
                measured = check.difference is not None and first is None
                (earlier.checks if measured else earlier.perhaps).append(check)
                continue
        if first is None:
            unexplained.append(check)
            continue
        if cause is None:
            cause = Explanation(first, odd)
            causes.append(cause)
        for key in keys:
            known.setdefault(key, cause)
        cause.add(check, places.side(odd, first.place) if odd else first.place)
        of_case = by_case.setdefault(case, [])
        if cause not in of_case:
            of_case.append(cause)
    return causes, unexplained


def _keys(check: Check, first: Divergence, odd: str) -> list[tuple[str, ...]]:
    """What is alike of divergences that have one cause: any of these.

    One line of a file may be of many layers and cases, and one cause, in the same words about the
    backend that departs, of many lines. Where neither is known it is the layer.
    """
    between = odd or check.between
    place = places.side(odd, first.place) if odd else first.place
    other = "".join(name for name in check.between.split("-") if name != odd) if odd else ""
    words = first.cause.replace(other, "") if other else first.cause
    if place and not places.functions(first):  # of which one has several things to do
        return [(between, first.kind, place), (between, first.kind, words)]
    if words:
        return [(between, first.kind, words)]
    return [(between, check.architecture, first.layer or first.point)]


def _case(check: Check) -> Case:
    return check.architecture, check.case


def _place(check: Check) -> tuple[str, ...]:
    """What the checks of all pairs of backends have alike."""
    return check.rung, check.architecture, check.case, check.dtype, check.part


def _followed(check: Check, earlier: Sequence[Explanation]) -> Explanation | None:
    """What may be the cause of a difference that has no known one of its own."""
    sides = check.between.split("-")
    if check.status == "missing" or len(sides) < 2:  # or it is a backend held against itself
        return None
    for explanation in earlier:
        own = [c for c in explanation.checks if (c.architecture, c.case) == _case(check)]
        lowest, dtypes = own[0].rung, {c.dtype for c in own}
        reaches = check.rung in REACHES.get(lowest, RUNGS)
        known = bool({check.dtype, "float64"} & dtypes)  # what float32 alone shows is rounding
        takes_part = explanation.odd in sides or any(check.between == c.between for c in own)
        if reaches and known and takes_part:
            return explanation
    return None


def _odd(check: Check, first: Divergence, pairs: Sequence[set[str]]) -> str:
    """The backend that departs from the two others; of two the one that the cause begins with."""
    common = set.intersection(*pairs)
    if len(common) == 1:
        return next(iter(common))
    named = first.cause.partition(" ")[0]
    return named if named in check.between.split("-") else ""
