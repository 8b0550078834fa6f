"""Every rung that two backends' evidence has something for, in the order of the ladder."""

from __future__ import annotations

from collections.abc import Iterator

from shared.parity import recipes
from shared.parity.judge.pair import Pair
from shared.parity.judge.passes import activations, buffers, gradients, tensors
from shared.parity.judge.results import Result
from shared.parity.judge.trainings import optimizer, teacher_forced


def rungs(pair: Pair) -> Iterator[tuple[str, str, Result]]:
    """Every rung that there is evidence for: its name, what part of it, and the result."""
    yield "tensors", "", tensors(pair)
    forward = pair.compare(["forward"])
    yield "forward", "", pair.explained("forward", forward)
    yield "activations", "", activations(pair)
    if not pair.has("loss"):
        return
    yield "loss", "", pair.explained("loss", pair.compare(["loss"]))
    yield "gradients", "", gradients(pair)
    if pair.has("buffers"):
        yield "buffers", "", pair.explained("buffers", buffers(pair))
    if pair.has("dropout loss"):
        masked = pair.compare(["dropout loss", "dropout gradients"])
        yield "dropout", "given masks", pair.explained("dropout", masked)
    if pair.has("steps"):
        each_step = teacher_forced(pair) if pair.dtype == "float32" else None
        if each_step is not None:
            yield "teacher-forced", recipes.TEACHER_FORCED, each_step
        for recipe in recipes.RECIPES:
            if pair.has(f"steps/{recipe}"):
                yield "optimizers", recipe, optimizer(pair, recipe, each_step)
