"""What evidence of a case must show. It follows from the spec, so that what no side has is missing.

The spec says what goes in and out, what a pass gives, and what was asked for of trainings. Which
tensors and layers there are is said by the backend's own table, whose counts the spec holds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shared import differences
from shared.interface import VARIANTS
from shared.parity import combinations, edges, methods, recipes, samples
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.samples import BATCHES
from shared.specs import Case, Network, Spec, Task

Shape = tuple[int, ...]

RUNGS = {
    "forward": "outputs",
    "inputs": "tensors",
    "targets": "tensors",
    "weights": "tensors",
    "evaluation": "activations",
    "training": "activations",
    "input gradients": "gradients",
    "dropout loss": "dropout",
    "dropout gradients": "dropout",
    "own dropout": "dropout",
    "first gradients": "optimizers",
    "first": "optimizers",
    "steps": "optimizers",
    "teacher-forced float64": "teacher-forced",
    "combinations": "trainers",
}
"""The rung that arrays are for, where it has another name than theirs."""

IN_DTYPE = ("weights", "forward", "evaluation", "training", "loss", "gradients", "buffers")
"""What is computed in the dtype of the evidence."""

TRAINED = ("first gradients", "first", "steps")
"""What is only looked at where a training differs: that it is finite is looked at here."""

SKETCH = differences.sketch(np.zeros(1)).shape


def arrays(
    spec: Spec, case: Case, asked: Asked, evidence: CaseEvidence, dtype: str
) -> dict[str, Shape | None]:
    """Every array that must be there, with its shape; None where only the network knows it."""
    return dict(_arrays(spec, case, asked, evidence, dtype))


def _arrays(
    spec: Spec, case: Case, asked: Asked, evidence: CaseEvidence, dtype: str
) -> Iterator[tuple[str, Shape | None]]:
    network, task = case.network, recipes.task_of(spec, case)
    rows = evidence.tables[dtype]
    tensors = {row.name: row.shape for row in rows}
    trained = {row.name: row.shape for row in rows if row.kind == "parameter"}
    layers = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
    for name, tensor in network.inputs.items():
        yield f"inputs/{name}", (recipes.BATCH, *tensor.shape)
    for name, shape in tensors.items():
        yield f"weights/{name}", shape
        yield f"exchange/{name}", (32,)
    for batch in BATCHES:
        for name, tensor in network.outputs.items():
            yield f"forward/{batch}/{name}", (batch, *tensor.shape)
    yield from _edges(spec, case, dtype, trained)
    if asked.methods:
        called = _methods(spec, case, asked, evidence, dtype)
        yield from ((f"methods/{name}", shape) for name, shape in called)
    for layer in layers:
        # A frozen network has no training mode, and a branch may be out of sight in evaluation.
        if task is None or "left_early" not in task.metrics:
            yield f"evaluation/{layer}:out", None
        if task is not None:
            yield f"training/{layer}:out", None
    if asked.passes:
        whole = task is not None and recipes.is_whole(spec, case)
        yield from _passes(case, evidence, dtype, whole=whole)
    if task is None:
        return
    for objective in task.objectives:
        yield f"targets/{objective.target}", None
    yield "loss/value", ()
    yield from (((f"gradients/{name}", shape)) for name, shape in trained.items())
    for name, tensor in network.inputs.items():
        if tensor.dtype == "float":
            yield f"input gradients/{name}", (recipes.BATCH, *tensor.shape)
    for row in rows:
        if row.kind == "buffer":
            yield f"buffers/{row.name}", row.shape
    if evidence.dropouts or drops(network):
        yield "dropout loss/value", ()
        yield from ((f"dropout gradients/{name}", shape) for name, shape in trained.items())
        figures = (recipes.DROPOUT_FIGURES,)
        yield from ((f"own dropout/{name}", figures) for name in evidence.dropouts)
    yield from _trainings(case, asked, evidence, dtype, tensors, trained)
    for variant in VARIANTS:
        for name in asked.combinations:
            start = f"combinations/{variant}/{name}"
            yield f"{start}/losses", (combinations.STEPS,)
            yield from ((f"{start}/steps/{n}", (combinations.STEPS, *SKETCH)) for n in tensors)
    if asked.variants:
        yield from _variants(case, task, asked, evidence, dtype)


def _edges(
    spec: Spec, case: Case, dtype: str, trained: dict[str, Shape]
) -> Iterator[tuple[str, Shape | None]]:
    """What values that bite show: of each kind that the network has, and whether it was changed."""
    network, task = case.network, recipes.task_of(spec, case)
    sizes, of_all = edges.sizes(spec, case, dtype), sum(map(len, edges.EXAMPLES.values()))
    batches = {f"{kind}/outputs": len(edges.EXAMPLES[kind]) for kind in edges.of_outputs(network)}
    batches |= {f"large/weights/{part}": of_all for part in ("outputs", "nearby")}
    batches |= {"alike/outputs": BATCHES[-1]} | {f"batches/{s}/outputs": s for s in sizes}
    for part, batch in batches.items():
        for name, tensor in network.outputs.items():
            yield f"edges/{part}/{name}", (batch, *tensor.shape)
    passes = dict.fromkeys(edges.of_gradients(network, task, dtype), recipes.BATCH)
    passes |= {"batches/1": 1} if task and edges.MANY in sizes else {}
    for kind, batch in passes.items():
        yield f"edges/{kind}/loss", ()
        yield from ((f"edges/{kind}/gradients/{name}", shape) for name, shape in trained.items())
        for name, tensor in network.inputs.items():
            if tensor.dtype == "float":
                yield f"edges/{kind}/input gradients/{name}", (batch, *tensor.shape)
    if task and edges.MANY in sizes and edges.labelled(task):
        first = network.outputs[task.objectives[0].output]
        yield "edges/alike/classes", (BATCHES[-1], *first.shape[:-1])
        yield "edges/alike/confidence", (BATCHES[-1], *first.shape[:-1])
        if "decoded_accuracy" in task.metrics:
            yield "edges/alike/tokens", None
    lent = ["outputs/usual", "outputs/large", "alike", *(["batches"] if sizes else [])]
    lent += [f"gradients/{kind}" for kind in passes if kind != "batches/1"]
    names = [f"{name}/{what}" for name in lent for what in ("weights", "batch")]
    names += [f"batches/{size}" for size in ([*sizes, 1] if "batches/1" in passes else sizes)]
    for name in names:
        if name != "batches/batch":
            yield f"edges/lent/before/{name}", (32,)
            yield f"edges/lent/after/{name}", (32,)
    yield "edges/lent/warnings", ()


def _methods(
    spec: Spec, case: Case, asked: Asked, evidence: CaseEvidence, dtype: str
) -> Iterator[tuple[str, Shape | None]]:
    """What a network's methods show, and in one dtype what does not depend on it."""
    network, batch = case.network, methods.BATCH
    tensors = [row.name for row in evidence.tables[dtype]]
    outputs = {name: (batch, *tensor.shape) for name, tensor in network.outputs.items()}
    logits = methods.logits(network)
    if logits is not None:
        yield "predict/classes", outputs[logits][:-1]
        yield "predict/confidence", outputs[logits][:-1]
    if methods.writes(network):
        yield "decode/tokens", next(iter(outputs.values()))[:-1]
        yield "decode/attention", [*outputs.values()][1]
        yield from ((f"decode/told/{name}", shape) for name, shape in outputs.items())
    if network.cls in methods.FEATURES:
        yield "features/value", None
    yield from ((f"kept/{name}", (32,)) for name in tensors)
    if dtype not in asked.methods:
        return
    yield from ((f"config/{n}", array.shape) for n, array in methods.arguments(network).items())
    yield from ((f"gradients/{name}", ()) for name in methods.stopped(network))
    file = recipes.has_files(spec, case) and evidence.backend in methods.WHOLE_FILES
    for start in ("again", *(["again/file"] if file else [])):
        yield from ((f"{start}/weights/{name}", (32,)) for name in tensors)
        yield from ((f"{start}/outputs/{name}", shape) for name, shape in outputs.items())
    if network.cls in methods.LOGS:
        for name in methods.LOG:
            yield f"log/told/{name}", (len(methods.EPOCHS),)
            yield f"log/another/{name}", (0,)
    if network.cls == methods.FROZEN:
        layers = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
        yield from ((f"frozen/training/{layer}:out", None) for layer in layers)
        yield "frozen/batches/classes", outputs[logits or ""][:-1]
        yield "frozen/batches/labels", outputs[logits or ""][:-1]
        yield "frozen/batches/evaluated", (3,)


def _trainings(
    case: Case,
    asked: Asked,
    evidence: CaseEvidence,
    dtype: str,
    tensors: dict[str, Shape],
    trained: dict[str, Shape],
) -> Iterator[tuple[str, Shape | None]]:
    """What trainings show: the first step whole, sketches of every step."""

    def state(recipe: str) -> list[str]:
        slots = recipes.slots(recipe)
        return [*tensors, *(f"{name}@{slot}" for name in trained for slot in slots)]

    if asked.recipes:
        yield from ((f"first gradients/{name}", shape) for name, shape in trained.items())
    for recipe in asked.recipes:
        yield from ((f"first/{recipe}/{name}", shape) for name, shape in tensors.items())
        steps = asked.steps if recipes.RECIPES[recipe] else 1
        yield from ((f"steps/{recipe}/{name}", (steps, *SKETCH)) for name in state(recipe))
    if dtype == "float32" and recipes.TEACHER_FORCED in asked.recipes:
        for rung in ("teacher-forced", "teacher-forced float64"):
            # Without float64 there is nothing that could lead.
            if "float64" in evidence.arrays:
                yield from ((f"{rung}/{name}", (asked.steps, *SKETCH)) for name in tensors)
    for recipe in recipes.resumed(asked):
        for name, tensor in case.network.outputs.items():
            yield f"resume/{recipe}/outputs/{name}", (BATCHES[-1], *tensor.shape)
        for name in state(recipe):
            yield f"resume/{recipe}/steps/{name}", (asked.further, *SKETCH)
        for name in trained:
            for slot in recipes.slots(recipe):
                yield f"resume/{recipe}/loaded/{name}@{slot}", (1, *SKETCH)


def _passes(
    case: Case, evidence: CaseEvidence, dtype: str, *, whole: bool
) -> Iterator[tuple[str, Shape | None]]:
    """What each variant shows without its trainers: outputs, and a whole one in float64 a step."""
    for variant in VARIANTS:
        start = f"variants/{variant}"
        for name, tensor in case.network.outputs.items():
            yield f"{start}/forward/{name}", (BATCHES[-1], *tensor.shape)
        if not whole or dtype != "float64":
            continue
        yield f"{start}/loss/value", ()
        for row in evidence.tables[dtype]:
            rung = "buffers" if row.kind == "buffer" else "gradients"
            yield f"{start}/{rung}/{row.name}", row.shape


def _variants(
    case: Case, task: Task, asked: Asked, evidence: CaseEvidence, dtype: str
) -> Iterator[tuple[str, Shape | None]]:
    """What each variant shows: outputs, every step of its trainers, evaluations, dropout."""
    network, steps = case.network, ("loss", "correct", "counted")
    tensors = {row.name: row.shape for row in evidence.tables[dtype]}
    figures = (*steps, *scored(task))
    for variant in VARIANTS:
        start = f"variants/{variant}"
        for name, tensor in network.outputs.items():
            yield f"{start}/forward/{name}", (recipes.EVALUATED, *tensor.shape)
        for recipe in recipes.trainers(asked, dtype):
            for name in figures:
                yield f"{start}/{recipe}/before/{name}", None
                yield f"{start}/{recipe}/after/{name}", None
                yield f"{start}/{recipe}/uncounted/{name}", None
                yield f"{start}/{recipe}/alike/{name}", None
            for name, tensor in network.outputs.items():
                yield f"{start}/{recipe}/after/outputs/{name}", (recipes.EVALUATED, *tensor.shape)
                yield f"{start}/{recipe}/alike/outputs/{name}", (recipes.EVALUATED, *tensor.shape)
            for step in range(recipes.steps_of_trainers(asked, dtype)):
                yield from ((f"{start}/{recipe}/{step}/figures/{name}", ()) for name in steps)
                for name, shape in tensors.items():
                    yield f"{start}/{recipe}/{step}/{name}", shape
                if recipe != recipes.SINGLE:
                    yield from ((f"{start}/{recipe}/{step}/evaluated/{n}", None) for n in figures)
            if recipe != recipes.SINGLE:
                for row in evidence.tables[dtype]:
                    if row.kind == "parameter":
                        yield f"{start}/{recipe}/uncounted step/{row.name}", row.shape
        batches = [f"batch {n}" for n in range(recipes.steps_of_trainers(asked, dtype))]
        for name in ["evaluated", *batches]:
            yield f"{start}/lent/before/{name}", (32,)
            yield f"{start}/lent/after/{name}", (32,)
        if dtype == "float64" and asked.singles:
            for size in recipes.SIZES:
                for name, tensor in network.outputs.items():
                    yield f"{start}/sizes/{size}/{name}", (size, *tensor.shape)
            if methods.logits(network):
                yield f"{start}/predict/classes", None
                yield f"{start}/predict/confidence", None
        if dtype == "float64" and variant == "idiomatic":
            for step in range(asked.singles):
                yield f"{start}/{recipes.SINGLE}/{step}/figures/loss", ()
                for name, shape in tensors.items():
                    yield f"{start}/{recipes.SINGLE}/{step}/{name}", shape
        if dtype == "float64" and asked.singles and (evidence.dropouts or drops(network)):
            for name in ("one", "again", "another", "none"):
                yield f"{start}/dropout/{name}", (recipes.MASKED,)
            for name in ("evaluated", "evaluated without"):
                yield f"{start}/dropout/{name}", (recipes.MASKED,)
            yield f"{start}/dropout/moved", ()


def scored(task: Task) -> list[str]:
    """What an evaluation counts beside the labels, for the task's metrics."""
    sums = {
        "mean_iou": ("intersection", "union"),
        "left_early": ("left",),
        "decoded_accuracy": ("digits", "decoded"),
    }
    return [name for metric in task.metrics for name in sums.get(metric, ())]


def drops(network: Network) -> bool:
    """Whether the configuration has a share to drop."""
    return any("dropout" in key and bool(value) for key, value in network.config.items())


def _into(spec: Spec, case: Case) -> dict[str, np.ndarray]:
    """The inputs and targets of the passes, by the names of their arrays."""
    network, task = case.network, recipes.task_of(spec, case)
    inputs = samples.sample_inputs(network, recipes.BATCH, "float32")
    targets = recipes.sample_targets(network, task, recipes.BATCH) if task else {}
    return {f"inputs/{name}": array for name, array in inputs.items()} | {
        f"targets/{name}": array for name, array in targets.items()
    }


def absent(
    spec: Spec, case: Case, asked: Asked, evidence: CaseEvidence, dtype: str
) -> dict[str, list[str]]:
    """What evidence lacks of what it must show, or has in another shape, by rung."""
    lacking: dict[str, list[str]] = {}
    arrays_of, into = evidence.arrays.get(dtype, {}), _into(spec, case)
    for name, shape in arrays(spec, case, asked, evidence, dtype).items():
        array = arrays_of.get(name)
        start = name.partition("/")[0]
        if array is None:
            problem = name
        elif shape not in (None, array.shape):
            problem = f"{name} in the shape {shape}"
        elif start in IN_DTYPE and array.dtype.kind == "f" and array.dtype != dtype:
            problem = f"{name} in {dtype}"
        elif name in into and not np.array_equal(array, into[name].astype(array.dtype)):
            problem = f"{name} as it is drawn for all"
        elif start in TRAINED and not np.isfinite(array).all():
            problem = f"{name} of finite numbers"
        else:
            continue
        lacking.setdefault(RUNGS.get(start, start), []).append(problem)
    return lacking
