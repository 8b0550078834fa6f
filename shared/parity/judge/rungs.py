"""Every rung that two backends' evidence has something for, in the order of the ladder."""

from __future__ import annotations

from collections.abc import Iterator

from shared.parity import recipes
from shared.parity.evidence import Asked
from shared.parity.judge.edges import edges
from shared.parity.judge.methods import alike, compared
from shared.parity.judge.pair import Pair
from shared.parity.judge.passes import activations, buffers, exchanged, gradients, tensors
from shared.parity.judge.results import Result
from shared.parity.judge.trainers import trainers, tried
from shared.parity.judge.trainings import optimizer, resumed, teacher_forced


def rungs(pair: Pair, asked: Asked, *, trained: bool) -> Iterator[tuple[str, str, Result]]:
    """Every rung that evidence was asked for: its name, what part of it, and the result.

    A network that is not trained has none but those of a pass forward. What both sides lack is told
    by `shared.parity.expected`.
    """
    yield "tensors", "", tensors(pair)
    yield "forward", "", pair.explained("forward", pair.compare(["forward"]))
    if pair.has("exchange"):
        yield "exchange", "", exchanged(pair)
    yield "activations", "", activations(pair)
    if asked.methods and compared(pair):
        yield "methods", "", alike(pair)
    for part, result in edges(pair):
        yield "edges", part, result
    if not trained:
        return
    yield "loss", "", pair.explained("loss", pair.compare(["loss"]))
    yield "gradients", "", gradients(pair)
    if pair.has("buffers"):
        yield "buffers", "", pair.explained("buffers", buffers(pair))
    if pair.a.dropouts or pair.b.dropouts or pair.has("dropout loss"):
        masked = pair.compare(["dropout loss", "dropout gradients"])
        yield "dropout", "given masks", pair.explained("dropout", masked)
    each_step = teacher_forced(pair) if pair.dtype == "float32" and asked.recipes else None
    if each_step is not None:
        yield "teacher-forced", recipes.TEACHER_FORCED, each_step
    for recipe in asked.recipes:
        yield "optimizers", recipe, optimizer(pair, recipe, each_step)
    for recipe in recipes.resumed(asked):
        yield "resume", recipe, resumed(pair, recipe, each_step)
    if asked.variants:
        yield "trainers", "", trainers(pair, asked)
    for name in asked.combinations:
        yield "trainers", name, tried(pair, name, each_step)
