"""The judge's own mutations: evidence that lacks something, or holds something that it cannot hold.

They change what one backend recorded, or what all did, in every dtype, before it is judged; so they
need no process. What is absent everywhere differs nowhere: the ladder must say that it is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from shared.parity.evidence import CaseEvidence
from tests.across.mutations.mutation import PERCEPTRON, RESIDUAL, TRAINERS, Mutation, Where

Change = Callable[[np.ndarray], np.ndarray]


def _without(evidence: CaseEvidence, *starts: str) -> CaseEvidence:
    """Evidence without the arrays whose names begin so."""
    arrays = {
        dtype: {name: array for name, array in of.items() if not name.startswith(starts)}
        for dtype, of in evidence.arrays.items()
    }
    return replace(evidence, arrays=arrays)


def _with(evidence: CaseEvidence, start: str, change: Change) -> CaseEvidence:
    """Evidence with a change in the arrays whose names begin so."""
    arrays = {
        dtype: {name: change(a) if name.startswith(start) else a for name, a in of.items()}
        for dtype, of in evidence.arrays.items()
    }
    return replace(evidence, arrays=arrays)


def _renamed(evidence: CaseEvidence, old: str, new: str) -> CaseEvidence:
    """Evidence with another name for an array."""
    arrays = {
        dtype: {new if name == old else name: array for name, array in of.items()}
        for dtype, of in evidence.arrays.items()
    }
    return replace(evidence, arrays=arrays)


def _nan(array: np.ndarray) -> np.ndarray:
    return np.full_like(array, np.nan)


def _single(array: np.ndarray) -> np.ndarray:
    """Another dtype than it is of."""
    return array.astype(np.float16)


def no_output(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "forward/7/logits")


def no_outputs_of_one_example(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "forward/1/")


def no_layer(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "training/fc2:out")


def no_layers(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "training/", "evaluation/")


def no_inputs(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "inputs/")


def no_targets(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "targets/")


def no_weights(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "weights/")


def no_exchange(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "exchange/")


def no_loss(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "loss/")


def no_gradient(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "gradients/fc2.bias")


def no_gradients(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "gradients/")


def no_gradient_of_an_input(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "input gradients/")


def no_statistics(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "buffers/")


def no_dropout(evidence: CaseEvidence) -> CaseEvidence:
    return replace(_without(evidence, "own dropout/", "dropout "), dropouts={})


def no_dropout_of_its_own(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "own dropout/")


def no_edges(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "edges/")


def no_digest_of_what_was_lent(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "edges/lent/after/")


def no_methods(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "methods/")


def no_prediction(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "methods/predict/classes")


def no_first_step(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "first/")


def no_steps(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "steps/")


def a_step_fewer(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "steps/", lambda array: array[:-1])


def no_tuned_variant(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "variants/tuned/")


def no_step_of_a_trainer(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "variants/idiomatic/adam/1/")


def no_evaluation(evidence: CaseEvidence) -> CaseEvidence:
    return _without(evidence, "variants/idiomatic/adam/after/")


def gradient_renamed(evidence: CaseEvidence) -> CaseEvidence:
    return _renamed(evidence, "gradients/fc1.weight", "gradients/fc1.kernel")


def gradient_in_another_shape(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "gradients/fc1.bias", lambda array: array[None])


def gradients_not_numbers(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "gradients/", _nan)


def layers_not_numbers(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "training/fc1:out", _nan)


def loss_not_a_number(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "loss/", _nan)


def outputs_not_numbers(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "forward/", _nan)


def dropout_not_a_number(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "own dropout/", _nan)


def outputs_in_another_dtype(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "forward/", _single)


def layers_in_another_dtype(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "training/fc", _single)


def weights_of_zeros(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "weights/", np.zeros_like)


def gradients_of_zeros(evidence: CaseEvidence) -> CaseEvidence:
    return _with(evidence, "gradients/", np.zeros_like)


def a_tensor_fewer(evidence: CaseEvidence) -> CaseEvidence:
    return replace(evidence, tables={dtype: rows[:-1] for dtype, rows in evidence.tables.items()})


def no_tensors(evidence: CaseEvidence) -> CaseEvidence:
    return replace(evidence, tables={dtype: [] for dtype in evidence.tables})


ALL: Where = "all"


def _of(name: str, says: str, backend: Where, rung: str, *more: str) -> Mutation:
    place = RESIDUAL if "statistics" in name else PERCEPTRON
    layer, cause, recipe = (*more, "", "", "")[:3]
    return Mutation(name, says, backend, place, rung, layer, cause, recipe, evidence=True)


OF_EVIDENCE: tuple[Mutation, ...] = (
    _of("no_output", "the evidence has no outputs of seven examples", "torch", "outputs"),
    _of("no_outputs_of_one_example", "no evidence has outputs of one example", ALL, "outputs"),
    _of("no_layer", "the evidence has no output of a layer", "flax", "activations"),
    _of("no_layers", "no evidence has what layers take and give", ALL, "activations"),
    _of("no_inputs", "no evidence has the inputs", ALL, "tensors"),
    _of("no_targets", "the evidence has no targets", "keras", "tensors"),
    _of("no_weights", "no evidence has the weights", ALL, "tensors"),
    _of("no_exchange", "the evidence has nothing of an exchange", "torch", "exchange"),
    _of("no_loss", "no evidence has a loss", ALL, "loss"),
    _of(
        "no_gradient",
        "the evidence has no gradient of a bias",
        "keras",
        "gradients",
        "fc2",
        "gradient stopped",
    ),
    _of("no_gradients", "no evidence has gradients", ALL, "gradients"),
    _of("no_gradient_of_an_input", "no evidence has gradients of inputs", ALL, "gradients"),
    _of("no_statistics", "no evidence has running statistics", ALL, "buffers"),
    _of("no_dropout", "no evidence has dropout layers", ALL, "dropout"),
    _of("no_dropout_of_its_own", "the evidence has nothing of its dropout", "torch", "dropout"),
    _of("no_edges", "no evidence has edges", ALL, "edges"),
    _of("no_digest_of_what_was_lent", "no evidence has digests of what was lent", ALL, "edges"),
    _of("no_methods", "the evidence has nothing of methods", "flax", "methods"),
    _of("no_prediction", "no evidence has a prediction", ALL, "methods"),
    _of("no_first_step", "no evidence has a first step", ALL, "optimizers", "", "", "momentum"),
    _of("no_steps", "the evidence has no steps", "torch", "optimizers", "", "", "momentum"),
    _of("a_step_fewer", "all evidence lacks the last step", ALL, "optimizers", "", "", "momentum"),
    _of("no_tuned_variant", "no evidence has a tuned variant", ALL, "trainers", "", "", TRAINERS),
    _of(
        "no_step_of_a_trainer",
        "no evidence has the second step of a trainer",
        ALL,
        "variants",
        "",
        "",
        TRAINERS,
    ),
    _of(
        "no_evaluation",
        "the evidence has no evaluation after a training",
        "keras",
        "trainers",
        "",
        "",
        TRAINERS,
    ),
    _of(
        "gradient_renamed",
        "a gradient has another name",
        "flax",
        "gradients",
        "fc1",
        "gradient stopped",
    ),
    _of(
        "gradient_in_another_shape",
        "a gradient has another shape",
        "keras",
        "gradients",
        "fc1",
        "shape",
    ),
    _of(
        "gradients_not_numbers", "all gradients are NaN", "torch", "gradients", "fc3", "not finite"
    ),
    _of("layers_not_numbers", "what a layer gives is NaN in all evidence", ALL, "activations"),
    _of("loss_not_a_number", "the loss is NaN in all evidence", ALL, "loss"),
    _of("outputs_not_numbers", "the outputs are NaN in all evidence", ALL, "forward"),
    _of("dropout_not_a_number", "the figures of dropout are NaN in all evidence", ALL, "dropout"),
    _of("outputs_in_another_dtype", "the outputs are float16", "flax", "outputs"),
    _of(
        "layers_in_another_dtype", "what layers give is float16 in all evidence", ALL, "activations"
    ),
    _of("weights_of_zeros", "the weights are zeros", "keras", "tensors", "fc1", "zeros"),
    _of("gradients_of_zeros", "all gradients are zeros in all evidence", ALL, "gradients"),
    _of("a_tensor_fewer", "no evidence has the last tensor", ALL, "counts"),
    _of("no_tensors", "no evidence has any tensor", ALL, "counts"),
)
"""All of them."""
