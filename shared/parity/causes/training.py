"""Why training differs: the loss, the gradients, batch norm's buffers, the optimizer's first step.

Every function gets what both sides agreed on before, computes what each known convention makes of
it, and names the one that gives one side's numbers while another gives the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from shared.differences import gap
from shared.parity.causes.match import (
    Cause,
    Fact,
    Problem,
    Reading,
    multiple,
    tell_apart,
    tolerance,
    usable,
)
from shared.parity.causes.outputs import not_finite

SHARES = (0.1, 0.01, 0.001, 0.05, 0.9, 0.99, 0.5, 1.0)
Tensors = Mapping[str, np.ndarray]


def explain_loss(
    a_name: str, b_name: str, a_loss: float, b_loss: float, sizes: Mapping[str, int]
) -> Cause | None:
    """Why two losses of the same outputs differ, when their ratio is a known one.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a_loss: The first side's loss.
        b_loss: The second's.
        sizes: What a loss may be summed over, by name: {"batch": 3, "labels": 12}.
    """
    a, b = np.asarray(a_loss), np.asarray(b_loss)
    if a.size != 1 or b.size != 1 or not usable(a, b) or not float(a) or not float(b):
        return None
    near, ratio = tolerance(a, b), float(b) / float(a)
    if abs(ratio - 1) <= near:
        return None
    large, small, factor = (
        (b_name, a_name, ratio) if abs(ratio) > 1 else (a_name, b_name, 1 / ratio)
    )
    # Half is right whatever there are two of: classes, say, over which it may be averaged.
    half = abs(factor / 2 - 1) <= near
    for factors, words in () if half else _factors(sizes):
        if abs(factor / factors - 1) <= near:
            return Cause(
                "loss reduction",
                f"{large}'s loss is {small}'s {words}: they are averaged otherwise",
            )
    for value, kind, words in (
        (-1.0, "sign", f"{large}'s loss is {small}'s with the other sign"),
        (2.0, "scale", f"{small}'s loss is half of {large}'s"),
        (1 / np.log(2), "scale", f"{small}'s loss is in nats, {large}'s in bits"),
    ):
        if abs(factor / value - 1) <= near:
            return Cause(kind, words)
    return None


def _factors(sizes: Mapping[str, int]) -> Iterator[tuple[float, str]]:
    """What a ratio of losses may be: a size, the ratio of two, their product."""
    real = {name: size for name, size in sizes.items() if size > 1}
    for size in sorted(set(real.values())):
        names = " or ".join(name for name in real if real[name] == size)
        yield size, f"times {size}, the number of {names}"
    for one, two in combinations(real, 2):
        more, less = (one, two) if real[one] > real[two] else (two, one)
        if real[more] != real[less]:
            yield real[more] / real[less], f"times {real[more]} {more} over {real[less]} {less}"
        yield real[more] * real[less], f"times {real[more]} {more} times {real[less]} {less}"


def explain_gradients(a_name: str, b_name: str, a: Tensors, b: Tensors) -> Cause | None:
    """Why gradients of the same loss differ.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a: The first side's gradients by canonical name.
        b: The second's.
    """
    for name in [name for name in a if name in b]:
        if a[name].shape != b[name].shape:
            shapes = f"{a_name} has the gradient of {name} in the shape {a[name].shape}"
            return Cause("shape", f"{shapes}, {b_name} in {b[name].shape}")
        if (cause := not_finite(a_name, b_name, a[name], b[name])) is not None:
            return cause
    names = [name for name in a if name in b]
    if not names or not usable(*(side[name] for side in (a, b) for name in names)):
        return None
    ours = {name: a[name].astype(float) for name in names}
    theirs = {name: b[name].astype(float) for name in names}
    near = tolerance(*(side[name] for side in (a, b) for name in names))
    moved = [
        name
        for name in names
        if gap(theirs[name], ours[name]) > near / 100 and (_real(ours, name) or _real(theirs, name))
    ]
    if not moved:
        return None
    return (
        _stopped(a_name, b_name, ours, theirs, moved)
        or _scaled(a_name, b_name, ours, theirs, near)
        or _turned(a_name, b_name, ours, theirs, moved, near)
    )


def _stopped(a_name: str, b_name: str, a: Tensors, b: Tensors, moved: list[str]) -> Cause | None:
    """Gradients that are exactly 0 on one side alone."""
    for name, side, other in ((b_name, b, a), (a_name, a, b)):
        zeros = [key for key in moved if not side[key].any() and _real(other, key)]
        if zeros:
            more = f" and {len(zeros) - 3} more" if len(zeros) > 3 else ""
            text = f"{name} has no gradient for {', '.join(zeros[:3])}{more}"
            return Cause("gradient stopped", f"{text}, {b_name if name == a_name else a_name} has")
    return None


def _real(side: Tensors, key: str) -> bool:
    """Whether a gradient is more than the rounding of others, as of a bias before batch norm."""
    return bool(np.abs(side[key]).max() > 1e-6 * max(np.abs(t).max() for t in side.values()))


def _scaled(a_name: str, b_name: str, a: Tensors, b: Tensors, near: float) -> Cause | None:
    """Gradients that are the other's times one number, or times one number for each tensor."""
    factors = {}
    for name in a:
        if not (_real(a, name) or _real(b, name)):
            continue
        factor = float(np.vdot(a[name], b[name]) / (np.vdot(a[name], a[name]) or 1))
        if not factor or gap(b[name], factor * a[name]) > near:
            return None
        factors[name] = factor
    values = np.array(list(factors.values()))
    if not values.size or np.abs(values - 1).max() <= near:
        return None
    norms = [float(np.sqrt(sum(np.vdot(t, t) for t in side.values()))) for side in (a, b)]
    less, more, side = (b_name, a_name, b) if norms[1] < norms[0] else (a_name, b_name, a)
    if np.ptp(values) <= near * np.abs(values).max():
        norm, factor = min(norms), max(norms) / min(norms)
        if values[0] < 0:
            return Cause("sign", f"{b_name}'s gradients have the sign of a gain, not of a loss")
        if _round(norm, max(near, 5e-6)):
            message = f"{less} clips its gradients to a norm of {norm:.3g}, {more} does not"
            return Cause("clipping", message)
        for whole in (round(factor, 0), round(factor * 2, 0) / 2):
            if abs(factor / whole - 1) <= near:
                return Cause(
                    "loss reduction",
                    f"every gradient of {more} is {whole:g} times {less}'s: "
                    "the losses are averaged or weighted otherwise",
                )
        return Cause(
            "scale", f"every gradient of {more} is {multiple(factor, 1e-6)} times {less}'s"
        )
    lengths = [
        float(np.linalg.norm(side[name])) for name in factors if abs(factors[name] - 1) > near
    ]
    if len(lengths) > 1 and max(lengths) - min(lengths) <= near * max(lengths):
        message = f"{less} clips every tensor's gradient by itself, to a norm of {lengths[0]:.3g}"
        return Cause("clipping", message)
    changed = [name for name in factors if abs(factors[name] - 1) > near]
    if len({f"{factors[name]:.5g}" for name in changed}) == 1:
        message = f"{b_name}'s gradients are {factors[changed[0]]:.6g} times {a_name}'s"
        return Cause("scale", f"{message} in {', '.join(changed[:3])}, and equal elsewhere")
    return None


def _round(value: float, near: float) -> bool:
    """Whether a number is one that people choose: 1, 2, 5 or 2.5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value) + 1e-9)
    return any(abs(value / power / digit - 1) <= near for digit in (1, 2, 2.5, 5))


def _turned(
    a_name: str, b_name: str, a: Tensors, b: Tensors, moved: list[str], near: float
) -> Cause | None:
    """Gradients that all have their axes swapped, or their kernels flipped."""
    turns: Sequence[tuple[str, str, Callable[[np.ndarray], np.ndarray | None]]] = (
        ("transposed kernel", "has its axes swapped", lambda t: t.T if t.ndim == 2 else None),
        (
            "transposed kernel",
            "has height and width swapped",
            lambda t: t.swapaxes(2, 3) if t.ndim == 4 else None,
        ),
        (
            "flipped kernel",
            "is flipped in height and width",
            lambda t: t[:, :, ::-1, ::-1] if t.ndim == 4 else None,
        ),
        (
            "kernel axes",
            "has input and output channels swapped",
            lambda t: t.swapaxes(0, 1) if t.ndim == 4 else None,
        ),
    )
    for kind, message, turn in turns:
        turned = [turn(a[name]) for name in moved]
        if all(
            t is not None and gap(b[name], t) <= near for t, name in zip(turned, moved, strict=True)
        ):
            return Cause(
                kind, f"the gradient of {moved[0]} in {b_name} {message}, against {a_name}'s"
            )
    return None


def explain_buffers(
    a_name: str,
    b_name: str,
    old: Tensors,
    batch: np.ndarray,
    a_new: Tensors,
    b_new: Tensors,
    count: int | None = None,
) -> Cause | None:
    """Why a batch norm's running statistics differ after one training step.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        old: "running_mean" and "running_var" before the step.
        batch: The layer's input in that step, (B, H, W, C) or (B, C).
        a_new: The first side's statistics after the step.
        b_new: The second's.
        count: How many values a channel has; those of `batch` unless given.
    """
    keys = ("running_mean", "running_var")
    if any(key not in side for key in keys for side in (old, a_new, b_new)):
        return None
    if not usable(batch, *(side[key] for side in (old, a_new, b_new) for key in keys)):
        return None
    flat = batch.reshape(-1, batch.shape[-1]).astype(float)
    mean, variance = flat.mean(axis=0), flat.var(axis=0)
    count = len(flat) if count is None else count
    means, variances = (old[key].astype(float) for key in keys)
    old_values = np.stack([means, variances])
    kinds = [("the biased variance", variance), ("the deviation", np.sqrt(variance))]
    if count > 1:
        kinds.insert(0, ("the unbiased variance", variance * count / (count - 1)))

    def readings(expected: np.ndarray | None = None) -> Iterator[Reading]:
        for message, stored in kinds:
            shares = list(SHARES)
            if expected is not None:
                shares = _shares(expected, means, variances, mean, stored)
            both = [(share, share) for share in shares]
            one = [pair for share in shares for pair in ((share, 0.0), (0.0, share))]
            for first, second in dict.fromkeys(both + one):
                yield _buffers(old_values, (mean, stored), (first, second), message)
        yield _buffers(old_values, (mean, variance), (0.0, 0.0), "")

    a, b = (np.stack([side[key] for key in keys]) for side in (a_new, b_new))
    return tell_apart((a_name, b_name), Problem(a, b, readings(), readings))


def _shares(
    expected: np.ndarray,
    means: np.ndarray,
    variances: np.ndarray,
    mean: np.ndarray,
    stored: np.ndarray,
) -> list[float]:
    """The new statistics' weight, as the mean and as the variance have it."""
    shares = []
    for new, old, batch in ((expected[0], means, mean), (expected[1], variances, stored)):
        length = float(np.vdot(batch - old, batch - old))
        if length:
            shares.append(float(np.vdot(new - old, batch - old)) / length)
    return shares


def _buffers(
    old: np.ndarray, batch: tuple[np.ndarray, np.ndarray], shares: tuple[float, float], message: str
) -> Reading:
    """Statistics, mean and variance, that moved by their shares towards the batch's."""
    value = old + np.array(shares)[:, None] * (np.stack(batch) - old)
    moved = " and ".join(
        name for name, share in zip(("mean", "variance"), shares, strict=True) if share
    )
    facts = [Fact("not updated", f"updates its {moved}" if moved else "updates no statistics")]
    if moved:
        facts.append(Fact("momentum", f"gives the batch a weight of {max(shares):.6g}"))
    if shares[1]:
        kind = "unbiased variance" if "biased" in message else ""
        facts.append(Fact("variance", f"stores {message}", kind))
    return Reading(value, tuple(facts))
