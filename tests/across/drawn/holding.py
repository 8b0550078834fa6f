"""Whether panels agree on a network, as `compare_models` holds one model against another."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from shared.differences import LOOSE
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.judge import Pair, rungs
from shared.parity.names import pair
from shared.parity.user_models import silence
from tests.across.drawn.description import Drawn
from tests.across.drawn.evidence import Refused, Shown

ALLOWED = 1e-9
MOST = 1e-5
"""What is never allowed to differ by more, whatever a network makes of a rounding."""
NOISE = 1e-13
"""What of the largest gradient is rounding in any other one."""
UNITS = 2.0**-29
"""How much finer float64 rounds than float32."""
NEEDED = {"tensors", "forward", "activations", "loss", "gradients"}


class _Rounded(Pair):
    """Two networks in float64, which may differ by what is rounding.

    Of a gradient that norms cancel little is left but rounding: how much, float32 shows, and the
    largest gradient, that of which it is left.
    """

    def tolerances(self, keys: Iterable[str], *, by_row: bool = False) -> dict[str, float]:
        """What arrays may differ by."""
        floors = {key: self.floor(key, by_row) or 0.0 for key in keys}
        return {
            key: min(max(ALLOWED, LOOSE * UNITS * floor, NOISE * self.shrunk(key)), MOST)
            for key, floor in floors.items()
        }

    def shrunk(self, key: str) -> float:
        """How many times as large the largest gradient is as this one; 0 for what is none."""
        rung = key.partition("/")[0]
        if "gradients" not in rung or key not in self.a.arrays["float64"]:
            return 0.0
        rungs = {"gradients", "input gradients"} if rung != "dropout gradients" else {rung}
        arrays = self.a.arrays["float64"]
        sizes = [np.abs(a).max() for k, a in arrays.items() if k.partition("/")[0] in rungs]
        own = np.abs(arrays[key]).max()
        return float(max(sizes) / own) if own else 0.0


@dataclass
class Tally:
    """What has been held against each other so far."""

    same: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def hold(self, drawn: Drawn, answers: Mapping[str, Refused | Shown]) -> None:
        """Assert that all panels show the same, or that all refuse, each in one line."""
        refused = {name: a for name, a in answers.items() if isinstance(a, Refused)}
        if refused:
            assert refused.keys() == answers.keys(), f"some refuse: {refused}"
            own = [answer.message for answer in refused.values() if not answer.by_framework]
            assert not [message for message in own if "\n" in message.strip()]
            self.refused += 1
            return
        shown = {name: answer for name, answer in answers.items() if isinstance(answer, Shown)}
        for one, other in combinations(shown, 2):
            problems = differences(shown[one], shown[other])
            assert not problems, f"{one} and {other}: {problems}"
        self.same += 1
        self.kinds.update(drawn.kinds)


def is_dead(answers: Mapping[str, Refused | Shown]) -> bool:
    """Whether all gradients are 0 in all panels: a ReLU that leaves nothing shows nothing."""
    own = [
        array
        for answer in answers.values()
        if isinstance(answer, Shown)
        for name, array in answer.evidence.arrays["float64"].items()
        if name.startswith("gradients/")
    ]
    return bool(own) and not any(array.any() for array in own)


def differences(one: Shown, other: Shown) -> list[str]:
    """What differs between two panels' networks by more than rounding."""
    pair(one.named, other.named)
    ours, theirs = _copy(one.evidence), _copy(other.evidence)
    silence([ours, theirs])
    _quieten(ours, theirs)
    results = list(rungs(_Rounded(ours, theirs, "float64"), Asked(), trained=True))
    lacking = NEEDED - {rung for rung, _, _ in results}
    return [f"there is no {rung}" for rung in sorted(lacking)] + [
        f"{rung}: {result.detail}" for rung, _, result in results if result.status != "passed"
    ]


def _quieten(ours: CaseEvidence, theirs: CaseEvidence) -> None:
    """Make gradients exactly 0 that are no more than rounding of the loss, in both."""
    sides = [ours.arrays["float64"], theirs.arrays["float64"]]
    limit = NOISE * float(sides[0]["loss/value"])
    for key in [key for key in sides[0] if "gradients/" in key and key in sides[1]]:
        if all(np.abs(side[key]).max() <= limit for side in sides):
            for side in sides:
                side[key] = np.zeros_like(side[key])


def _copy(evidence: CaseEvidence) -> CaseEvidence:
    """Evidence whose arrays may be put out of the dictionaries that they are in."""
    return replace(evidence, arrays={dtype: {**a} for dtype, a in evidence.arrays.items()})
