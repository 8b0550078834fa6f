"""The recorded operations: against PyTorch's, XLA's and TensorFlow's own, and worked out by hand.

PyTorch counts products of matrices and convolutions by their shapes, as `Operations` does: the
numbers must be equal. XLA and TensorFlow count much else too, and XLA leaves out the products with
the zeros of a padding: they must be near.
"""

from dataclasses import asdict, replace

import numpy as np
import pytest

from shared.parity.recipes import sample_targets
from shared.parity.samples import sample_inputs
from shared.specs import SPECS, Network, Operations, Spec, Task
from tests.conftest import Native

BATCH = 2
NEAR = 0.15
# A perceptron, convolutions, transposed convolutions, attention. Where there is a loop, as in
# RowGRU, both compilers count its body once, however often it runs.
COMPILED = ("basic_net", "mnist_classifier", "unet", "seq2seq")


def stays(network: Network) -> Network:
    """The network; one that may leave early never does."""
    if network.cls != "EarlyExitNet":
        return network
    return replace(network, config={**network.config, "threshold": 0.999})


def batch_of(network: Network, task: Task | None) -> dict[str, np.ndarray]:
    """Random inputs, and targets if the network is trained."""
    targets = sample_targets(network, task, BATCH) if task else {}
    return {**sample_inputs(network, BATCH, "float32"), **targets}


# --- what the frameworks count ----------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["torch"])
@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in SPECS.items()])
def test_operations_are_pytorchs(native: Native, spec: Spec) -> None:
    network, task = stays(spec.network), spec.task
    # What has no task, the frozen wrapper, is not trained.
    counted = {"training": 0, **native("flops", network, task, batch_of(network, task))}
    assert {name: number / BATCH for name, number in counted.items()} == asdict(spec.operations)
    assert spec.operations.forward > 0
    assert (spec.operations.training > 2 * spec.operations.forward) is (task is not None)


@pytest.mark.parametrize("flavour", ["flax", "keras"])
@pytest.mark.parametrize("name", COMPILED)
def test_operations_are_near_the_compilers(native: Native, name: str) -> None:
    network, task = SPECS[name].network, SPECS[name].require_task()
    counted = native("flops", network, task, batch_of(network, task))
    per_example = {name: number / BATCH for name, number in counted.items()}
    assert per_example == pytest.approx(asdict(SPECS[name].operations), rel=NEAR)


# --- worked out by hand -----------------------------------------------------------------------


def test_perceptron() -> None:
    # 784 x 128, 128 x 64 and 64 x 10 multiply-adds. By its inputs the first layer has no gradient.
    operations = Operations(2 * (100_352 + 8_192 + 640), 2 * (2 * 100_352 + 3 * (8_192 + 640)))
    assert SPECS["basic_net"].operations == SPECS["sequential_net"].operations == operations


def test_convolutions() -> None:
    # 28 x 28 pixels of 9 x 1 x 32 and 14 x 14 of 9 x 32 x 64 multiply-adds, 3136 x 128, 128 x 10.
    assert SPECS["mnist_classifier"].operations == Operations(
        2 * (225_792 + 3_612_672 + 401_408 + 1_280),
        2 * (2 * 225_792 + 3 * (3_612_672 + 401_408 + 1_280)),
    )


def test_state_before_the_first_row_has_no_gradient() -> None:
    # 28 rows of 28 inputs and 64 states to 3 x 64 gates, 64 x 10.
    gates, states, fc = 28 * 28 * 192, 64 * 192, 640
    assert SPECS["row_gru"].operations == Operations(
        2 * (gates + 28 * states + fc),
        2 * (2 * gates + 27 * 3 * states + 2 * states + 3 * fc),
    )


def test_early_exit_counts_both_stages() -> None:
    first_stage = 784 * 9 * 16 + 196 * 9 * 16 * 32 + 1568 * 10
    second_stage = 49 * 9 * (32 * 64 + 64 * 64) + 64 * 10
    assert SPECS["early_exit_net"].operations.forward == 2 * (first_stage + second_stage)


def test_wrapper_is_its_base_and_is_not_trained() -> None:
    base = SPECS["mnist_classifier"].operations
    assert SPECS["inference_model"].operations == Operations(base.forward, training=0)
