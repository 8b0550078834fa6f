"""bfloat16: what is computed in it, what stays float32, and how far it is from float32."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from shared import registry
from shared.errors import ConfigurationError
from shared.parity.arrays import difference, starting_weights
from shared.parity.judge import most_by_rounding
from shared.parity.recipes import trained_case
from shared.specs import DIGITS, PANELS, SPECS, TRANSCRIPTION, Network, Settings, Task
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
    backend: str, network: Network, dtype: str, device: str = "cpu", way: str = "tuned"
) -> Any:
    """A model with weights that are the same in every backend and dtype."""
    model = registry.load(backend).build(network, dtype=dtype, device=device, way=way)
    model.load_weights(starting_weights(model.table(), "float32", 3))
    return model


def learned(
    backend: str, network: Network, task: Task, way: str = "tuned", device: str = "cpu"
) -> dict[str, Any]:
    """Outputs in both dtypes, and what some steps on one batch in bfloat16 come to."""
    given = batch(network, task, 0)
    inputs = {name: given[name] for name in network.inputs}
    exact = built(backend, network, "float32", device, way)(inputs)
    model = built(backend, network, "bfloat16", device, way)
    outputs, (classes, confidence) = model(inputs), model.predict(inputs)
    trainer = model.trainer(task, Settings(learning_rate=2e-3), 0)
    before = model.weights()
    steps = [trainer.train_step(given) for _ in range(6)]
    figures = trainer.evaluation_step(given)
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
    given = batch(SEQ2SEQ, TRANSCRIPTION, 0)
    names = list(SEQ2SEQ.inputs)[:-1]
    return built(backend, SEQ2SEQ, dtype).decode({name: given[name] for name in names})


def probed(backend: str) -> None:
    built(backend, SMALL, "bfloat16").probe()


def wrapped(backend: str) -> None:
    native: Any = None
    registry.load(backend).wrap(SMALL, native, {}, dtype="bfloat16")


# Every architecture


def hold(found: dict[str, Any]) -> None:
    """What must be true of a network in bfloat16."""
    assert found["dtype"] == "bfloat16"
    assert found["kinds"] == {"float32"}
    for name, array in found["outputs"].items():
        assert array.dtype == np.float32
        assert 0 < difference(found["exact"][name], array) < MOST
    first = next(iter(found["outputs"].values()))
    # Of two logits that are nearly the same either may be the larger one elsewhere.
    taken = np.take_along_axis(first, found["classes"][..., None], axis=-1)[..., 0]
    assert (first.max(axis=-1) - taken).max() <= 2**-7 * np.abs(first).max()
    assert found["confidence"].dtype == np.float32
    # Not rounded to bfloat16, whose last 16 bits are 0: the softmax was float32's.
    assert (found["confidence"].view(np.uint32) & 0xFFFF).any()
    losses = [float(step["loss"]) for step in found["results"]]
    assert np.isfinite(losses).all()
    assert min(losses[2:-1]) < losses[0]
    assert {value.dtype.kind for step in found["results"] for value in step.values()} <= set("fiu")
    assert not found["still"]  # the buffers too


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize("name", TRAINED if ALL else SOME)
def test_every_architecture_learns(lend: Lend, backend: str, name: str) -> None:
    case = trained_case(SPECS[name])
    task = SPECS[name].task
    assert case
    assert task
    hold(lend(backend).call(learned, backend, case.network, task))


def test_both_ways_are_computed(lend: Lend, flavour: str) -> None:
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
    for way in ("tuned", "idiomatic"):
        hold(worker.call(learned, worker.backend, case.network, DIGITS, way, "cuda"))


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


# Flax's tuned way


def convolved() -> dict[str, Any]:
    """In a worker: a convolution and its gradients in bfloat16, stock and tuned."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    from flax_impl.tuning import tuned

    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(4, 8, 8, 64)), "bfloat16")
    kernel = jnp.asarray(random.normal(size=(3, 3, 64, 64)) / 24, "bfloat16")

    def whole(x: Any, kernel: Any) -> Any:
        def convolve(x: Any, kernel: Any) -> Any:
            numbers = ("NHWC", "HWIO", "NHWC")
            return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

        made, back = jax.vjp(convolve, x, kernel)
        return (made, *back(made))

    def arrays(found: Iterable[Any]) -> list[np.ndarray]:
        return [np.asarray(array.astype("float32")) for array in found]

    made = jax.jit(tuned(whole))(x, kernel)
    exact = jax.jit(whole)(x.astype("float32"), kernel.astype("float32"))
    return {
        "kinds": [str(array.dtype) for array in made],
        "tuned": arrays(made),
        "stock": arrays(jax.jit(whole)(x, kernel)),
        "exact": arrays(exact),
        "left": str(jax.make_jaxpr(tuned(whole))(x, kernel)).count("conv_general_dilated"),
    }


def test_tuned_convolutions_are_added_up_in_float32(lend: Lend) -> None:
    found = lend("flax").call(convolved)
    assert found["left"] == 0
    assert found["kinds"] == ["bfloat16"] * 3
    for tuned, stock, exact in zip(found["tuned"], found["stock"], found["exact"], strict=True):
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
