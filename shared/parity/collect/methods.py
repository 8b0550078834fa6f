"""What a network's methods do beside its pass forward, and what is left of it in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shared.interface import Methods, Model
from shared.parity import methods as expected
from shared.parity import recipes, samples
from shared.parity.collect.arrays import under
from shared.parity.collect.passes import sample_batch
from shared.parity.collect.subject import Subject
from shared.parity.evidence import Arrays, digest


def methods(subject: Subject, dtype: str) -> Arrays:
    """What every method of the network gives for its present weights.

    In some dtypes also what does not depend on them: the configuration, the log, files.
    """
    model, case = subject.models[dtype], subject.plan.case
    network, native = case.network, subject.probes[dtype].methods()
    inputs = sample_batch(case, expected.BATCH, dtype)
    parts: dict[str, Callable[[], Arrays]] = {}
    if expected.logits(network):
        parts["predict"] = lambda: _predicted(model, inputs)
    if expected.writes(network):
        parts["decode"] = lambda: _decoded(model, inputs)
    if network.cls in expected.FEATURES:
        few = sample_batch(case, recipes.BATCH, dtype)
        parts["features"] = lambda: {"value": native.features(few)}
    if dtype in subject.plan.asked.methods:
        parts["config"] = lambda: expected.described(native.config())
        parts["again"] = lambda: _again(model, native, inputs, files=subject.plan.files)
        parts["gradients"] = lambda: {
            name: np.array(native.passes(name, inputs)) for name in expected.stopped(network)
        }
        if network.cls in expected.LOGS:
            parts["log"] = lambda: _log(model, native)
        if network.cls == expected.FROZEN:
            parts["frozen"] = lambda: _frozen(subject, model, native, inputs, dtype)
    arrays: Arrays = {}
    for name, compute in parts.items():
        try:
            arrays |= under(name, compute())
        except Exception as error:  # a method may fail in any manner: the rest is computed
            problem = f"{type(error).__name__}: {error}"
            arrays[f"errors/{name}"] = expected.text(problem)
    return arrays | under("kept", _digests(model))


def _predicted(model: Model, inputs: Arrays) -> Arrays:
    classes, confidence = model.predict(inputs)
    return {"classes": classes, "confidence": confidence}


def _decoded(model: Model, inputs: Arrays) -> Arrays:
    """What a network writes on its own, and its outputs where it is told just that.

    It may write more tokens than the case has: of these the first ones are shown.
    """
    last, before = [*model.network.inputs][-1], model.weights()
    model.load_weights(samples.starting_weights(model.table(), "float32", expected.WRITER))
    written = model.decode({n: a for n, a in inputs.items() if n != last})
    tokens, attention = (array[:, : inputs[last].shape[1]] for array in written)
    arrays = {"tokens": tokens, "attention": attention}
    told = expected.started(tokens, model.network).astype(np.int32)
    arrays |= under("told", model({**inputs, last: told}))
    model.load_weights(before)
    return arrays


def _again(model: Model, native: Methods, inputs: Arrays, *, files: bool) -> Arrays:
    """The network once more from its configuration, and with files by way of one of weights."""
    again = native.again()
    with tempfile.TemporaryDirectory() as folder:
        if files:
            native.hand_over(again, Path(folder))
        else:
            again.load_weights(model.weights())
        arrays = under("weights", _digests(again)) | under("outputs", again(inputs))
        loaded = native.whole(Path(folder)) if files else None
    if loaded is not None:
        arrays |= under("file/weights", _digests(loaded))
        arrays |= under("file/outputs", loaded(inputs))
    return arrays


def _log(model: Model, native: Methods) -> Arrays:
    """The log of a network that is told of epochs, and beside it that of one that is not."""
    one, other = native.again(), model
    for epoch in expected.EPOCHS:
        one.record_epoch(*epoch)
    logs = {"told": one, "another": other}
    return {
        f"{name}/{part}": np.array([*getattr(logged.native, part)], np.float64)
        for name, logged in logs.items()
        for part in expected.LOG
    }


def _frozen(subject: Subject, model: Model, native: Methods, inputs: Arrays, dtype: str) -> Arrays:
    """A frozen network in training mode, and what it says of two batches."""
    few = sample_batch(subject.plan.case, recipes.BATCH, dtype)
    watched = subject.probes[dtype].watch(few, train=True, dropout="own")
    labels = expected.labels(model(inputs)[expected.logits(model.network) or ""])
    parts = (slice(0, expected.SPLIT), slice(expected.SPLIT, None))
    batches = [({n: a[part] for n, a in inputs.items()}, labels[part]) for part in parts]
    return under("training", watched) | under("batches", native.batches(batches))


def _digests(model: Model) -> Arrays:
    return {name: digest(array) for name, array in model.weights().items()}
