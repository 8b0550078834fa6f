"""The count of operations: against PyTorch's, XLA's and TensorFlow's own, and worked out by hand.

PyTorch counts products of matrices and convolutions by their shapes, as `shared.flops` does: the
numbers must be equal. XLA and TensorFlow count much else too, and XLA leaves out the products with
the zeros of a padding: they must be near.
"""

from dataclasses import replace

import numpy as np
import pytest

from shared.errors import ConfigurationError
from shared.flops import Flops, count
from shared.parity.arrays import sample_inputs
from shared.parity.recipes import sample_targets, task_of
from shared.specs import SPECS, Network, Task, Tensor, inference_model
from tests.conftest import Native

BATCH = 2
NEAR = 0.15
CASES = [
    pytest.param(case.network, task_of(spec, case), id=f"{spec.name}-{case.label}")
    for spec in SPECS.values()
    for case in spec.cases
]
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
@pytest.mark.parametrize(("network", "task"), CASES)
def test_count_is_pytorchs(native: Native, network: Network, task: Task | None) -> None:
    found = native("flops", stays(network), task, batch_of(network, task))
    flops = count(network)
    assert flops.forward > 0
    assert found["forward"] == BATCH * flops.forward
    # What has no task, the frozen wrapper, is not trained.
    assert found.get("training", 0) == BATCH * flops.training
    assert (flops.training > 2 * flops.forward) is (task is not None)


@pytest.mark.parametrize("flavour", ["flax", "keras"])
@pytest.mark.parametrize("name", COMPILED)
def test_count_is_near_the_compilers(native: Native, name: str) -> None:
    network, task = SPECS[name].network, SPECS[name].require_task()
    found = native("flops", network, task, batch_of(network, task))
    flops = count(network)
    assert found["forward"] / BATCH == pytest.approx(flops.forward, rel=NEAR)
    assert found["training"] / BATCH == pytest.approx(flops.training, rel=NEAR)


# --- worked out by hand -----------------------------------------------------------------------


def test_perceptron() -> None:
    # 784 x 128, 128 x 64 and 64 x 10 multiply-adds. By its inputs the first layer has no gradient.
    assert count(SPECS["basic_net"].network) == Flops(
        2 * (100_352 + 8_192 + 640), 2 * (2 * 100_352 + 3 * (8_192 + 640))
    )
    # 784 x 64, 64 x 32 and 32 x 10.
    narrow = SPECS["basic_net"].configured({"hidden_size": 64})
    assert count(narrow) == Flops(105_088, 214_912)
    assert count(SPECS["sequential_net"].configured({"hidden_size": 64})) == count(narrow)


def test_convolutions() -> None:
    # 28 x 28 pixels of 9 x 1 x 32 and 14 x 14 of 9 x 32 x 64 multiply-adds, 3136 x 128, 128 x 10.
    assert count(SPECS["mnist_classifier"].network) == Flops(
        2 * (225_792 + 3_612_672 + 401_408 + 1_280),
        2 * (2 * 225_792 + 3 * (3_612_672 + 401_408 + 1_280)),
    )


def test_stride_rounds_up_and_pooling_down() -> None:
    block = SPECS["simple_resnet"].cases[-1].network
    assert block.inputs["image"].shape == (7, 10, 3)
    # 4 x 5 pixels of two 3 x 3 kernels and a shortcut's 1 x 1, from 3 channels or 5 to 5.
    assert count(block).forward == 2 * 20 * (9 * 3 * 5 + 9 * 5 * 5 + 3 * 5)
    network = SPECS["inception_net"].make(width=2, num_classes=3, height=9, breadth=11)
    # 9 x 11, 4 x 5 and 2 x 2 pixels.
    first = 2 * 2 * 2 + 2 * (2 * 1) + 9 * 2 + 25 * 2
    second = 2 * 8 * 2 + 2 * (8 * 1) + 9 * 2 + 25 * 2
    assert count(network).forward == 2 * (99 * 9 * 2 + 20 * first + 4 * second + 8 * 3)


def test_canvas_of_twice_the_height_takes_twice_as_much() -> None:
    flops = count(SPECS["unet"].network)
    assert count(SPECS["unet"].make(height=128)) == flops * 2
    assert count(SPECS["unet"].make(breadth=32)) + count(SPECS["unet"].make(breadth=32)) == flops


def test_attention_counts_both_products() -> None:
    # 5 steps look at 7; four dense layers 12 x 12, two for the steps and two for what they look at.
    network = SPECS["seq2seq"].cases[2].network
    assert network.cls == "MultiHeadAttention"
    assert count(network).forward == 2 * (2 * 5 * 144 + 2 * 7 * 144 + 2 * 5 * 7 * 12)
    one_head = replace(network, config={**network.config, "num_heads": 1})
    assert count(one_head) == count(network)


def test_shorter_sequences_take_less() -> None:
    network = SPECS["seq2seq"].network
    shorter = {**network.inputs, "columns": Tensor("SD", (84, 28)), "tokens": Tensor("T", (3,))}
    assert count(replace(network, inputs=shorter)).forward < count(network).forward / 2


def test_state_before_the_first_row_has_no_gradient() -> None:
    # 28 rows of 28 inputs and 64 states to 3 x 64 gates, 64 x 10.
    gates, states, fc = 28 * 28 * 192, 64 * 192, 640
    assert count(SPECS["row_gru"].network) == Flops(
        2 * (gates + 28 * states + fc),
        2 * (2 * gates + 27 * 3 * states + 2 * states + 3 * fc),
    )


def test_early_exit_counts_both_stages_whatever_the_threshold() -> None:
    spec = SPECS["early_exit_net"]
    never, always = (count(spec.configured({"threshold": at})) for at in (0.999, 0.05))
    assert never == always == count(spec.network)
    first_stage = 784 * 9 * 16 + 196 * 9 * 16 * 32 + 1568 * 10
    second_stage = 49 * 9 * (32 * 64 + 64 * 64) + 64 * 10
    assert never.forward == 2 * (first_stage + second_stage)


def test_wrapper_is_its_base_and_is_not_trained() -> None:
    for base in (SPECS["mimo_net"].network, SPECS["unet"].network):
        assert count(inference_model(base)) == Flops(count(base).forward, 0)


@pytest.mark.parametrize(("file", "cls"), [("mlp", "WideNet"), ("", "UNet")])
def test_unknown_class_is_refused(file: str, cls: str) -> None:
    """Somebody's own UNet is unknown too: its file is none of ours."""
    own = Network(file, cls, {}, {}, {})
    with pytest.raises(ConfigurationError, match=f"operations of '{cls}'.*mlp.BasicNet"):
        count(own)
    with pytest.raises(ConfigurationError, match=f"operations of '{cls}'"):
        count(inference_model(own))
