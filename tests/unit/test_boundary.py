"""What is checked at the boundary of every panel, and what its outputs are called."""

from typing import Any

import numpy as np
import pytest

from shared.boundary import (
    by_name,
    check_build,
    check_decodes,
    check_inputs,
    check_proved,
    kept,
    seen_outputs,
)
from shared.errors import ConfigurationError, InputError
from shared.interface import DEVICES, DTYPES, PROVED, VARIANTS
from shared.parity.samples import sample_inputs
from shared.specs import SPECS, Tensor
from tests.backends.small_networks import BRANCHING, MIMO, SEQ2SEQ, wrong_inputs

Arrays = dict[str, np.ndarray]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_names_that_exist_are_taken(dtype: str, device: str, variant: str) -> None:
    check_build(dtype, device, variant)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("float16", "cpu"), "dtype must be float32, float64 or bfloat16, not 'float16'"),
        (("float32", "tpu"), "device must be cpu or cuda, not 'tpu'"),
        (
            ("float32", "gpu"),
            "device must be cpu or cuda, not 'gpu'; a GPU is called cuda here",
        ),
        (("float32", "cpu", "fast"), "variant must be idiomatic or tuned, not 'fast'"),
    ],
)
def test_names_that_do_not_exist_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_build(*names)
    assert str(caught.value) == message


def test_what_is_computed_in_bfloat16_is_kept_in_float32() -> None:
    assert [kept(dtype) for dtype in ("float32", "float64", "bfloat16")] == [
        "float32",
        "float64",
        "float32",
    ]


def test_bfloat16_proves_nothing() -> None:
    for dtype in PROVED:
        check_proved(dtype)
    with pytest.raises(ConfigurationError, match="in float32 or float64, not in bfloat16"):
        check_proved("bfloat16")


@pytest.mark.parametrize(("inputs", "message"), list(wrong_inputs()))
def test_inputs_that_do_not_fit_are_refused(inputs: Arrays, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_inputs(MIMO, inputs, "float32")
    assert str(caught.value) == message


def test_images_of_any_size_have_four_axes() -> None:
    image = np.zeros((2, 5, 17, 1), np.float32)
    (checked,) = check_inputs(BRANCHING, {"image": image}, "float32")
    assert checked is image
    with pytest.raises(InputError) as caught:
        check_inputs(BRANCHING, {"image": image[0]}, "float32")
    assert str(caught.value) == "input 'image' must have shape (batch, H, W, 1), not (5, 17, 1)"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("tokens", lambda tokens: tokens + 100, "input 'tokens' must be in [0, "),
        ("tokens", lambda tokens: tokens - 100, "input 'tokens' must be in [0, "),
        ("tokens", lambda tokens: tokens.astype("float32"), "must be integers, not float32"),
        ("columns", lambda columns: columns.astype("int64"), "must be floating point, not int64"),
    ],
)
def test_values_that_do_not_fit_are_refused(name: str, change: Any, message: str) -> None:
    inputs = sample_inputs(SEQ2SEQ, 2, "float32")
    with pytest.raises(InputError) as caught:
        check_inputs(SEQ2SEQ, {**inputs, name: change(inputs[name])}, "float32")
    assert message in str(caught.value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_come_in_the_networks_order_and_in_the_dtype_that_is_kept(dtype: str) -> None:
    inputs = sample_inputs(MIMO, 3, "float64")
    arrays = check_inputs(MIMO, dict(reversed(inputs.items())), dtype)
    for array, name in zip(arrays, MIMO.inputs, strict=True):
        assert array.dtype == kept(dtype)
        np.testing.assert_array_equal(array, inputs[name].astype(kept(dtype)))
    tokens = sample_inputs(SEQ2SEQ, 2, "float32")
    assert [str(array.dtype) for array in check_inputs(SEQ2SEQ, tokens, dtype)] == [
        kept(dtype) if tensor.dtype == "float" else tensor.dtype
        for tensor in SEQ2SEQ.inputs.values()
    ]


def test_who_decodes_is_not_told_the_tokens() -> None:
    class Decodes:
        def decode(self) -> None:
            """What a network has that writes sequences."""

    assert [*check_decodes(SEQ2SEQ, Decodes()).inputs, "tokens"] == [*SEQ2SEQ.inputs]
    with pytest.raises(ConfigurationError, match="MIMONet writes no sequences: it has no method"):
        check_decodes(MIMO, object())


def test_outputs_get_the_names_of_the_spec() -> None:
    names = SPECS["mimo_net"].network.outputs
    first, second = names
    for outputs in ((1, 2), [1, 2], {second: 2, first: 1}):
        assert list(by_name(names, outputs).items()) == [(first, 1), (second, 2)]
    assert by_name(["logits"], 7) == {"logits": 7}
    with pytest.raises(ValueError, match="shorter"):
        by_name(names, (1,))


def test_outputs_of_somebodys_model_are_seen() -> None:
    image, rows = np.zeros((2, 4, 6, 3)), np.zeros((2, 5), np.int64)
    assert seen_outputs(rows > 0) == {"output": Tensor("D", (5,), "bool")}
    assert seen_outputs((image, rows)) == {
        "output": Tensor("HWC", (4, 6, 3), "float"),
        "output1": Tensor("D", (5,), "int32"),
    }
    assert seen_outputs({"mask": image}, image=False) == {"mask": Tensor("TSD", (4, 6, 3), "float")}
    with pytest.raises(ConfigurationError, match="its output1 is of type str"):
        seen_outputs([image, "text"])
    with pytest.raises(ConfigurationError, match="each with a batch axis; its output is of type"):
        seen_outputs(np.array(1.0))
