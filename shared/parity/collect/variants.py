"""Passes of both variants of a backend, for the cases whose trainers are not looked at."""

from __future__ import annotations

from shared.parity import recipes, samples
from shared.parity.collect.arrays import cast, figures, under
from shared.parity.collect.passes import sample_batch
from shared.parity.collect.subject import Subject
from shared.parity.evidence import Arrays
from shared.parity.samples import BATCHES


def variants(subject: Subject, dtype: str, seen: Arrays) -> Arrays:
    """Outputs of both variants; of whole networks in float64 a step's loss, gradients, statistics.

    The idiomatic variant's are among the arrays that were seen already. The tuned variant's
    gradients are what a step of its trainer changes. A part has none: a trainer counts labels.
    """
    plan, model = subject.plan, subject.model(dtype, "tuned")
    task = plan.task if plan.whole and dtype == "float64" else None
    rungs = {"forward": f"forward/{BATCHES[-1]}"}
    rungs |= {name: name for name in ("loss", "gradients", "buffers") if task is not None}
    arrays = {
        f"idiomatic/{rung}/{name.removeprefix(f'{start}/')}": array
        for rung, start in rungs.items()
        for name, array in seen.items()
        if name.startswith(f"{start}/")
    }
    start = samples.sample_weights(model.table(), "float32", recipes.SEED)
    model.load_weights(start)
    outputs = model(sample_batch(plan.case, BATCHES[-1], dtype))
    arrays |= under("tuned/forward", outputs)
    if task is None:
        return arrays
    batch = sample_batch(plan.case, recipes.BATCH, dtype)
    batch |= cast(recipes.sample_targets(plan.case.network, task, recipes.BATCH), dtype)
    trainer = model.trainer(task, recipes.ONE_STEP, recipes.SEED)
    arrays["tuned/loss/value"] = figures(trainer.train_step(batch))["loss"]
    after = model.weights()
    for row in model.table():
        if row.kind == "buffer":
            arrays[f"tuned/buffers/{row.name}"] = after[row.name]
        else:
            change = start[row.name] - after[row.name]
            arrays[f"tuned/gradients/{row.name}"] = change / recipes.ONE_STEP.learning_rate
    return arrays
