"""What a network has beside its pass forward: complete and right in every flavour."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import registry, specs
from shared.differences import unequal
from shared.interface import Methods, Model
from shared.parity import collect, judge, recipes, samples
from shared.parity.evidence import CaseEvidence
from shared.parity.expected import absent
from shared.workers import Worker

DTYPE = "float32"
PLACES = [
    ("mnist_classifier", "4x196 image"),
    ("inference_model", "around simple_resnet, 4x196 image"),
    ("seq2seq", "12 columns of 5 rows, 3 classes, 1 layer"),
    ("unet", "up 6 to 4"),
]
CLASSIFIER = PLACES[0]


def plan_of(place: tuple[str, str]) -> collect.Plan:
    """A plan without trainings, and so without much to compile."""
    spec = specs.find(place[0])
    case = next(case for case in spec.cases if case.label == place[1])
    return collect.plan(spec, case, [DTYPE], trainings=False, variants=False)


def gather(backend: str, plan: collect.Plan) -> CaseEvidence:  # in a worker
    return collect.collect(backend, plan)


def of(backend: str, place: tuple[str, str]) -> tuple[Model, Methods, dict[str, np.ndarray]]:
    """A model with sample weights, what calls its methods, and inputs for it."""
    case, loaded = plan_of(place).case, registry.load(backend)
    model = loaded.build(case.network, dtype=DTYPE, variant="idiomatic")
    model.load_weights(samples.sample_weights(model.table(), DTYPE, recipes.SEED))
    return model, loaded.probe(model).methods(), collect.sample_batch(case, 2, DTYPE)


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_every_flavours_methods_are_complete_and_right(
    worker: Worker, place: tuple[str, str]
) -> None:
    plan = plan_of(place)
    evidence = worker.call(gather, worker.backend, plan)
    spec = specs.find(place[0])
    assert "methods" not in absent(spec, plan.case, plan.asked, evidence, DTYPE)
    parts = dict(judge.methods(plan.case.network, plan.asked, evidence, DTYPE))
    assert parts
    assert {name: r.detail for name, r in parts.items() if r.status != "passed"} == {}


def gradients(backend: str, place: tuple[str, str]) -> dict[str, float]:  # in a worker
    """The largest gradient that passes the features, stopped and not."""
    _, methods, inputs = of(backend, place)
    return {name: methods.passes(name, inputs) for name in ("extract_features", "flat_features")}


def test_a_gradient_that_passes_is_seen(worker: Worker) -> None:
    sizes = worker.call(gradients, worker.backend, CLASSIFIER)
    assert sizes["extract_features"] == 0
    assert sizes["flat_features"] > 1e-3


def copies(backend: str, place: tuple[str, str], folder: Path) -> list[Any]:  # in a worker
    """Weights of a network, of another before and after they are handed over, and after a change.

    And its own after all that.
    """
    model, methods, _ = of(backend, place)
    own, other = model.weights(), methods.again()
    before = other.weights()
    methods.hand_over(other, folder)
    after = other.weights()
    other.load_weights({name: array + 1 for name, array in after.items()})
    whole = methods.whole(folder)
    return [own, before, after, model.weights(), whole and whole.weights()]


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_the_network_made_again_shares_nothing(
    worker: Worker, place: tuple[str, str], tmp_path: Path
) -> None:
    """Were its weights those of the first, any file would give them back."""
    own, before, after, later, whole = worker.call(copies, worker.backend, place, tmp_path)
    assert len(unequal(own, before)) == len(own)
    assert not unequal(own, after)
    assert not unequal(own, later)
    assert (whole is not None) is (worker.backend == "keras")
    assert whole is None or not unequal(own, whole)
