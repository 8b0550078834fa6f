"""What every backend promises: seeds, dtypes, devices, inputs, weights, predictions, training."""

import random
import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared import registry
from shared.data import mnist, tasks
from shared.differences import difference
from shared.errors import (
    ConfigurationError,
    DeviceMissingError,
    InputError,
    WeightsError,
)
from shared.interface import VARIANTS, Inputs, TensorInfo
from shared.parity.samples import sample_inputs, sample_weights
from shared.specs import (
    DIGITS,
    DIGITS_AND_SLANT,
    EARLY_EXIT,
    SEGMENTATION,
    SMOOTHED_DIGITS,
    SPECS,
    TRANSCRIPTION,
    Case,
    Network,
    Objective,
    Settings,
    Spec,
    Task,
)
from shared.train import loop
from shared.workers import Worker
from tests.assertions import close, sentence
from tests.backends.small_networks import (
    BLOCK,
    BRANCHING,
    CHANNELS,
    LEAVES,
    MIMO,
    SEQ2SEQ,
    SKIP,
    STAYS,
    UNET,
    batch,
    build,
    devices,
    table,
    wrong_inputs,
)
from tests.flavours import ALL, FLAVOURS, SECOND_TO_TENSORFLOW, in_flavours

Arrays = dict[str, np.ndarray]


# --- what runs in the workers -----------------------------------------------------------------


def initial(backend: str, network: Network, seed: int, dtype: str, device: str) -> Arrays:
    model = registry.load(backend).build(network, seed=seed, dtype=dtype, device=device)
    assert (model.dtype, model.device) == (dtype, device)
    return model.weights()


def loaded(backend: str, network: Network, seed: int | None, inputs: Arrays) -> Arrays:
    """Outputs with the same weights, whatever a model had before."""
    model = registry.load(backend).build(network, seed=seed)
    model.load_weights(sample_weights(model.table(), "float32", 5))
    return model(inputs)


def outputs(
    backend: str, network: Network, inputs: Arrays, dtype: str = "float32", device: str = "cpu"
) -> Arrays:
    loaded = registry.load(backend)
    if device == "cuda":
        loaded.use_highest_precision()
    model = loaded.build(network, dtype=dtype, device=device)
    model.load_weights(sample_weights(model.table(), dtype, 5))
    return model(inputs)


def described(backend: str, network: Network, inputs: Arrays) -> tuple[list[TensorInfo], Arrays]:
    model = build(backend, network)
    return model.table(), model(inputs)


def generators(backend: str) -> dict[str, bool]:
    """Whether the generators that users share are, after a build, as they were before."""
    random.seed(11)
    np.random.seed(12)
    libraries = sys.modules
    states: list[dict[str, Any]] = []
    for _ in range(2):
        now = {"python": random.getstate(), "numpy": str(np.random.get_state())}
        if "torch" in libraries:
            now["torch"] = libraries["torch"].get_rng_state().tolist()
        states.append(now)
        if len(states) == 1:
            registry.load(backend).build(CHANNELS, seed=3)
    before, after = states
    return {name: before[name] == after[name] for name in before}


def warned_of(backend: str, network: Network, inputs: Arrays) -> list[str]:
    """What is warned of when inputs are read-only."""
    for array in inputs.values():
        array.flags.writeable = False
    model = registry.load(backend).build(network)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model(inputs)
    return [str(warning.message) for warning in told if "writ" in str(warning.message)]


def complaint(backend: str, network: Network, inputs: Arrays) -> None:
    registry.load(backend).build(network)(inputs)


def refuse(backend: str, network: Network, changes: dict[str, Any]) -> tuple[str, bool]:
    """Load weights that do not fit: what is said, and whether the model is as it was."""
    model = build(backend, network)
    before = model.weights()
    weights: Arrays = {**before, **{k: v for k, v in changes.items() if v is not None}}
    weights = {
        # Other values, so that a tensor which is taken in spite of the others would show.
        name: array + 1 if array.dtype.kind == "f" else array
        for name, array in weights.items()
        if name not in changes or changes[name] is not None
    }
    try:
        model.load_weights(weights)
    except WeightsError as error:
        after = model.weights()
        return str(error), all(before[n].tobytes() == after[n].tobytes() for n in before)
    return "", False


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy where JAX would rather share memory than copy: at a multiple of 64 bytes."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def copies(backend: str, network: Network, inputs: Arrays) -> dict[str, Arrays]:
    """A model's outputs while the arrays that it gave and took are overwritten."""
    model = build(backend, network)
    before = model(inputs)
    for array in model.weights().values():
        array[...] = 7
    given_overwritten = model(inputs)
    mine = {name: aligned(array) for name, array in model.weights().items()}
    model.load_weights(mine)
    for array in mine.values():
        array[...] = 7
    taken_overwritten = model(inputs)
    kept = {name: array.copy() for name, array in taken_overwritten.items()}
    model.load_weights({name: array * 0 for name, array in mine.items()})
    return {
        "before": before,
        "given": given_overwritten,
        "taken": taken_overwritten,
        "kept": kept,
        "zero": model(inputs),
    }


def load_as(backend: str, network: Network, dtype: str) -> tuple[Arrays, Arrays]:
    """Load weights of a dtype into a float32 model; what was given, and what it has then."""
    model = registry.load(backend).build(network)
    originals = {
        # In an order of memory that is not C's, and read-only, as arrays on files may be.
        name: np.asfortranarray(array.astype(dtype))
        for name, array in sample_weights(model.table(), "float32", 6).items()
    }
    for array in originals.values():
        array.setflags(write=False)
    model.load_weights(originals)
    return originals, model.weights()


def predict(
    backend: str, network: Network, inputs: Inputs, dtype: str
) -> tuple[Arrays, np.ndarray, np.ndarray]:
    model = build(backend, network, dtype)
    classes, confidence = model.predict(inputs)
    return model(inputs), classes, confidence


def step(
    backend: str, network: Network, task: Task, settings: Settings, dtype: str, steps: int
) -> dict[str, Any]:
    """Weights before and after some steps, and the losses and counts on the way."""
    model = build(backend, network, dtype)
    trainer = model.trainer(task, settings, seed=0)
    before = model.weights()
    results = [trainer.train_step(batch(network, task, number)) for number in range(steps)]
    return {
        "before": before,
        "after": model.weights(),
        "losses": [float(result["loss"]) for result in results],
        "correct": [int(result["correct"]) for result in results],
    }


def evaluate(backend: str, network: Network, task: Task) -> dict[str, Any]:
    """An evaluation step's figures, and the weights and outputs around it."""
    model = build(backend, network)
    trainer = model.trainer(task, Settings(), seed=0)
    arrays = batch(network, task, 0)
    before = model.weights()
    result = trainer.evaluation_step(arrays)
    again = trainer.evaluation_step(arrays)
    return {
        "before": before,
        "after": model.weights(),
        "losses": [float(result["loss"]), float(again["loss"])],
        "sums": {name: np.asarray(value) for name, value in result.items()},
        "outputs": model({name: arrays[name] for name in network.inputs}),
    }


def decode(backend: str, network: Network, number: int) -> Arrays:
    """What a network writes on its own, and what it gives when it is told that."""
    model = build(backend, network)
    inputs = {n: a for n, a in batch(network, TRANSCRIPTION, number).items() if n in network.inputs}
    tokens, attention = model.decode({n: inputs[n] for n in list(network.inputs)[:-1]})
    start = network.config["num_classes"] + 1
    told = np.concatenate([np.full_like(tokens[:, :1], start), tokens[:, :-1]], axis=1)
    return {
        "tokens": tokens,
        "attention": attention,
        "told": told,
        **{f"told_{n}": a for n, a in model({**inputs, "tokens": told}).items()},
    }


def no_decode(backend: str) -> None:
    build(backend, MIMO).decode({})


def dropout_losses(backend: str, seed: int) -> list[float]:
    """The losses of three steps of a network with dropout."""
    model = build(backend, CHANNELS)
    trainer = model.trainer(DIGITS, Settings(optimizer="sgd"), seed=seed)
    return [float(trainer.train_step(batch(CHANNELS, DIGITS, 0))["loss"]) for _ in range(3)]


def told(backend: str) -> list[list[float]]:
    """The logs of a network that keeps one and of one that does not, after an epoch."""
    logs = []
    for network in (SPECS["mnist_classifier"].network, BRANCHING):
        model = registry.load(backend).build(network)
        model.record_epoch(0.5, 80.0, 79.0)
        native: Any = model.native
        logs.append([float(x) for x in getattr(native, "losses", [])])
    return logs


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    """What is promised is kept in every flavour."""
    return request.param


# --- building ---------------------------------------------------------------------------------


def test_initial_weights_need_not_be_made_where_others_are_loaded(worker: Worker) -> None:
    inputs = sample_inputs(BLOCK, 2, "float32")
    some, none = (worker.call(loaded, worker.backend, BLOCK, seed, inputs) for seed in (0, None))
    assert some.keys() == none.keys() != set()
    assert all(some[name].tobytes() == none[name].tobytes() for name in some)


def test_weights_are_a_function_of_the_seed(worker: Worker) -> None:
    one, two, other = (
        worker.call(initial, worker.backend, CHANNELS, seed, "float32", "cpu") for seed in (4, 4, 5)
    )
    assert one
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
    kernels = [name for name in one if one[name].ndim > 1]
    assert kernels
    assert all((one[name] != other[name]).any() for name in kernels)


def test_build_leaves_the_users_generators_alone(worker: Worker, flavour: str) -> None:
    unchanged = worker.call(generators, worker.backend)
    assert {"python", "numpy"} <= set(unchanged)
    assert ("torch" in unchanged) or ("torch" not in flavour)
    assert all(unchanged.values()), unchanged


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_that_of_weights_and_outputs(worker: Worker, flavour: str, dtype: str) -> None:
    inputs = sample_inputs(BLOCK, 2, "float32")  # of the other dtype too: they are cast
    if dtype == "float64" and flavour in ("keras-jax", "keras-torch"):
        runs_on = flavour.removeprefix("keras-")
        assert sentence(worker, ConfigurationError, table, worker.backend, BLOCK, dtype) == (
            f"keras on {runs_on} computes float64 networks partly in float32; "
            "use float32, or Keras on TensorFlow"
        )
        return
    rows = worker.call(table, worker.backend, BLOCK, dtype)
    assert {row.dtype for row in rows} == {dtype}
    weights = worker.call(initial, worker.backend, BLOCK, 0, dtype, "cpu")
    assert {str(array.dtype) for array in weights.values()} == {dtype}
    assert {row.name: row.shape for row in rows} == {n: a.shape for n, a in weights.items()}
    results = worker.call(outputs, worker.backend, BLOCK, inputs, dtype)
    assert {str(array.dtype) for array in results.values()} == {dtype}


def test_float64_is_more_exact_than_float32(worker: Worker, flavour: str) -> None:
    if flavour in ("keras-jax", "keras-torch"):
        pytest.skip("Keras computes in float64 on TensorFlow only")
    inputs = sample_inputs(BLOCK, 3, "float64")
    exact = worker.call(outputs, worker.backend, BLOCK, inputs, "float64")["features"]
    rough = worker.call(outputs, worker.backend, BLOCK, inputs, "float32")["features"]
    assert 1e-9 < difference(exact, rough.astype(np.float64)) < 1e-5


def test_unknown_dtype_and_device_are_named(worker: Worker) -> None:
    def says(dtype: str, device: str) -> str:
        return sentence(
            worker, ConfigurationError, initial, worker.backend, CHANNELS, 0, dtype, device
        )

    assert says("float16", "cpu") == ("dtype must be float32, float64 or bfloat16, not 'float16'")
    assert says("float32", "tpu") == "device must be cpu or cuda, not 'tpu'"


def test_device_that_is_not_there_is_named(worker: Worker, flavour: str) -> None:
    if "cuda" in worker.call(devices, worker.backend):
        pytest.skip("there is a CUDA device here")
    message = sentence(
        worker, DeviceMissingError, initial, worker.backend, CHANNELS, 0, "float32", "cuda"
    )
    runs_on = FLAVOURS[flavour][1].get("KERAS_BACKEND")
    subject = f"keras on {runs_on}" if runs_on else worker.backend
    assert message.startswith(f"{subject} finds no CUDA device on this machine; use the device cpu")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_gpu_gives_what_the_cpu_gives(worker: Worker, flavour: str, dtype: str) -> None:
    if "cuda" not in worker.call(devices, worker.backend):
        pytest.skip(f"{flavour} finds no CUDA device here")
    if dtype == "float64" and flavour in ("keras-jax", "keras-torch"):
        pytest.skip("Keras computes in float64 on TensorFlow only")
    for network in (BRANCHING, BLOCK, MIMO):
        inputs = sample_inputs(network, 3, dtype)
        on_cpu, on_gpu = (
            worker.call(outputs, worker.backend, network, inputs, dtype, device)
            for device in ("cpu", "cuda")
        )
        assert list(on_gpu) == list(network.outputs)
        for name in on_cpu:
            tolerance = 1e-12 if dtype == "float64" else 1e-5
            assert difference(on_cpu[name], on_gpu[name]) < tolerance


def losses(backend: str, variant: str, device: str) -> list[float]:  # in a worker
    """The training losses, and the test loss, of a few steps at the highest precision."""
    loaded = registry.load(backend)
    loaded.use_highest_precision()
    spec = SPECS["mimo_net"]
    task = spec.require_task()
    data = tasks.build(task, mnist.load("sample"))
    few = {name: array[:256] for name, array in data.train.items()}
    data = replace(data, train=few, test=few)
    model = loaded.build(spec.network, variant=variant, device=device)
    settings = Settings(epochs=2, optimizer="sgd", learning_rate=2.0**-6, momentum=0.5)
    history = loop.fit(model, task, data, settings)
    return [epoch.loss for epoch in history.epochs] + [history.epochs[-1].test_loss]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_gpu_trains_as_the_cpu_does(worker: Worker, flavour: str, variant: str) -> None:
    if "cuda" not in worker.call(devices, worker.backend):
        pytest.skip(f"{flavour} finds no CUDA device here")
    on_cpu, on_gpu = (
        worker.call(losses, worker.backend, variant, device) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-3)


# --- inputs and outputs -----------------------------------------------------------------------


# The ladder holds a backend's counts and outputs against the spec; it climbs with Keras on
# TensorFlow alone.
@in_flavours(FLAVOURS if ALL else SECOND_TO_TENSORFLOW)
def test_counts_and_outputs_are_those_stated(worker: Worker, spec: Spec, case: Case) -> None:
    assert case in spec.cases
    inputs = sample_inputs(case.network, 3, "float32")
    rows, arrays = worker.call(described, worker.backend, case.network, inputs)
    sizes = {"parameter": 0, "buffer": 0}
    for row in rows:
        sizes[row.kind] += row.size
    assert sizes == {"parameter": case.parameters, "buffer": case.buffers}
    assert {name: array.shape for name, array in arrays.items()} == {
        name: (3, *tensor.shape) for name, tensor in case.network.outputs.items()
    }
    assert list(arrays) == list(case.network.outputs)
    for array in arrays.values():
        assert np.isfinite(array).all()
        assert np.ptp(array) > 0 or array.shape[-1] == 1  # attention to the only step is 1
        assert array.flags.writeable


def test_channels_are_flattened_first(worker: Worker) -> None:
    """A perceptron by hand, for images with channels and no square."""
    inputs = sample_inputs(CHANNELS, 4, "float32")
    shapes = worker.call(table, worker.backend, CHANNELS, "float32")
    w = {n: a.astype(np.float64) for n, a in sample_weights(shapes, "float32", 5).items()}
    x = inputs["image"].transpose(0, 3, 1, 2).reshape(4, 90).astype(np.float64)
    for name in ("fc1", "fc2"):
        x = np.maximum(x @ w[f"{name}.weight"].T + w[f"{name}.bias"], 0)
    expected = x @ w["fc3.weight"].T + w["fc3.bias"]
    assert close(worker.call(outputs, worker.backend, CHANNELS, inputs)["logits"], expected, 1e-5)


def test_networks_that_average_take_images_of_any_size(worker: Worker) -> None:
    shape = (2, 5, 17, 1)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    logits = worker.call(outputs, worker.backend, BRANCHING, {"image": image})["logits"]
    assert logits.shape == (2, 3)
    assert np.isfinite(logits).all()
    message = sentence(
        worker, InputError, complaint, worker.backend, BRANCHING, {"image": image[0]}
    )
    assert message == "input 'image' must have shape (batch, H, W, 1), not (5, 17, 1)"


def test_an_array_alone_will_do_for_one_input(worker: Worker) -> None:
    inputs = sample_inputs(CHANNELS, 2, "float32")
    named, alone = (
        worker.call(predict, worker.backend, CHANNELS, each, "float32")
        for each in (inputs, inputs["image"])
    )
    assert alone[0]["logits"].tobytes() == named[0]["logits"].tobytes()
    assert alone[1].tolist() == named[1].tolist()


def test_inputs_may_be_read_only(worker: Worker) -> None:
    inputs = sample_inputs(SEQ2SEQ, 2, "float32")
    assert worker.call(warned_of, worker.backend, SEQ2SEQ, inputs) == []


@pytest.mark.parametrize(("inputs", "message"), list(wrong_inputs()))
def test_wrong_inputs_are_told_alike(worker: Worker, inputs: Arrays, message: str) -> None:
    assert sentence(worker, InputError, complaint, worker.backend, MIMO, inputs) == message


@pytest.mark.parametrize("network", [CHANNELS, MIMO], ids=lambda network: network.cls)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_is_the_softmax_of_the_outputs(
    worker: Worker, flavour: str, network: Network, dtype: str
) -> None:
    if dtype == "float64" and flavour in ("keras-jax", "keras-torch"):
        pytest.skip("Keras computes in float64 on TensorFlow only")
    inputs = sample_inputs(network, 9, dtype)
    results, classes, confidence = worker.call(predict, worker.backend, network, inputs, dtype)
    logits = next(iter(results.values())).astype(np.float64)
    assert classes.dtype == np.int32
    assert classes.tolist() == logits.argmax(axis=1).tolist()
    # The other network's first layers are followed by ReLUs, and one class outweighs the rest.
    assert network is MIMO or len(set(classes.tolist())) > 1
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert confidence.dtype == dtype
    assert close(confidence, shares.max(axis=1), 1e-12 if dtype == "float64" else 1e-5)


def test_decoding_writes_the_likeliest_tokens_one_by_one(worker: Worker) -> None:
    """Told what it wrote, a network says the same: greedy steps are those of one forward pass."""
    written = set()
    for number in range(4):
        decoded = worker.call(decode, worker.backend, SEQ2SEQ, number)
        tokens, end = decoded["tokens"], 3
        assert tokens.shape == (8, 4)
        assert tokens.dtype == np.int32
        likeliest = decoded["told_logits"].argmax(axis=-1)
        ended = np.cumsum(decoded["told"] == end, axis=1) > 0
        assert tokens.tolist() == np.where(ended, end, likeliest).tolist()
        assert close(decoded["attention"], decoded["told_attention"], 1e-5)
        assert close(decoded["attention"].sum(axis=-1), np.ones((8, 4)), 1e-5)
        written |= {*tokens.flatten().tolist()}
    assert len(written) > 1


def test_networks_that_write_no_sequences_say_so(worker: Worker) -> None:
    message = sentence(worker, ConfigurationError, no_decode, worker.backend)
    assert message == "MIMONet writes no sequences: it has no method decode"


def test_predict_gives_a_class_for_every_pixel(worker: Worker) -> None:
    inputs = sample_inputs(UNET, 2, "float32")
    results, classes, confidence = worker.call(predict, worker.backend, UNET, inputs, "float32")
    logits = results["logits"].astype(np.float64)
    assert classes.tolist() == logits.argmax(axis=-1).tolist()
    assert len(set(classes.flatten().tolist())) > 1
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert close(confidence, shares.max(axis=-1), 1e-5)


# --- weights ----------------------------------------------------------------------------------


def test_weights_that_do_not_fit_are_all_named(worker: Worker) -> None:
    changes = {
        "fc1.weight": None,
        "fc3.bias": None,
        "fc2.weight": np.zeros((24, 12), np.float32),
        "fc2.bias": np.zeros(12, np.int64),
        "fc4.weight": np.zeros((2, 2), np.float32),
    }
    message, unchanged = worker.call(refuse, worker.backend, CHANNELS, changes)
    start, _, problems = message.partition(": ")
    assert start == "the weights do not fit the network"
    assert sorted(problems.split("; ")) == [
        "extra fc4.weight (2, 2)",
        "fc2.bias is int64 and should be floating point",
        "fc2.weight is (24, 12) and should be (12, 24)",
        "missing fc1.weight (24, 90)",
        "missing fc3.bias (7,)",
    ]
    assert unchanged


def test_weights_go_in_and_out_as_copies(worker: Worker) -> None:
    stages = worker.call(copies, worker.backend, BLOCK, sample_inputs(BLOCK, 2, "float32"))
    for name in BLOCK.outputs:
        assert difference(stages["before"][name], stages["given"][name]) == 0
        assert difference(stages["before"][name], stages["taken"][name]) == 0
        assert difference(stages["kept"][name], stages["taken"][name]) == 0
        assert difference(stages["before"][name], stages["zero"][name]) > 0.1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_are_cast_to_the_models_dtype(worker: Worker, dtype: str) -> None:
    originals, taken = worker.call(load_as, worker.backend, BLOCK, dtype)
    assert originals.keys() == taken.keys()
    assert originals
    for name in originals:
        assert taken[name].dtype == np.float32
        assert taken[name].tobytes() == originals[name].astype(np.float32).tobytes()


# --- training ---------------------------------------------------------------------------------

WEIGHTED = Task(
    "test",
    "the second objective counts for less",
    (
        DIGITS_AND_SLANT.objectives[0],
        Objective("reg_output", "slant", "mean_squared_error", weight=0.25),
    ),
)
TRAINED = [
    pytest.param(BRANCHING, DIGITS, id="branching_net"),
    pytest.param(MIMO, WEIGHTED, id="mimo_net"),
    pytest.param(SKIP, SMOOTHED_DIGITS, id="skip_mlp"),
    pytest.param(UNET, SEGMENTATION, id="unet"),
    pytest.param(SEQ2SEQ, TRANSCRIPTION, id="seq2seq"),
    pytest.param(STAYS, EARLY_EXIT, id="early_exit_net"),
]


def trained(
    workers: dict[str, Worker], network: Network, task: Task, settings: Settings, dtype: str
) -> dict[str, dict[str, Any]]:
    """Three steps in every flavour that can compute in the dtype."""
    able = {
        name: worker
        for name, worker in workers.items()
        if dtype == "float32" or name not in ("keras-jax", "keras-torch")
    }
    if len(able) < 2:
        pytest.skip("there is one backend here, and nothing to hold it against")
    futures = {
        name: worker.submit(step, worker.backend, network, task, settings, dtype, 3)
        for name, worker in able.items()
    }
    return {name: able[name].result(future) for name, future in futures.items()}


def moves(run: dict[str, Any]) -> Arrays:
    """How far training moved each tensor, in float64.

    Without running variances: PyTorch's are those of unbiased batch variances, the others' not.
    """
    before, after = run["before"], run["after"]
    names = [name for name in before if not name.endswith("running_var")]
    return {name: after[name].astype(np.float64) - before[name] for name in names}


# Powers of two: Keras keeps both in float32, where 0.1 would already differ by 1e-8.
SGD = Settings(optimizer="sgd", learning_rate=1 / 16, momentum=7 / 8)


@pytest.mark.parametrize(
    ("network", "task", "dtype"),
    [
        pytest.param(*chosen.values, dtype, id=f"{chosen.id}-{dtype}")
        for chosen in TRAINED
        for dtype in ("float64", "float32")
        if ALL or dtype == "float64" or chosen.values[0] is BRANCHING
    ],
)
def test_sgd_moves_all_backends_alike(
    several: dict[str, Worker], network: Network, task: Task, dtype: str
) -> None:
    runs = trained(several, network, task, SGD, dtype)
    # Steps enlarge float32's rounding: to 2e-4 of a move in UNet, by the processor.
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    (first, one), *others = runs.items()
    assert others
    for name, other in others:
        np.testing.assert_allclose(other["losses"], one["losses"], rtol=tolerance)
        assert other["correct"] == one["correct"]
        ours, theirs = moves(one), moves(other)
        assert ours.keys() == theirs.keys()
        for tensor in ours:
            assert np.abs(ours[tensor]).max() > 1e-4, tensor
            gap = difference(ours[tensor], theirs[tensor])
            assert gap < tolerance, f"{tensor}: {first} and {name} differ by {gap:.1e}"


@pytest.mark.parametrize(
    ("network", "task", "dtype"), [(BRANCHING, DIGITS, "float32"), (MIMO, WEIGHTED, "float64")]
)
def test_adam_moves_all_backends_alike(
    several: dict[str, Worker], network: Network, task: Task, dtype: str
) -> None:
    """Adam divides by the gradient's size, so tiny gradients make large steps.

    Two things are thereby enlarged: rounding, in float32; and in Keras the epsilon, which stands
    beside the uncorrected root of the second moment and so weighs up to 32 times as much in the
    first steps. Both touch the few parameters whose gradient is near 0, so the moves are compared
    by their mean, not by the largest.
    """
    runs = trained(several, network, task, Settings(learning_rate=2**-7), dtype)
    (first, one), *others = runs.items()
    assert others
    for name, other in others:
        np.testing.assert_allclose(other["losses"], one["losses"], rtol=1e-3)
        ours, theirs = moves(one), moves(other)
        assert ours.keys() == theirs.keys()
        for tensor in ours:
            moved = np.abs(ours[tensor]).mean()
            gap = np.abs(ours[tensor] - theirs[tensor]).mean() / moved
            assert moved > 1e-4, tensor
            assert gap < 1e-3, f"{tensor}: {first} and {name} differ by {gap:.1e}"


@pytest.mark.parametrize(
    ("network", "task"),
    [
        *TRAINED,
        pytest.param(CHANNELS, DIGITS, id="with_dropout"),
        pytest.param(SPECS["simple_resnet"].more_cases[0].network, DIGITS, id="with_batch_norm"),
    ],
)
def test_evaluation_changes_nothing(worker: Worker, network: Network, task: Task) -> None:
    evaluated = worker.call(evaluate, worker.backend, network, task)
    assert evaluated["before"].keys() == evaluated["after"].keys()
    assert evaluated["before"]
    for name in evaluated["before"]:
        assert evaluated["before"][name].tobytes() == evaluated["after"][name].tobytes()
    assert evaluated["losses"][0] == evaluated["losses"][1]

    arrays, loss = batch(network, task, 0), 0.0
    for objective in task.objectives:
        output = evaluated["outputs"][objective.output].astype(np.float64)
        target = arrays[objective.target]
        if objective.loss == "cross_entropy":
            log_shares = output - np.log(np.exp(output).sum(axis=-1, keepdims=True))
            counts = target >= 0
            chosen = np.take_along_axis(log_shares, np.maximum(target, 0)[..., None], -1)[..., 0]
            smooth = objective.smoothing
            chosen = (1 - smooth) * chosen + smooth * log_shares.mean(axis=-1)
            loss -= objective.weight * chosen[counts].mean()
        else:
            loss += objective.weight * ((output - target) ** 2).mean()
    np.testing.assert_allclose(evaluated["losses"][0], loss, rtol=1e-5)
    first = task.objectives[0]
    labels = arrays[first.target]
    guesses = evaluated["outputs"][first.output].argmax(axis=-1)
    assert evaluated["sums"]["correct"] == (guesses == labels).sum()
    assert evaluated["sums"]["counted"] == (labels >= 0).sum()


def test_mean_iou_is_counted_by_class(worker: Worker) -> None:
    evaluated = worker.call(evaluate, worker.backend, UNET, SEGMENTATION)
    guesses = evaluated["outputs"]["logits"].argmax(axis=-1)
    labels = batch(UNET, SEGMENTATION, 0)["mask"]
    assert (labels == -1).any()
    for k in range(3):
        both, either = (guesses == k) & (labels == k), (guesses == k) | (labels == k)
        assert evaluated["sums"]["intersection"][k] == both.sum()
        assert evaluated["sums"]["union"][k] == either.sum()
    assert evaluated["sums"]["intersection"].sum() == evaluated["sums"]["correct"]


def test_those_that_left_early_are_counted(worker: Worker) -> None:
    for network, left in ((LEAVES, 8), (STAYS, 0)):
        evaluated = worker.call(evaluate, worker.backend, network, EARLY_EXIT)
        assert evaluated["sums"]["left"] == left


def test_decoded_digits_are_counted(worker: Worker) -> None:
    evaluated = worker.call(evaluate, worker.backend, SEQ2SEQ, TRANSCRIPTION)
    labels = batch(SEQ2SEQ, TRANSCRIPTION, 0)["following"]
    digits = (labels >= 0) & (labels < 3)  # the end of a sequence is no digit
    tokens = worker.call(decode, worker.backend, SEQ2SEQ, 0)["tokens"]
    assert evaluated["sums"]["digits"] == digits.sum()
    assert evaluated["sums"]["decoded"] == (digits & (tokens == labels)).sum()
    assert 0 < evaluated["sums"]["decoded"] < digits.sum()


def test_dropout_is_a_function_of_the_trainers_seed(worker: Worker) -> None:
    one, two, other = (worker.call(dropout_losses, worker.backend, seed) for seed in (1, 1, 2))
    assert one == two
    assert one != other
    assert all(np.isfinite(one))


def test_a_log_is_told_of_epochs_and_others_take_no_notice(worker: Worker) -> None:
    assert worker.call(told, worker.backend) == [[0.5], []]
