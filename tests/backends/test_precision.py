"""bfloat16: what is computed in it, what stays float32, and how far it is from float32.

And float64: what TensorFlow would round in it.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from scipy import special

from shared import registry
from shared.differences import difference, most_by_rounding
from shared.errors import ConfigurationError
from shared.panels import PANELS
from shared.parity.recipes import trained_case
from shared.parity.samples import starting_weights
from shared.specs import DIGITS, SPECS, TRANSCRIPTION, Network, Settings, Task
from tests.assertions import sentence
from tests.backends.small_networks import batch, devices
from tests.conftest import Lend
from tests.flavours import ALL

Arrays = dict[str, np.ndarray]

MOST = most_by_rounding("bfloat16")
SMALL = SPECS["basic_net"].more_cases[0].network
SEQ2SEQ = SPECS["seq2seq"].more_cases[0].network
TRAINED = [name for name, spec in SPECS.items() if spec.task]
SOME = ["mimo_net", "simple_resnet", "seq2seq", "row_gru"]  # with all kinds of layers


# In a worker


def built(
    backend: str, network: Network, dtype: str, device: str = "cpu", variant: str = "tuned"
) -> Any:
    """A model with weights that are the same in every backend and dtype."""
    model = registry.load(backend).build(network, dtype=dtype, device=device, variant=variant)
    model.load_weights(starting_weights(model.table(), "float32", 3))
    return model


def learned(
    backend: str, network: Network, task: Task, variant: str = "tuned", device: str = "cpu"
) -> dict[str, Any]:
    """Outputs in both dtypes, and what some steps on one batch in bfloat16 come to."""
    arrays = batch(network, task, 0)
    inputs = {name: arrays[name] for name in network.inputs}
    exact = built(backend, network, "float32", device, variant)(inputs)
    model = built(backend, network, "bfloat16", device, variant)
    outputs, (classes, confidence) = model(inputs), model.predict(inputs)
    trainer = model.trainer(task, Settings(learning_rate=2e-3), 0)
    before = model.weights()
    steps = [trainer.train_step(arrays) for _ in range(6)]
    figures = trainer.evaluation_step(arrays)
    after = model.weights()
    return {
        "dtype": model.dtype,
        "exact": exact,
        "outputs": outputs,
        "classes": classes,
        "confidence": confidence,
        "kinds": {row.dtype for row in model.table()} | {str(a.dtype) for a in after.values()},
        "results": [{n: np.asarray(v) for n, v in step.items()} for step in [*steps, figures]],
        "still": [name for name in before if np.array_equal(before[name], after[name])],
        "buffers": {row.name for row in model.table() if row.kind == "buffer"},
    }


def little(backend: str) -> dict[str, float]:
    """The largest change of each tensor by a step that no weight in bfloat16 would show."""
    model = built(backend, SMALL, "bfloat16")
    before = model.weights()
    settings = Settings(optimizer="sgd", learning_rate=1e-5)
    model.trainer(DIGITS, settings, 0).train_step(batch(SMALL, DIGITS, 0))
    after = model.weights()
    return {n: float(np.abs(after[n] - before[n]).max() / np.abs(before[n]).max()) for n in before}


def decoded(backend: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    arrays = batch(SEQ2SEQ, TRANSCRIPTION, 0)
    names = list(SEQ2SEQ.inputs)[:-1]
    return built(backend, SEQ2SEQ, dtype).decode({name: arrays[name] for name in names})


def probed(backend: str) -> None:
    registry.load(backend).probe(built(backend, SMALL, "bfloat16"))


def wrapped(backend: str) -> None:
    native: Any = None
    registry.load(backend).wrap(SMALL, native, {}, dtype="bfloat16")


# Every architecture


def activated() -> dict[str, np.ndarray]:
    """Activations of Keras in float64, of numbers from -3 to 3."""
    from keras import ops

    model: Any = registry.load("keras").build(SMALL, dtype="float64")
    x = np.linspace(-3, 3, 61)
    with model.computing():
        return {
            "gelu": np.asarray(ops.gelu(x, approximate=False)),
            "gelu by tanh": np.asarray(ops.gelu(x, approximate=True)),
            "leaky relu": np.asarray(ops.leaky_relu(x, 0.1)),
        }


def hold(measured: dict[str, Any]) -> None:
    """What must be true of a network in bfloat16."""
    assert measured["dtype"] == "bfloat16"
    assert measured["kinds"] == {"float32"}
    for name, array in measured["outputs"].items():
        assert array.dtype == np.float32
        assert 0 < difference(measured["exact"][name], array) < MOST
    first = next(iter(measured["outputs"].values()))
    # Of two logits that are nearly the same either may be the larger one elsewhere.
    taken = np.take_along_axis(first, measured["classes"][..., None], axis=-1)[..., 0]
    assert (first.max(axis=-1) - taken).max() <= 2**-7 * np.abs(first).max()
    assert measured["confidence"].dtype == np.float32
    # Not rounded to bfloat16, whose last 16 bits are 0: the softmax was float32's.
    assert (measured["confidence"].view(np.uint32) & 0xFFFF).any()
    losses = [float(step["loss"]) for step in measured["results"]]
    assert np.isfinite(losses).all()
    assert min(losses[2:-1]) < losses[0]
    assert {value.dtype.kind for step in measured["results"] for value in step.values()} <= set(
        "fiu"
    )
    assert not measured["still"]  # the buffers too


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize("name", TRAINED if ALL else SOME)
def test_every_architecture_learns(lend: Lend, backend: str, name: str) -> None:
    case = trained_case(SPECS[name])
    task = SPECS[name].task
    assert case
    assert task
    hold(lend(backend).call(learned, backend, case.network, task))


def test_both_variants_are_computed(lend: Lend, flavour: str) -> None:
    worker = lend(flavour)
    case = trained_case(SPECS["inception_net"])
    assert case
    hold(worker.call(learned, worker.backend, case.network, DIGITS, "idiomatic"))


def test_a_gpu_computes_it_too(lend: Lend, flavour: str) -> None:
    worker = lend(flavour)
    if "cuda" not in worker.call(devices, worker.backend):
        pytest.skip(f"{flavour} finds no CUDA device here")
    case = trained_case(SPECS["simple_resnet"])
    assert case
    for variant in ("tuned", "idiomatic"):
        hold(worker.call(learned, worker.backend, case.network, DIGITS, variant, "cuda"))


def test_weights_keep_what_bfloat16_would_lose(lend: Lend, flavour: str) -> None:
    worker = lend(flavour)
    changes = worker.call(little, worker.backend)
    assert all(0 < change < 2**-9 for change in changes.values())


def test_sequences_are_written(lend: Lend, flavour: str) -> None:
    worker = lend(flavour)
    tokens, attention = worker.call(decoded, worker.backend, "bfloat16")
    exact_tokens, exact_attention = worker.call(decoded, worker.backend, "float32")
    assert tokens.dtype == np.int32
    assert attention.dtype == np.float32
    # A token that is another one changes those after it; the first is told the same in both.
    assert 0 < difference(exact_attention[:, 0], attention[:, 0]) < MOST
    assert (tokens == exact_tokens).mean() > 0.5


# Flax's tuned variant


def convolved() -> dict[str, Any]:
    """In a worker: a convolution and its gradients in bfloat16, stock and tuned."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    from flax_impl.engine.tuning import tuned

    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(4, 8, 8, 64)), "bfloat16")
    kernel = jnp.asarray(random.normal(size=(3, 3, 64, 64)) / 24, "bfloat16")

    def whole(x: Any, kernel: Any) -> Any:
        def convolve(x: Any, kernel: Any) -> Any:
            numbers = ("NHWC", "HWIO", "NHWC")
            return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

        output, back = jax.vjp(convolve, x, kernel)
        return (output, *back(output))

    def arrays(values: Iterable[Any]) -> list[np.ndarray]:
        return [np.asarray(array.astype("float32")) for array in values]

    results = jax.jit(tuned(whole))(x, kernel)
    exact = jax.jit(whole)(x.astype("float32"), kernel.astype("float32"))
    return {
        "kinds": [str(array.dtype) for array in results],
        "tuned": arrays(results),
        "stock": arrays(jax.jit(whole)(x, kernel)),
        "exact": arrays(exact),
        "left": str(jax.make_jaxpr(tuned(whole))(x, kernel)).count("conv_general_dilated"),
    }


def test_tuned_convolutions_are_added_up_in_float32(lend: Lend) -> None:
    measured = lend("flax").call(convolved)
    assert measured["left"] == 0
    assert measured["kinds"] == ["bfloat16"] * 3
    for tuned, stock, exact in zip(
        measured["tuned"], measured["stock"], measured["exact"], strict=True
    ):
        # Both are rounded once, perhaps to two sides; gradients are of what was rounded before.
        assert difference(stock, tuned) <= 2**-7
        assert difference(exact, tuned) <= 2**-7


# What is refused


def test_it_is_not_watched_and_not_wrapped(lend: Lend, flavour: str) -> None:
    worker = lend(flavour)
    for function in (probed, wrapped):
        assert sentence(worker, ConfigurationError, function, worker.backend) == (
            "networks are watched, and held against each other, in float32 or float64, not in "
            "bfloat16; `triptych bench --dtype bfloat16` says how far outputs are from float32's"
        )


def test_activations_are_exact_in_float64(lend: Lend) -> None:
    """TensorFlow rounds their constants to float32, which a climb would take for a difference."""
    x = np.linspace(-3, 3, 61)
    cubic = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    expected = {
        "gelu": x * special.ndtr(x),
        "gelu by tanh": 0.5 * x * (1 + np.tanh(cubic)),
        "leaky relu": np.where(x > 0, x, 0.1 * x),
    }
    activations = lend("keras").call(activated)
    for name, values in expected.items():
        assert activations[name].dtype == np.float64
        assert difference(values, activations[name]) < 1e-14, name
