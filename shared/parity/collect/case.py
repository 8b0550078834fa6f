"""One case's evidence, put together."""

from __future__ import annotations

import warnings
from dataclasses import replace

from shared import registry
from shared.errors import DeviceMissingError
from shared.interface import VARIANTS, Trace
from shared.parity import recipes, samples
from shared.parity.collect.arrays import under
from shared.parity.collect.edges import edges
from shared.parity.collect.methods import methods
from shared.parity.collect.passes import passes, sample_batch
from shared.parity.collect.plan import Plan
from shared.parity.collect.subject import Subject
from shared.parity.collect.trainers import trainers, tried
from shared.parity.collect.trainings import Trainings
from shared.parity.collect.variants import variants
from shared.parity.evidence import Arrays, CaseEvidence, digest
from shared.parity.samples import BATCHES


def begin(backend: str, device: str, precision: str) -> dict[str, str]:
    """In a worker: set the arithmetic, see that the device is there, and tell the versions.

    Raises:
        DeviceMissingError: the backend does not have the device.
    """
    loaded = registry.load(backend)
    if precision == "highest":
        loaded.use_highest_precision()
    if device not in loaded.devices():
        raise DeviceMissingError(
            f"{backend} finds no {device} device on this machine; use the device cpu, "
            f"or leave {backend} out with --backends"
        )
    return loaded.versions()


def collect(backend: str, plan: Plan) -> CaseEvidence:
    """A backend's evidence of a case.

    Raises:
        ConfigurationError: the backend does not compute in a dtype.
    """
    with warnings.catch_warnings():
        # Keras warns of a single step to attend to, which is what a case is of.
        warnings.filterwarnings("ignore", "You are using a softmax over axis")
        subject = Subject(backend, plan)
        trainings = Trainings(subject)
        arrays = {dtype: _arrays(subject, trainings, dtype) for dtype in plan.dtypes}
    return CaseEvidence(
        backend,
        plan.case.label,
        {dtype: subject.models[dtype].table() for dtype in plan.dtypes},
        arrays,
        plan.asked,
        subject.probes[plan.dtypes[0]].dropouts(),
        registry.load(backend).unbiased_variance,
    )


def trace(backend: str, plan: Plan) -> Trace:
    """What runs, operation by operation, in a case's network: shapes and lines, no values."""
    dtype = plan.dtypes[0]
    subject = Subject(backend, replace(plan, dtypes=(dtype,)))
    return subject.probes[dtype].trace(sample_batch(plan.case, recipes.BATCH, dtype))


def _arrays(subject: Subject, trainings: Trainings, dtype: str) -> Arrays:
    """A dtype's arrays."""
    model, plan = subject.models[dtype], subject.plan
    model.load_weights(samples.odd_weights(model.table(), dtype, recipes.SEED))
    arrays = under("exchange", {n: digest(array) for n, array in model.weights().items()})
    model.load_weights(samples.sample_weights(model.table(), "float32", recipes.SEED))
    arrays |= under("weights", model.weights())
    for batch in BATCHES:
        arrays |= under(f"forward/{batch}", model(sample_batch(plan.case, batch, dtype)))
    arrays |= passes(subject.probes[dtype], plan, dtype)
    arrays |= under("methods", methods(subject, dtype))
    arrays |= under("edges", edges(subject, dtype))
    if plan.batches:
        arrays |= trainings.train(dtype)
    for recipe in recipes.resumed(plan.asked):
        arrays |= under(f"resume/{recipe}", trainings.resume(dtype, recipe))
    for variant in VARIANTS if plan.both_variants else ():
        arrays |= under(f"variants/{variant}", trainers(subject, variant, dtype))
    if plan.passes:
        arrays |= under("variants", variants(subject, dtype, arrays))
    for variant in VARIANTS if plan.combinations else ():
        arrays |= under(f"combinations/{variant}", tried(subject, variant, dtype))
    return arrays
