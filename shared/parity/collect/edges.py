"""What a network does at the edges: ties, blackness, large numbers, limits, labels, batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from shared.interface import Model, Probe
from shared.parity import edges as values
from shared.parity.collect.arrays import Lent, cast, under
from shared.parity.collect.passes import sample_batch
from shared.parity.collect.plan import Plan
from shared.parity.collect.subject import Subject
from shared.parity.evidence import Arrays
from shared.parity.samples import BATCHES
from shared.specs import Task


def edges(subject: Subject, dtype: str) -> Arrays:
    """Outputs, loss and gradients of every kind that the network has, and what became of inputs.

    The weights are others afterwards.
    """
    plan, model, probe = subject.plan, subject.models[dtype], subject.probes[dtype]
    lent = Lent()
    with warnings.catch_warnings(record=True) as told, _admitting(model):
        warnings.simplefilter("always")
        arrays = _outputs(model, dtype, lent)
        if plan.task is not None:
            arrays |= _gradients(model, probe, plan.task, dtype, lent)
        arrays |= _batches(model, probe, plan, dtype, lent)
        arrays |= _alike(model, plan, dtype, lent)
    # Of read-only arrays alone: what else a library says is no concern of this.
    about = sum("writ" in str(warning.message) for warning in told)
    return arrays | under("lent", lent.digests()) | {"lent/warnings": np.array(about)}


@contextmanager
def _admitting(model: Model) -> Iterator[None]:
    """A model that takes lengths of 0 for a while."""
    network = model.network
    model.network = values.admitting(network)
    try:
        yield
    finally:
        model.network = network


def _load(model: Model, kind: str, what: str, lent: Lent) -> None:
    model.load_weights(lent.lend(f"{what}/weights", values.weights(model.table(), kind)))


def _outputs(model: Model, dtype: str, lent: Lent) -> Arrays:
    """Outputs of every kind with the usual weights; and all of them with large weights."""
    arrays: Arrays = {}
    batch = values.outputs_batch(model.network, dtype)
    for loaded in ("usual", "large"):
        _load(model, loaded, f"outputs/{loaded}", lent)
        outputs = model(lent.lend(f"outputs/{loaded}/batch", batch))
        if loaded == "large":
            near = {
                name: array * array.dtype.type(1 + values.NEAR)
                if array.dtype.kind == "f"
                else array
                for name, array in batch.items()
            }
            arrays |= under("large/weights/outputs", outputs)
            arrays |= under("large/weights/nearby", model(near))
            continue
        for kind in values.of_outputs(model.network):
            of_kind = {name: output[values.rows(kind)] for name, output in outputs.items()}
            arrays |= under(f"{kind}/outputs", of_kind)
    return arrays


def _gradients(model: Model, probe: Probe, task: Task, dtype: str, lent: Lent) -> Arrays:
    """A pass forward and backward in training mode of every kind."""
    arrays: Arrays = {}
    for kind in values.of_gradients(model.network, task, dtype):
        _load(model, kind, f"gradients/{kind}", lent)
        examples = values.DIFFERENTIATED[kind]
        batch = values.inputs(model.network, examples, dtype)
        batch |= values.targets(model.network, task, kind, dtype)
        arrays |= under(kind, _pass(probe, task, lent.lend(f"gradients/{kind}/batch", batch)))
    return arrays


def _pass(probe: Probe, task: Task, batch: Arrays) -> Arrays:
    """Loss and gradients."""
    seen = probe.differentiate(batch, task)
    arrays = {"loss": seen.loss}
    arrays |= under("gradients", seen.gradients)
    return arrays | under("input gradients", seen.input_gradients)


def _batches(model: Model, probe: Probe, plan: Plan, dtype: str, lent: Lent) -> Arrays:
    """Outputs of batches of other sizes; and a pass forward and backward of one example."""
    arrays: Arrays = {}
    sizes = plan.sizes if dtype == "float64" else ()
    if sizes:
        _load(model, "usual", "batches", lent)
    for size in sizes:
        batch = lent.lend(f"batches/{size}", sample_batch(plan.case, size, dtype))
        outputs = model(batch)
        arrays |= under(f"batches/{size}/outputs", outputs)
    if values.MANY in sizes and plan.task is not None:
        targets = values.targets(model.network, plan.task, "batches", dtype)
        one = sample_batch(plan.case, 1, dtype) | {n: a[:1] for n, a in targets.items()}
        arrays |= under("batches/1", _pass(probe, plan.task, lent.lend("batches/1", one)))
    return arrays


def _alike(model: Model, plan: Plan, dtype: str, lent: Lent) -> Arrays:
    """What becomes of outputs of which none is larger than the others."""
    network = model.network
    _load(model, "alike", "alike", lent)
    batch = lent.lend("alike/batch", sample_batch(plan.case, BATCHES[-1], dtype))
    arrays = under("alike/outputs", model(batch))
    if values.MANY not in plan.sizes or dtype != "float64":
        return arrays
    if plan.task is not None and values.labelled(plan.task):
        picked, confidence = model.predict(batch)
        arrays |= {"alike/classes": picked, "alike/confidence": confidence}
    if plan.task is not None and "decoded_accuracy" in plan.task.metrics:
        names = list(network.inputs)[:-1]  # not told the last input, the tokens
        arrays["alike/tokens"], _ = model.decode(cast({n: batch[n] for n in names}, dtype))
    return arrays
