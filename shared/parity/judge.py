"""Two backends' evidence of one network, held against each other rung by rung.

In float64 a difference is held to a fixed tolerance: what means the same agrees to rounding. In
float32 it is held to the rounding that was measured: how far each backend's float32 is from its own
float64, on the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from shared.interface import WAYS
from shared.parity import arrays, recipes
from shared.parity.evidence import CaseEvidence
from shared.parity.locate import Divergence, locate

Status = Literal["passed", "bounded", "failed", "missing"]

TOLERANCES = {"float64": 1e-12, "float32": 1e-5}
"""For passes; float32's only where no float64 was computed that could tell its rounding."""

FACTOR = 16.0
"""How many times the measured rounding a difference in float32 may be."""

LOOSE = 128.0
"""The same for gradients, sums over all pixels that one library adds in sequence and another in
pairs, and for steps of Adam, which divides by them."""

CEILING = 1e-2
"""More than this never passes, whatever rounding was measured: it would say nothing."""

UNIT = 2.0**-23
MIXED_UNIT = 2.0**-8
"""bfloat16's unit roundoff."""

DROPOUT_DEVIATIONS = 6.0
SCALED = 1e-5
"""How far from its scale a kept value may be, of the largest: a compiler may compute what goes into
a dropout layer twice, and round otherwise."""

FORCED_HOLDS = "each step from the same weights is within its own rounding"


def most_by_rounding(dtype: str) -> float:
    """What outputs of the same weights may differ by that were computed in a dtype.

    In bfloat16 it is the same multiple of the unit roundoff as float32 may have of what was
    measured; whether they are held against each other or against float32's.
    """
    return FACTOR * MIXED_UNIT if dtype == "bfloat16" else TOLERANCES[dtype]


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

    found: dict[str, float] = field(default_factory=dict)
    allowed: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def failing(self) -> list[str]:
        """The names with more than they may have."""
        return [name for name, value in self.found.items() if not value <= self.allowed[name]]

    @property
    def worst(self) -> str | None:
        """The name that is furthest above what it may have, or nearest to it."""
        return max(self.found, key=lambda n: self.found[n] / self.allowed[n], default=None)

    def result(self, first: Divergence | None = None) -> Result:
        """The result of a rung."""
        worst = self.worst
        if worst is None or self.problems:
            said = "; ".join(self.problems[:4]) or "there is nothing to compare"
            return Result("failed", detail=said, first=first)
        value, allowed = self.found[worst], self.allowed[worst]
        if self.failing:
            said = f"{worst} differs by {value:.1e}, and may by {allowed:.1e}"
            return Result("failed", value, allowed, said, first)
        most = max(self.found, key=lambda name: self.found[name])
        return Result("passed", self.found[most], self.allowed[most], f"most: {most}")


def allowance(floor: Any, usual: Any, factor: float = FACTOR) -> Any:
    """What float32 may differ by: a multiple of the rounding that was measured.

    Where that is less than is usual among such arrays, of the usual: a single value may be right by
    chance.
    """
    return np.minimum(factor * np.maximum(np.maximum(floor, usual), UNIT), CEILING)


def usual(floors: Mapping[str, Any]) -> Any:
    """The rounding that is usual among arrays, or along trainings at every step."""
    return np.median([*floors.values()], axis=0) if floors else UNIT


def is_held(forced: Result | None) -> bool:
    """Whether every step of a training is known to be right by itself."""
    return forced is not None and forced.status in ("passed", "bounded")


def ways(evidence: CaseEvidence) -> Result | None:
    """Both ways of one backend, which must be the same in float64; None where there are none.

    The first step from given weights may differ by rounding; a second one starts from there.
    """
    one, other = (evidence.under("float64", f"ways/{way}") for way in WAYS)
    if not one and not other:
        return None
    differences = Differences()
    for name in {**one, **other}:
        if name not in one or name not in other:
            differences.problems.append(f"{name} is in one way alone")
            continue
        try:
            differences.found[name] = arrays.difference(one[name], other[name])
        except ValueError as error:
            differences.problems.append(f"{name}: {error}")
        first = name.startswith("forward/") or name.split("/")[1] == "0"
        differences.allowed[name] = TOLERANCES["float64"] if first else recipes.TRAINED
    return differences.result()


class Pair:
    """One network in two backends, in one dtype."""

    def __init__(self, a: CaseEvidence, b: CaseEvidence, dtype: str) -> None:
        self.a, self.b, self.dtype = a, b, dtype

    def rungs(self) -> Iterator[tuple[str, str, Result]]:
        """Every rung that there is evidence for: its name, what part of it, and the result."""
        yield "tensors", "", self.tensors()
        forward = self.compare(["forward"])
        yield "forward", "", self.explained("forward", forward)
        yield "activations", "", self.activations()
        if not self.has("loss"):
            return
        yield "loss", "", self.explained("loss", self.compare(["loss"]))
        yield "gradients", "", self.gradients()
        if self.has("buffers"):
            yield "buffers", "", self.explained("buffers", self.buffers())
        if self.has("dropout loss"):
            found = self.compare(["dropout loss", "dropout gradients"])
            yield "dropout", "given masks", self.explained("dropout", found)
        if self.has("steps"):
            forced = self.forced() if self.dtype == "float32" else None
            if forced is not None:
                yield "forced", recipes.FORCED, forced
            for recipe in recipes.RECIPES:
                if self.has(f"steps/{recipe}"):
                    yield "optimizers", recipe, self.optimizer(recipe, forced)

    def has(self, rung: str) -> bool:
        """Whether either has arrays for a rung: if one alone has, that is a failure later."""
        return bool(self.a.under(self.dtype, rung) or self.b.under(self.dtype, rung))

    # Rung 3

    def tensors(self) -> Result:
        """Names, shapes, dtypes and kinds; and that the weights that were computed with are one."""
        rows = [{row.name: row for row in e.tables[self.dtype]} for e in (self.a, self.b)]
        problems = [
            f"{name}: {_row(rows[0].get(name))} and {_row(rows[1].get(name))}"
            for name in sorted({*rows[0], *rows[1]})
            if rows[0].get(name) != rows[1].get(name)
        ]
        weights = [e.under(self.dtype, "weights") for e in (self.a, self.b)]
        changed = [] if problems else arrays.unequal(*weights)
        problems += [f"{name} does not hold the same values in both" for name in changed]
        if problems or not rows[0]:
            return Result("failed", detail="; ".join(problems) or "there are no tensors")
        return Result("passed", detail=f"{len(rows[0])} tensors")

    # Rungs 5 to 9

    def compare(self, rungs: Iterable[str]) -> Differences:
        """All arrays of some rungs, which both must have."""
        found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        differences = Differences()
        for rung in rungs:
            one, other = (e.under(self.dtype, rung) for e in (self.a, self.b))
            for name in {**one, **other}:
                key = f"{rung}/{name}"
                if name in one and name in other:
                    found[key] = (one[name], other[name])
                elif np.any(one.get(name, 0)) or np.any(other.get(name, 0)):  # no gradient is 0
                    absent = self.b.backend if name in one else self.a.backend
                    differences.problems.append(f"{absent} has no {name} in {rung}")
        self.measure(found, differences)
        return differences

    def measure(
        self, found: Mapping[str, tuple[np.ndarray, np.ndarray]], into: Differences
    ) -> None:
        """Add the differences of named arrays to others, with what they may be."""
        for key, (one, other) in found.items():
            try:
                into.found[key] = arrays.difference(one, other)
            except ValueError as error:
                into.problems.append(f"{key.partition('/')[2]}: {error}")
        into.allowed |= self.tolerances(key for key in found if key in into.found)

    def tolerances(self, keys: Iterable[str]) -> dict[str, float]:
        """What arrays may differ by.

        In float32: a multiple of the rounding of the backend that rounds less, measured by its own
        float64; of what is usual among these arrays, where that is more.
        """
        keys = list(keys)
        floors = {key: floor for key in keys if (floor := self.floor(key)) is not None}
        if self.dtype == "float64" or not floors:
            return dict.fromkeys(keys, TOLERANCES[self.dtype])
        middle = usual(floors)
        return {
            key: float(
                allowance(floors.get(key, 0), middle, LOOSE if "gradients/" in key else FACTOR)
            )
            for key in keys
        }

    def floor(self, key: str) -> float | None:
        """The lesser of both backends' rounding: float32 against their own float64."""
        measured = []
        for evidence in (self.a, self.b):
            single = evidence.arrays.get("float32", {}).get(key)
            double = evidence.arrays.get("float64", {}).get(key)
            if single is not None and double is not None and single.dtype.kind == "f":
                try:
                    measured.append(arrays.difference(double, single.astype(np.float64)))
                except ValueError:
                    continue
        return min(measured, default=None)

    def explained(self, rung: str, differences: Differences) -> Result:
        """A rung's result, with the first divergence and its likely cause if it failed."""
        failed = differences.problems or differences.failing
        return differences.result(self.divergence(rung) if failed else None)

    def divergence(self, rung: str) -> Divergence | None:
        """Where the two first part."""
        return locate(self.a, self.b, self.dtype, rung, self.tolerances)

    def activations(self) -> Result:
        """What every layer gives, in both modes; every layer with parameters must be in both."""
        differences = Differences()
        for mode in ("evaluation", "training"):
            one, other = (e.under(self.dtype, mode) for e in (self.a, self.b))
            if not one and not other:
                continue
            both = {}
            for name in [name for name in one if name in other]:
                inputs = name.endswith(":in")
                first, second = one[name], other[name]
                if inputs:  # Keras pads before a convolution, PyTorch within
                    first, second, _ = arrays.unpadded(first, second)
                if first.dtype.kind != "f" and np.array_equal(first, second):
                    continue
                both[f"{mode}/{name}"] = (first, second)
            self.measure(both, differences)
            last = mode == "training" or not self.has("training")
            layers = {row.name.rpartition(".")[0] for row in self.a.tables[self.dtype]}
            absent = [n for n in sorted(layers) if last and f"{mode}/{n}:out" not in both]
            differences.problems += [f"{n} was not seen in both in {mode} mode" for n in absent]
        return self.explained("activations", differences)

    def gradients(self) -> Result:
        """Gradients of parameters and inputs; in float32 a kink may explain what remains."""
        differences = self.compare(["gradients", "input gradients"])
        result = self.explained("gradients", differences)
        if result.status != "failed" or differences.problems or self.dtype == "float64":
            return result
        # Where the passes forward differ by more than rounding, that is no kink.
        forward = self.activations().status == "failed"
        kink = None if forward else self.kink(differences.failing)
        if kink is None:
            return result
        return Result("bounded", result.difference, result.tolerance, kink)

    def kink(self, failing: list[str]) -> str | None:
        """The ReLU or max-pool that fell on the other side, if one explains these gradients.

        It changes gradients of its own layer and of those before it, never of those after it.
        """
        one, other = (e.under(self.dtype, "training") for e in (self.a, self.b))
        order = [name.removesuffix(":out") for name in one if name.endswith(":out")]
        for name in reversed(order):
            key = f"{name}:out"
            if key not in other or one[key].shape != other[key].shape:
                continue
            found = arrays.kinks(one[key], other[key])
            if found is None:
                continue
            later = order[order.index(name) + 1 :]
            layers = {key.partition("/")[2].rpartition(".")[0] for key in failing}
            if layers & set(later):
                return None
            place, (left, right) = found
            return (
                f"a kink: at {place} of {name}'s output {self.a.backend} has {left:.2e} and "
                f"{self.b.backend} {right:.2e}, on two sides of a ReLU or a maximum"
            )
        return None

    # Rung 10

    @cached_property
    def norms(self) -> dict[str, tuple[float, int]]:
        """Batch norm's momentum, and how many values a channel has, by layer: of `biased`."""
        found = {}
        biased = self.b if self.a.unbiased else self.a
        for name, new in biased.under(self.dtype, "buffers").items():
            layer, _, kind = name.rpartition(".")
            given = biased.under(self.dtype, "training").get(f"{layer}:in")
            if kind != "running_mean" or given is None:
                continue
            old = biased.under(self.dtype, "weights")[name].astype(np.float64)
            mean = given.reshape(-1, given.shape[-1]).astype(np.float64).mean(axis=0)
            step = mean - old
            momentum = float(step @ (new - old) / (step @ step))
            found[layer] = (momentum, given.size // given.shape[-1])
        return found

    def unified(
        self, name: str, old: np.ndarray, new: np.ndarray, steps: Any, *, trained: bool = False
    ) -> np.ndarray:
        """A running variance made of biased variances as if it were made of unbiased ones.

        Both forget the first value alike; what came since is n / (n - 1) times larger. A training
        has other batches than a pass.
        """
        layer = name.rpartition(".")[0]
        if not name.endswith("running_var") or layer not in self.norms:
            return new
        momentum, count = self.norms[layer]
        if trained:
            count = count // recipes.BATCH * recipes.TRAINED_BATCH
        rest = (1 - momentum) ** steps * old
        return (rest + count / (count - 1) * (new - rest)).astype(new.dtype)

    def buffers(self) -> Differences:
        """Running statistics after one pass; PyTorch's variance is the unbiased one."""
        differences = Differences()
        one, other = (e.under(self.dtype, "buffers") for e in (self.a, self.b))
        old = self.a.under(self.dtype, "weights")
        if one.keys() != other.keys():
            differences.problems.append(f"{sorted(set(one) ^ set(other))} are in one alone")
            return differences
        pairs = {}
        for name in one:
            sides = [one[name], other[name]]
            if self.a.unbiased != self.b.unbiased:
                index = int(self.a.unbiased)
                sides[index] = self.unified(name, old[name], sides[index], 1)
            pairs[f"buffers/{name}"] = (sides[0], sides[1])
        self.measure(pairs, differences)
        return differences

    # Rung 11

    def optimizer(self, recipe: str, forced: Result | None) -> Result:
        """Parameters, statistics and the optimizer's state after each step.

        float32 may have drifted no further at any step than the rounding of the better backend
        until then explains. More is bounded where every step from given weights is right, and the
        first step, which all trainings make from the same weights, is right or met a kink.
        """
        if recipe == recipes.SHIPPED:
            return self.shipped()
        rung = f"steps/{recipe}"
        found, problems = self.track(rung, self.dtype, unify=True)
        limits = self.along(rung, found, LOOSE if "adam" in recipe else FACTOR)
        differences = Differences(problems=problems)
        parted: list[int] = []
        for name, steps in found.items():
            worst = int(np.argmax(steps / limits[name]))
            differences.found[name] = float(steps[worst])
            differences.allowed[name] = float(limits[name][worst])
            parted += [int(step) for step in np.flatnonzero(steps > limits[name])[:1]]
        if not parted and not problems:
            return differences.result()
        first = min(parted, default=0)
        if not problems and is_held(forced) and (first or 0 in self.forced_kinks):
            most = max(float(steps.max()) for steps in found.values())
            said = f"rounding that grows or a kink: {FORCED_HOLDS}"
            return Result("bounded", most, None, said)
        return differences.result(self.divergence(f"optimizers/{recipe}"))

    def along(
        self, rung: str, found: Mapping[str, np.ndarray], factor: float
    ) -> dict[str, np.ndarray]:
        """What trainings may differ by at each step: in float32 by the drift until then."""
        measured = self.rounding(rung, ("float64", rung)) if self.dtype == "float32" else {}
        floors = {
            name: np.min([np.maximum.accumulate(steps) for steps in sides], axis=0)
            for name, sides in measured.items()
        }
        fixed = recipes.TRAINED if self.dtype == "float64" else CEILING
        middle = usual(floors)
        return {
            name: allowance(floors.get(name, np.zeros(len(steps))), middle, factor)
            if floors
            else np.full(len(steps), fixed)
            for name, steps in found.items()
        }

    def track(
        self, rung: str, dtype: str, *, unify: bool = False
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """Relative differences by step of everything that was sketched."""
        one, other = (e.under(dtype, rung) for e in (self.a, self.b))
        problems = [f"{name} is in one alone" for name in sorted(set(one) ^ set(other))]
        if not one:
            problems.append(f"there is nothing to compare in {rung}")
        found = {}
        for name in [name for name in one if name in other]:
            sides = [one[name], other[name]]
            if unify and self.a.unbiased != self.b.unbiased:
                sides[int(self.a.unbiased)] = self._unified_track(name, sides[int(self.a.unbiased)])
            try:
                found[name] = arrays.sketch_difference(sides[0], sides[1])
            except ValueError as error:
                problems.append(f"{name}: {error}")
        return found, problems

    def _unified_track(self, name: str, track: np.ndarray) -> np.ndarray:
        if not name.endswith("running_var"):
            return track
        rows = {row.name: row for row in self.a.tables[self.dtype]}
        start = arrays.starting_weights(rows.values(), "float32", recipes.SEED)[name]
        steps = np.arange(1, len(track) + 1)[:, None]
        sums = self.unified(name, arrays.sketch(start)[:-1], track[:, :-1], steps, trained=True)
        return np.concatenate([sums, track[:, -1:]], axis=1)

    def rounding(self, single: str, double: tuple[str, str]) -> dict[str, list[np.ndarray]]:
        """How far each backend's float32 is from its own float64 along a training.

        `double` says in which dtype and under which name the steps of float64 are noted.
        """
        found: dict[str, list[np.ndarray]] = {}
        for evidence in (self.a, self.b):
            ours, exact = evidence.under("float32", single), evidence.under(*double)
            for name in [name for name in ours if name in exact]:
                try:
                    steps = arrays.sketch_difference(exact[name], ours[name])
                except ValueError:
                    continue
                found.setdefault(name, []).append(steps)
        return found

    @cached_property
    def forced_kinks(self) -> dict[int, str]:
        """The steps of the forced training in which a backend fell on a kink's other side."""
        return {
            int(name.partition("/")[0]): f"{e.backend} at {name.partition('/')[2]}"
            for e in (self.b, self.a)
            for name in e.under(self.dtype, "forced kinks")
        }

    def forced(self) -> Result | None:
        """What each float32 step changes, all from the reference's weights.

        A step where a backend fell on the other side of a kink may change something else; those
        must be the fewer, and all others right to their rounding.
        """
        if not (self.has("forced") and self.has("forced float64")):
            return None
        found, problems = self.track("forced", self.dtype)
        if self.a.unbiased != self.b.unbiased:  # held exactly in float64
            found = {n: steps for n, steps in found.items() if not n.endswith("running_var")}
        count = max((len(steps) for steps in found.values()), default=0)
        smooth = [step for step in range(count) if step not in self.forced_kinks]
        floors = {
            name: min(float(steps[smooth].max(initial=0)) for steps in sides)
            for name, sides in self.rounding("forced", (self.dtype, "forced float64")).items()
        }
        middle = usual(floors)
        whole, rest = Differences(problems=problems), Differences(problems=problems)
        for name, steps in found.items():
            whole.found[name] = float(steps.max())
            rest.found[name] = float(steps[smooth].max(initial=0))
            whole.allowed[name] = float(allowance(floors.get(name, 0), middle, LOOSE))
        rest.allowed = whole.allowed
        result = whole.result()
        few = 2 * len(self.forced_kinks) < count
        if result.status == "failed" and few and rest.result().status == "passed":
            where = ", ".join(
                f"step {step + 1}: {said}" for step, said in sorted(self.forced_kinks.items())
            )
            said = f"a kink: at {where}; every other step is within its rounding"
            return Result("bounded", result.difference, result.tolerance, said)
        return result

    def shipped(self) -> Result:
        """One step of each library's own Adam, whose epsilons have other values and places.

        The difference is known for every value (`shipped_step`), and what is found must be that,
        to rounding.
        """
        one, other = (e.under(self.dtype, f"first/{recipes.SHIPPED}") for e in (self.a, self.b))
        gradients = [e.under(self.dtype, "first gradients") for e in (self.a, self.b)]
        worst, bound, left = 0.0, 0.0, 0.0
        allowed = 1e-9 if self.dtype == "float64" else 1e-3
        for name, first in gradients[0].items():
            if name not in one or name not in other or name not in gradients[1]:
                return Result("failed", detail=f"{name} is in one alone")
            sides = [g[name].astype(np.float64) for g in gradients]
            steps = [
                shipped_step(e.backend, g) for e, g in zip((self.a, self.b), sides, strict=True)
            ]
            try:
                worst = max(worst, arrays.difference(one[name], other[name]))
                predicted = one[name] + steps[0] - steps[1]
                rest = np.abs(other[name] - predicted) / recipes.RATE
            except ValueError as error:
                return Result("failed", detail=f"{name}: {error}")
            if self.dtype == "float32":  # a small gradient's rounding is no small part of its step
                near = FACTOR * UNIT * np.abs(first).max()
                for e, g in zip((self.a, self.b), sides, strict=True):
                    span = shipped_step(e.backend, g + near) - shipped_step(e.backend, g - near)
                    rest = rest - np.abs(span) / recipes.RATE
            if not np.isfinite(rest).all():
                return Result("failed", detail=f"{name}: there are values that are not finite")
            left = max(left, float(rest.max()))
            bound = max(bound, float(np.abs(steps[0] - steps[1]).max() / np.abs(one[name]).max()))
        if not left <= allowed:
            said = f"{left:.1e} of a step is not as it is shipped, and {allowed:.0e} may be"
            divergence = self.divergence(f"optimizers/{recipes.SHIPPED}")
            return Result("failed", worst, bound, said, divergence)
        if (self.a.backend == "keras") == (self.b.backend == "keras"):
            tolerance = recipes.TRAINED if self.dtype == "float64" else CEILING
            if worst <= tolerance:
                return Result("passed", worst, tolerance)
            if self.dtype == "float64":
                divergence = self.divergence(f"optimizers/{recipes.SHIPPED}")
                said = f"the weights differ by {worst:.1e}, and may by {tolerance:.0e}"
                return Result("failed", worst, tolerance, said, divergence)
            said = "the gradients differ, by rounding or a kink"
            return Result("bounded", worst, bound, f"{said}; the steps made of them are Adam's")
        said = "Keras's epsilon is 1e-7, beside the uncorrected root, and its betas are float32"
        return Result("bounded", worst, bound, f"{said}; all but {left:.0e} of a step is that")


def shipped_step(backend: str, gradient: np.ndarray) -> np.ndarray:
    """The first step that a library's Adam makes, from its formula and defaults.

    PyTorch and optax: rate g / (|g| + 1e-8). Keras adds 1e-7 to the root before its bias is
    corrected, and the powers of the betas that correct it are of float32 numbers.
    """
    if backend != "keras":
        return recipes.RATE * gradient / (np.abs(gradient) + 1e-8)
    single = np.float32
    rate = recipes.RATE * np.sqrt(1 - float(single(0.999))) / (1 - float(single(0.9)))
    return rate * 0.1 * gradient / (np.sqrt(0.001) * np.abs(gradient) + 1e-7)


def dropout(case: CaseEvidence, dtype: str) -> Iterator[tuple[str, Result]]:
    """One backend's own dropout: the share that it keeps, the scale, nothing in evaluation."""
    for name, (share, count, scale, still) in case.under(dtype, "own dropout").items():
        wanted = 1 - case.dropouts[name]
        deviation = (wanted * (1 - wanted) / count) ** 0.5
        away = abs(share - wanted) / deviation
        problems = []
        if not away <= DROPOUT_DEVIATIONS:
            problems.append(f"{name} keeps {share:.1%} in place of {wanted:.1%}")
        if not scale <= SCALED:
            problems.append(f"{name} scales what it keeps by another number than {1 / wanted:.3g}")
        if still != 0:
            problems.append(f"{name} changes its input in evaluation mode")
        said = f"{name} keeps {share:.1%} of {int(count)}, {away:.1f} deviations from {wanted:.1%}"
        yield name, Result("failed" if problems else "passed", detail="; ".join(problems) or said)


def _row(row: Any) -> str:
    return f"{row.kind} {row.shape} {row.dtype}" if row else "missing"
