"""The rung of the methods beside the pass forward: by NumPy alone, and between backends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import softmax

from shared.differences import bitwise_equal, gap
from shared.parity import methods as expected
from shared.parity.evidence import Arrays, Asked, CaseEvidence, digest
from shared.parity.judge.pair import Pair
from shared.parity.judge.results import Differences, Result
from shared.specs import Network

NEAR = {"float64": 1e-11, "float32": 1e-5}
"""What may differ that one backend has computed twice, in two programs or in batches of two sizes.

A probability differs by as much as its logit: more, relatively, than the logits do.
"""

FEW = 8
"""Values that are told one by one."""

VALUES = ("predict/confidence", "features/value", "decode/attention")
"""What two backends give alike but for rounding."""

COUNTS = ("predict/classes", "decode/tokens", "frozen/batches/")
"""What they give alike in float64, where no near tie is decided by rounding."""


@dataclass
class _Part:
    """What is said of one part: how far numbers are apart that must be alike, and what is wrong."""

    arrays: Arrays
    dtype: str
    problems: list[str] = field(default_factory=list)
    worst: float = 0.0
    count: int = 0

    def get(self, name: str) -> np.ndarray | None:
        """An array; that it is absent is a problem."""
        array = self.arrays.get(name)
        if array is None:
            self.problems.append(f"there is no {name}")
        return array

    def same(self, what: str, right: np.ndarray | None, name: str, allowed: float = 0.0) -> None:
        """Hold an array against what it must be, and that in its dtype."""
        actual = self.get(name)
        if right is None or actual is None:
            return
        size = gap(right, actual) if right.size else float(right.shape != actual.shape)
        if actual.dtype == right.dtype and size <= allowed:
            self.worst, self.count = max(self.worst, size), self.count + 1
        elif max(right.size, actual.size) <= FEW and actual.dtype == right.dtype:
            self.problems.append(f"{what}: it is {actual.tolist()}, and should be {right.tolist()}")
        else:
            shapes = f"{actual.dtype} {actual.shape} and {right.dtype} {right.shape}"
            self.problems.append(f"{what}: {shapes} differ by {size:.1e}")

    def holds(self, condition: bool, problem: str) -> None:
        """Note a problem unless a condition holds."""
        if condition:
            self.count += 1
        else:
            self.problems.append(problem)

    def result(self, detail: str) -> Result:
        """The result; nothing at all is no pass."""
        if self.problems or not self.count:
            return Result("failed", detail="; ".join(self.problems[:4]) or "there is nothing")
        return Result("passed", self.worst, NEAR[self.dtype], detail)


def methods(
    network: Network, asked: Asked, evidence: CaseEvidence, dtype: str
) -> Iterator[tuple[str, Result]]:
    """What one backend's methods give, held against its own passes and the spec."""
    arrays = evidence.arrays.get(dtype, {})

    def part() -> _Part:
        return _Part(arrays, dtype)

    if expected.logits(network):
        yield "predict", _predict(part(), network)
    if expected.writes(network):
        yield "decode", _decode(part(), network)
    if network.cls in expected.FEATURES:
        yield "extract_features", _features(part(), expected.FEATURES[network.cls])
    if dtype in asked.methods:
        yield "get_config", _config(part(), network)
        yield "again", _again(part(), network)
        if expected.stopped(network):
            yield "gradients", _stopped(part(), expected.stopped(network))
        if network.cls in expected.LOGS:
            yield "record_epoch", _log(part())
        if network.cls == expected.FROZEN:
            yield "frozen", _frozen(part(), network)
    yield "weights", _kept(part())
    for name, array in evidence.under(dtype, "methods/errors").items():
        yield name, Result("failed", detail=expected.words(array))


def _largest(
    part: _Part, logits: np.ndarray, name: str, classes: np.ndarray | None = None
) -> np.ndarray | None:
    """Classes, those of an array or others, if each has the largest logit but for rounding."""
    classes = part.get(name) if classes is None else classes
    if classes is None:
        return None
    if classes.shape != logits.shape[:-1] or classes.dtype != np.int32 or not classes.size:
        part.problems.append(
            f"{name} has the shape {classes.shape} and the dtype {classes.dtype}, where the logits "
            f"give int32 {logits.shape[:-1]}"
        )
        return None
    if not np.isfinite(logits).all() or classes.min() < 0 or classes.max() >= logits.shape[-1]:
        part.problems.append(f"{name} has classes of no finite logit")
        return None
    chosen = np.take_along_axis(logits, classes[..., None], axis=-1)[..., 0]
    short = (logits.max(axis=-1) - chosen) / max(float(np.abs(logits).max()), 1e-300)
    wrong = int((short > NEAR[part.dtype]).sum())
    part.holds(not wrong, f"{wrong} of {classes.size} in {name} do not have the largest logit")
    return classes


def _predict(part: _Part, network: Network) -> Result:
    """Classes have the largest logit; the confidence is its probability."""
    logits = part.get(f"forward/{expected.BATCH}/{expected.logits(network)}")
    if logits is None:
        return part.result("")
    classes = _largest(part, logits, "methods/predict/classes")
    if classes is not None:
        probabilities = softmax(logits.astype(np.float64), axis=-1)
        right = np.take_along_axis(probabilities, classes[..., None], axis=-1)[..., 0]
        what, name = "the confidence is not the probability", "methods/predict/confidence"
        part.same(what, right.astype(logits.dtype), name, NEAR[part.dtype])
    return part.result("classes and their probabilities, as the outputs give them")


def _decode(part: _Part, network: Network) -> Result:
    """Each token is the likeliest after those before it; after END there is END."""
    name, other = [*network.outputs][:2]
    logits = part.get(f"methods/decode/told/{name}")
    tokens = part.get("methods/decode/tokens")
    if logits is None or tokens is None:
        return part.result("")
    end = logits.shape[-1] - 1
    kinds = tokens.dtype == np.int32 and logits.dtype == part.dtype
    if tokens.shape != logits.shape[:-1] or not logits.size or not kinds:
        part.problems.append(
            f"there are tokens {tokens.dtype} {tokens.shape}, and logits {logits.dtype} "
            f"{logits.shape}"
        )
        return part.result("")
    ended = np.cumsum(expected.started(tokens, network) == end, axis=1) > 0
    part.holds(bool((tokens[ended] == end).all()), "something is written after END")
    # What stands after END is not the network's choice.
    free = np.where(ended, logits.argmax(axis=-1), tokens).astype(np.int32)
    _largest(part, logits, "methods/decode/tokens", free)
    attention = part.get(f"methods/decode/told/{other}")
    what = "the attention is not that with which the tokens are read"
    part.same(what, attention, "methods/decode/attention", NEAR[part.dtype])
    return part.result("the likeliest tokens, one by one, and the attention")


def _features(part: _Part, layer: str) -> Result:
    """Features are what the next layer takes."""
    right = part.get(f"evaluation/{layer}:in")
    what = f"the features are not what {layer} takes"
    part.same(what, right, "methods/features/value", NEAR[part.dtype])
    return part.result(f"the features are what {layer} takes")


def _config(part: _Part, network: Network) -> Result:
    """Every argument of the constructor, with the value that the spec has."""
    right = expected.arguments(network)
    start = "methods/config/"
    for name, value in right.items():
        actual = part.get(start + name)
        if actual is None:
            continue
        alike = actual.dtype.kind == value.dtype.kind and gap(value, actual) == 0
        shown = [expected.words(a) if a.dtype == np.uint8 else a.tolist() for a in (actual, value)]
        part.holds(alike, f"get_config has {name} {shown[0]!r}, where it is {shown[1]!r}")
    names = {n.removeprefix(start) for n in part.arrays if n.startswith(start)}
    more = sorted(names - set(right))
    part.holds(not more, f"get_config has {', '.join(more)}, which the constructor does not take")
    return part.result(f"{len(right) - 1} arguments")


def _again(part: _Part, network: Network) -> Result:
    """The network made of its configuration, and that of a file, have its weights and outputs."""
    starts = ["methods/again"]
    if any(name.startswith("methods/again/file/") for name in part.arrays):
        starts.append("methods/again/file")
    start = "weights/"
    own = {n.removeprefix(start): a for n, a in part.arrays.items() if n.startswith(start)}
    for again in starts:
        part.holds(bool(own), "there are no weights")
        _digests(part, own, f"{again}/weights/")
        for name in network.outputs:
            right = part.get(f"forward/{expected.BATCH}/{name}")
            what = f"the network made again gives another {name}"
            part.same(what, right, f"{again}/outputs/{name}", NEAR[part.dtype])
    return part.result("the same weights bitwise, and the same outputs")


def _digests(part: _Part, own: Mapping[str, np.ndarray], start: str) -> None:
    """Hold digests of weights against the weights."""
    actual = {n.removeprefix(start): a for n, a in part.arrays.items() if n.startswith(start)}
    wrong = [
        name
        for name in sorted({*own, *actual})
        if name not in own
        or name not in actual
        or not bitwise_equal(digest(own[name]), actual[name])
    ]
    place = start.removeprefix("methods/").removesuffix("/")
    part.holds(not wrong, f"{place} does not have the same {', '.join(wrong[:4])}")


def _stopped(part: _Part, names: list[str]) -> Result:
    """No gradient passes these methods."""
    for name in names:
        size = part.get(f"methods/gradients/{name}")
        if size is not None:
            nothing = size.shape == () and size.dtype.kind == "f" and float(size) == 0
            part.holds(nothing, f"a gradient passes {name}, of {size.tolist()}")
    return part.result(f"none passes {', '.join(names)}")


def _log(part: _Part) -> Result:
    """Every epoch is in the log, each number in its list, and in no other network's log."""
    for index, name in enumerate(expected.LOG):
        right = np.array([epoch[index] for epoch in expected.EPOCHS])
        part.same(f"the log's {name}", right, f"methods/log/told/{name}")
        part.same(f"another's {name}", np.zeros(0), f"methods/log/another/{name}")
    return part.result(f"{len(expected.EPOCHS)} epochs")


def _frozen(part: _Part, network: Network) -> Result:
    """There is no training mode; batches are predicted together, and counted."""
    start = "evaluation/"
    layers = [n.removeprefix(start) for n in part.arrays if n.startswith(start)]
    part.holds(bool(layers), "no layer was watched")
    for layer in layers:
        what = f"in training mode {layer} is another"
        right = part.arrays[start + layer]
        part.same(what, right, f"methods/frozen/training/{layer}", NEAR[part.dtype])
    logits = part.get(f"forward/{expected.BATCH}/{expected.logits(network)}")
    if logits is None:
        return part.result("")
    classes = _largest(part, logits, "methods/frozen/batches/classes")
    labels = expected.labels(logits)
    part.same("the labels", labels, "methods/frozen/batches/labels")
    if classes is not None:
        correct, count = int((classes == labels).sum()), labels.size
        right = np.array([100 * correct / count, correct, count], np.float64)
        part.same("the evaluation", right, "methods/frozen/batches/evaluated", NEAR["float64"])
    return part.result("the same in training mode; batches together")


def _kept(part: _Part) -> Result:
    """The methods have changed no weight."""
    start = "weights/"
    own = {n.removeprefix(start): a for n, a in part.arrays.items() if n.startswith(start)}
    part.holds(bool(own), "there are no weights")
    _digests(part, own, "methods/kept/")
    return part.result("no weight has changed")


def compared(pair: Pair) -> bool:
    """Whether there is anything that two backends must give alike."""
    names = {*pair.a.under(pair.dtype, "methods"), *pair.b.under(pair.dtype, "methods")}
    return any(name.startswith((*VALUES, *COUNTS)) for name in names)


def alike(pair: Pair) -> Result:
    """What the methods of two backends give: values but for rounding, classes and counts exactly.

    In float32 a near tie may make two networks write other tokens: their attention is then another.
    """
    one, other = (e.under(pair.dtype, "methods") for e in (pair.a, pair.b))
    differences = Differences()
    sides: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in dict.fromkeys([*one, *other]):
        if not name.startswith((*VALUES, *COUNTS)):
            continue
        if name not in one or name not in other:
            absent = pair.b.backend if name in one else pair.a.backend
            differences.problems.append(f"{absent} has no {name}")
        elif name.startswith(VALUES):
            sides[f"methods/{name}"] = (one[name], other[name])
        elif pair.dtype == "float64" and gap(one[name], other[name]):
            wrong = f"{name} of {pair.a.backend} and of {pair.b.backend} differ"
            differences.problems.append(wrong)
    tokens = [side.get("decode/tokens") for side in (one, other)]
    if pair.dtype == "float32" and all(t is not None and t.ndim == 2 for t in tokens):
        _same_tokens(sides, tokens[0], tokens[1], differences)  # type: ignore[arg-type]
    pair.measure(sides, differences)
    return differences.result()


def _same_tokens(
    sides: dict[str, tuple[np.ndarray, np.ndarray]],
    one: np.ndarray,
    other: np.ndarray,
    differences: Differences,
) -> None:
    """Leave out the attention of those examples for which two networks wrote other tokens."""
    name = "methods/decode/attention"
    if one.shape != other.shape or name not in sides:
        differences.problems.append("the tokens have other shapes, or no attention")
        return
    rows = (one == other).all(axis=1)
    seen = sides[name]
    if not rows.any():
        differences.problems.append("no example has the same tokens in both")
    elif all(len(side) == len(rows) for side in seen):
        sides[name] = (seen[0][rows], seen[1][rows])
