"""The tuned variants by themselves: what they rewrite, and that it gives the same numbers.

That whole networks are the same in both variants is the ladder's rung `variants`.
"""

import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import ConfigurationError
from shared.parity import collect, judge, recipes
from shared.registry import load
from shared.specs import SPECS, find
from tests.assertions import close, sentence
from tests.conftest import Lend
from tests.flavours import exhaustive

# Height, width, channels, filters, kernel, stride, padding, zeros between the pixels.
CONVOLUTIONS = [
    (7, 10, 32, 64, 3, 1, 1, 1),
    (8, 8, 64, 64, 3, 1, 1, 1),
    (9, 6, 64, 64, 3, 1, 0, 1),
    (12, 9, 128, 128, 3, 1, 1, 1),
    (14, 14, 64, 64, 3, 1, 2, 1),
    (8, 9, 64, 33, 1, 1, 0, 1),
    (8, 9, 64, 32, 1, 2, 0, 1),
    (7, 10, 64, 64, 3, 2, 1, 1),
    (9, 6, 64, 64, 5, 1, 2, 1),
    (5, 6, 64, 32, 2, 1, 1, 2),
    (5, 6, 64, 32, 3, 1, 2, 2),
    (4, 4, 64, 32, 2, 1, 1, 3),
    (7, 7, 1, 4, 3, 1, 1, 1),
]
POOLS: list[tuple[int, int, int, int, Any]] = [
    (8, 8, 2, 2, "VALID"),
    (9, 7, 2, 2, "VALID"),
    (7, 9, 3, 1, "SAME"),
    (9, 8, 3, 2, "SAME"),
    (8, 9, 3, 2, ((0, 0), (1, 0), (0, 1), (0, 0))),
    (9, 9, 2, 3, "VALID"),
]


def convolved(shape: tuple[int, ...], batch: int) -> dict[str, Any]:  # in a worker
    """A convolution and its gradients, stock and tuned, and which primitives each has."""
    import jax
    from jax import lax

    from flax_impl.engine.tuning import tuned

    height, width, channels, filters, size, stride, pad, spread = shape
    random = np.random.default_rng(0)
    with jax.enable_x64(True):
        x = random.normal(size=(batch, height, width, channels))
        kernel = random.normal(size=(size, size, channels, filters))

        def convolve(x: Any, kernel: Any) -> Any:
            return lax.conv_general_dilated(
                x,
                kernel,
                (stride, stride),
                ((pad, pad), (pad, pad)),
                lhs_dilation=(spread, spread),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )

        g = random.normal(size=jax.eval_shape(convolve, x, kernel).shape)

        def whole(x: Any, kernel: Any, g: Any) -> Any:
            output, back = jax.vjp(convolve, x, kernel)
            return (output, *back(g))

        return {
            "stock": [np.asarray(a) for a in jax.jit(whole)(x, kernel, g)],
            "tuned": [np.asarray(a) for a in jax.jit(tuned(whole))(x, kernel, g)],
            "left": str(jax.make_jaxpr(tuned(whole))(x, kernel, g)).count("conv_general_dilated"),
        }


@pytest.mark.parametrize("batch", [1, 4, 7])
@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=str)
def test_a_tuned_convolution_gives_the_same(lend: Lend, shape: tuple[int, ...], batch: int) -> None:
    measured = lend("flax").call(convolved, shape, batch)
    assert len(measured["tuned"]) == 3
    for stock, tuned in zip(measured["stock"], measured["tuned"], strict=True):
        assert close(tuned, stock, 1e-13)


def convolved_in_pieces(shape: tuple[int, ...], batch: int) -> dict[str, Any]:  # in a worker
    """As `convolved`, with room for three images of 8x8 with 64 channels in a piece."""
    from flax_impl.engine import tuning

    before = tuning.TRANSFORMED, tuning.IN_COLUMNS
    tuning.TRANSFORMED, tuning.IN_COLUMNS = (3 * 4 * 64 * 128 * 8, 3 * 64 * 3 * 64 * 8)
    try:
        return convolved(shape, batch)
    finally:
        tuning.TRANSFORMED, tuning.IN_COLUMNS = before


@pytest.mark.parametrize("batch", [2, 6, 7, 8])
@pytest.mark.parametrize("shape", [(8, 8, 64, 64, 3, 1, 1, 1), (9, 9, 128, 128, 3, 1, 1, 1)])
def test_a_batch_in_pieces_gives_the_same(lend: Lend, shape: tuple[int, ...], batch: int) -> None:
    measured = lend("flax").call(convolved_in_pieces, shape, batch)
    assert measured["left"] == 0
    for stock, tuned in zip(measured["stock"], measured["tuned"], strict=True):
        assert close(tuned, stock, 1e-13)


def scratch(batch: int) -> int:  # in a worker
    """The bytes that a convolution and its gradients need beside arguments and results."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    from flax_impl.engine.tuning import tuned

    x, kernel = jnp.zeros((batch, 32, 32, 64)), jnp.zeros((3, 3, 64, 64))

    def convolve(x: Any, kernel: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

    def whole(x: Any, kernel: Any, g: Any) -> Any:
        output, back = jax.vjp(convolve, x, kernel)
        return (output, *back(g))

    analysis: Any = jax.jit(tuned(whole)).lower(x, kernel, x).compile().memory_analysis()
    return analysis.temp_size_in_bytes


def test_the_copies_of_a_convolution_do_not_grow_with_its_batch(lend: Lend) -> None:
    pixels = 32 * 32 * 64 * 4  # of an image
    small, large = (lend("flax").call(scratch, batch) for batch in (64, 128))
    assert large - small < 3 * 64 * pixels  # not Winograd's sixteen for each four


def resident() -> int:  # in a worker
    """The bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def returned() -> tuple[int, int, int]:  # in a worker
    """Memory with 200 MB in use; with them free; and after a compilation of two seconds."""
    import jax

    from flax_impl.engine.compiling import give_memory_back

    give_memory_back()
    arrays = [np.ones(50_000, np.uint8) for _ in range(4_000)]
    used = resident()
    del arrays[:-1]  # the last is above them all: the C library does not give back by itself
    freed = resident()
    jax.monitoring.record_event_duration_secs("/jax/core/compile/backend_compile_duration", 2)
    return used, freed, resident()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the C libraries, glibc's way")
def test_what_the_compiler_freed_is_given_back(lend: Lend) -> None:
    used, freed, after = lend("flax").call(returned)
    assert used - freed < 50_000_000
    assert used - after > 150_000_000


def test_large_convolutions_are_rewritten_and_small_ones_are_not(lend: Lend) -> None:
    worker = lend("flax")
    assert worker.call(convolved, (8, 8, 64, 64, 3, 1, 1, 1), 4)["left"] == 0
    assert worker.call(convolved, (7, 7, 1, 4, 3, 1, 1, 1), 4)["left"] == 3


def pooled(shape: tuple[Any, ...]) -> dict[str, Any]:  # in a worker
    """Max-pooling of pixels of which many are the same, and its gradient, stock and tuned."""
    import jax
    from jax import lax

    from flax_impl.engine.tuning import tuned

    height, width, size, stride, padding = shape
    random = np.random.default_rng(0)
    with jax.enable_x64(True):
        x = np.round(random.normal(size=(3, height, width, 5)))

        def pool(x: Any) -> Any:
            window, strides = (1, size, size, 1), (1, stride, stride, 1)
            return lax.reduce_window(x, -np.inf, lax.max, window, strides, padding)

        g = random.normal(size=jax.eval_shape(pool, x).shape)

        def whole(x: Any, g: Any) -> Any:
            return jax.vjp(pool, x)[1](g)[0]

        return {
            "stock": np.asarray(jax.jit(whole)(x, g)),
            "tuned": np.asarray(jax.jit(tuned(whole))(x, g)),
            "left": str(jax.make_jaxpr(tuned(whole))(x, g)).count("select_and_scatter"),
        }


@pytest.mark.parametrize("shape", POOLS, ids=str)
def test_the_gradient_of_pooling_goes_to_the_first_of_equal_pixels(
    lend: Lend, shape: tuple[Any, ...]
) -> None:
    measured = lend("flax").call(pooled, shape)
    assert measured["left"] == 0
    assert np.any(measured["stock"])
    assert close(measured["tuned"], measured["stock"], 1e-15)


def rewritten(batch: int, purpose: str) -> bool:  # in a worker
    """Whether a convolution of images 14x14 is computed by other means."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    from flax_impl.engine.tuning import tuned

    x, kernel = jnp.zeros((batch, 14, 14, 64)), jnp.zeros((3, 3, 64, 64))

    def convolve(x: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

    return "conv_general_dilated" not in str(jax.make_jaxpr(tuned(convolve, purpose))(x))


def test_one_image_alone_is_convolved_as_it_is(lend: Lend) -> None:
    """To transform the kernel takes as long for one image as for many."""
    worker = lend("flax")
    assert not worker.call(rewritten, 1, "inference")
    assert worker.call(rewritten, 64, "inference")
    assert worker.call(rewritten, 1, "training")


def nested() -> tuple[np.ndarray, np.ndarray, int]:  # in a worker
    """A function of a user's: a loop, a condition, a compiled part, a derivative of its own."""
    import jax
    import jax.numpy as jnp
    from jax import lax, nn

    from flax_impl.engine.tuning import tuned

    random = np.random.default_rng(0)
    kernel = jnp.asarray(random.normal(size=(3, 3, 64, 64)).astype(np.float32) / 24)
    x = random.normal(size=(2, 8, 8, 64)).astype(np.float32)

    @jax.jit
    def convolve(x: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

    def own(x: Any, *, scale: Any) -> dict[str, Any]:
        x, _ = lax.scan(lambda x, _: (nn.relu(convolve(x)), None), x, None, length=2)
        x = lax.cond(x.sum() > 0, convolve, lambda x: -convolve(x), x)
        return {"sum": scale * jnp.square(x).mean(), "x": x}

    def gradient(x: Any) -> Any:
        return jax.grad(lambda x: own(x, scale=2.0)["sum"])(x)

    left = str(jax.make_jaxpr(tuned(gradient))(x)).count("conv_general_dilated")
    return np.asarray(gradient(x)), np.asarray(jax.jit(tuned(gradient))(x)), left


def test_any_function_can_be_tuned(lend: Lend) -> None:
    stock, tuned, left = lend("flax").call(nested)
    assert left == 0
    assert close(tuned, stock, 1e-5)


def recorded(name: str, train: bool) -> tuple[list[str], bool, bool]:  # in a worker
    """What a tuned module calls in order, and whether its parameters and mode are the module's."""
    from torch_impl.engine.tuning import tuned

    model: Any = load("torch").build(SPECS[name].network, variant="idiomatic")
    module = model.native.train(train)
    traced: Any = tuned(module)
    calls = [str(node) for node in traced.graph.nodes] if hasattr(traced, "graph") else []
    same = {id(p) for p in traced.parameters()} == {id(p) for p in module.parameters()}
    return calls, same, module.training is train


def test_torch_pools_before_relu(lend: Lend) -> None:
    calls, same, mode = lend("torch").call(recorded, "mnist_classifier", True)
    assert calls[1:7] == [f"features_{index}" for index in (0, 2, 1, 3, 5, 4)]
    assert same
    assert mode


@pytest.mark.parametrize("name", ["seq2seq", "row_gru", "early_exit_net"])
def test_torch_leaves_what_cannot_be_recorded(lend: Lend, name: str) -> None:
    calls, same, mode = lend("torch").call(recorded, name, False)
    assert not calls
    assert same
    assert mode


def memory_order(variant: str) -> tuple[bool, bool]:  # in a worker
    """Whether the first convolution's output has its channels first in memory, or last."""
    import torch

    model: Any = load("torch").build(SPECS["mnist_classifier"].network, variant=variant)
    convolution = model.still.base_model.get_submodule("features.0")
    output = convolution(*model.inputs({"image": np.zeros((2, 28, 28, 1), np.float32)}))
    return output.is_contiguous(), output.is_contiguous(memory_format=torch.channels_last)


def test_torch_has_channels_last_in_the_tuned_variant_alone(lend: Lend) -> None:
    """Pictures of one channel have both orders at once, and convolutions go by their strides."""
    assert lend("torch").call(memory_order, "idiomatic") == (True, False)
    assert lend("torch").call(memory_order, "tuned") == (False, True)


def keras_pools(name: str, image: tuple[int, ...], ties: bool) -> Any:  # in a worker
    """What ReLUs and max-poolings take in the tuned graph; and both variants' outputs."""
    import keras

    from keras_impl.engine.tuning import tuned

    backend = load("keras")
    outputs = {}
    inputs = {"image": np.random.default_rng(0).normal(size=image).astype(np.float32)}
    if ties:
        inputs["image"] = np.sign(inputs["image"])
    models: dict[str, Any] = {
        variant: backend.build(SPECS[name].network, variant=variant, dtype="float32")
        for variant in ("idiomatic", "tuned")
    }
    for variant, model in models.items():
        outputs[variant] = next(iter(model(inputs).values()))
    native = models["tuned"].native
    still: Any = tuned(lambda x: native(x, training=False))
    graph = still.get_concrete_function(keras.ops.convert_to_tensor(inputs["image"]))
    kinds = [op.inputs[0].op.type for op in graph.graph.get_operations() if op.type == "MaxPool"]
    return kinds, outputs


def test_keras_pools_before_relu(lend: Lend) -> None:
    kinds, outputs = lend("keras").call(keras_pools, "mnist_classifier", (3, 28, 28, 1), True)
    assert len(kinds) == 2
    assert "Relu" not in kinds
    assert close(outputs["tuned"], outputs["idiomatic"], 1e-6)


def max_pooled(x: np.ndarray) -> list[np.ndarray]:  # in a worker
    """Pooling outside a tuned function, after one was recorded: TensorFlow's own."""
    import keras
    import tensorflow as tf

    from keras_impl.engine.tuning import tuned

    plain = tf.nn.max_pool

    def pool(x: Any) -> Any:
        return keras.ops.max_pool(keras.ops.relu(x), 2)

    def fail(x: Any) -> Any:
        raise ValueError(f"no function of {x}")

    recorded = tuned(pool)(tf.constant(x))
    with pytest.raises(ValueError, match="no function"):
        tuned(fail)(tf.constant(x))
    assert tf.nn.max_pool is plain
    return [np.asarray(recorded), np.asarray(pool(tf.constant(x)))]


def test_keras_pools_as_ever_outside_a_tuned_function(lend: Lend) -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3))
    actual, expected = lend("keras").call(max_pooled, x)
    np.testing.assert_array_equal(actual, expected)


def build(backend: str, variant: str) -> str:  # in a worker
    return load(backend).build(SPECS["basic_net"].network, variant=variant).variant


def test_tuned_is_the_default_and_another_variant_is_refused(lend: Lend, flavour: str) -> None:
    worker = lend(flavour)
    assert worker.call(build, worker.backend, "idiomatic") == "idiomatic"
    message = sentence(worker, ConfigurationError, build, worker.backend, "fast")
    assert message == "variant must be idiomatic or tuned, not 'fast'"


def steps_of_both_variants(backend: str, name: str) -> judge.Result:  # in a worker
    spec = find(name)
    case = recipes.trained_case(spec)
    assert case is not None
    whole = collect.plan(spec, case, ["float64"])
    plan = replace(whole, batches=whole.batches[:1], steps=1, recipes=(), combinations=())
    return judge.variants(collect.collect(backend, plan), "float64")


@pytest.mark.parametrize(
    "name", ["mnist_classifier", pytest.param("simple_resnet", marks=exhaustive)]
)
@pytest.mark.parametrize("backend", ["torch", "flax", "keras"])
def test_steps_are_the_same_where_gradients_are_nearly_0(
    lend: Lend, backend: str, name: str
) -> None:
    result = lend(backend).call(steps_of_both_variants, backend, name)
    assert result.status == "passed", result.detail
