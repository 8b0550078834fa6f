"""What each topology computes, against formulas in NumPy, as a user of any backend has it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from shared import registry
from shared.errors import ConfigurationError, InputError
from shared.parity.samples import sample_inputs, sample_weights
from shared.specs import SPECS, Network, Tensor
from shared.workers import Worker
from tests.assertions import close
from tests.backends import native as native_checks
from tests.conftest import Lend, Native
from tests.flavours import SECOND_TO_TENSORFLOW

Arrays = dict[str, np.ndarray]
Run = Callable[..., tuple[Arrays, list[Arrays]]]


def case(spec: str, cls: str) -> Network:
    """The first network of a class, in a spec's cases that are no default."""
    return next(c.network for c in SPECS[spec].more_cases if c.network.cls == cls)


BASIC = case("basic_net", "BasicNet")  # 6x5 image, 3 channels, 7 classes, as has the next
SEQUENTIAL = case("sequential_net", "SequentialNet")
SKIP = case("skip_mlp", "SkipMLP")  # 4x7 image, 3 channels, depth 3
INCEPTION = case("inception_net", "InceptionBlock")  # 5 channels to 4 times 6
DENSE = case("dense_net", "DenseBlock")  # 5 channels, growth 2, 3 layers
TRANSITION = case("dense_net", "Transition")  # 6 to 4 channels, odd height
UNET = case("unet", "UNet")  # 8x12 canvas, 2 channels, depth 2
UP = case("unet", "Up")  # 6 to 4 channels
ATTENTION = case("seq2seq", "MultiHeadAttention")  # 3 heads, 5 to 7 steps, width 12
ENCODER = case("seq2seq", "EncoderLayer")
DECODER = case("seq2seq", "DecoderLayer")
SEQ2SEQ = case("seq2seq", "Seq2Seq")  # 12 columns, 3 a step, 4 tokens, 3 classes
STRIPS = SPECS["seq2seq"].configured({"embed_dim": 4, "num_heads": 1, "num_layers": 1})
ROWS = case("row_gru", "RowGRU")  # 7x10 image, 3 channels
EARLY = case("early_exit_net", "EarlyExitNet")  # 4x196 image, 4 classes


def exits_at(threshold: float) -> Network:
    return replace(EARLY, config={**EARLY.config, "threshold": threshold})


# --- what runs in the workers -----------------------------------------------------------------


def outputs(
    backend: str, network: Network, batches: list[Arrays], dtype: str, changes: Arrays
) -> tuple[Arrays, list[Arrays]]:
    """A network's weights, of which none is a default, and what it gives for several inputs."""
    model = registry.load(backend).build(network, dtype=dtype)
    model.load_weights({**sample_weights(model.table(), dtype, 5), **changes})
    return model.weights(), [model(inputs) for inputs in batches]


def refused_inputs(backend: str, network: Network, batches: list[Arrays]) -> list[str]:
    """What is said to each of the inputs, none of which fits."""
    model = registry.load(backend).build(network)
    messages = []
    for inputs in batches:
        try:
            model(inputs)
        except InputError as error:
            messages.append(str(error))
    return messages


def refused_networks(backend: str, networks: list[Network]) -> list[str]:
    """What is said to each of the networks, none of which can be built."""
    messages = []
    for network in networks:
        try:
            registry.load(backend).build(network)
        except ConfigurationError as error:
            messages.append(str(error))
    return messages


# --- how they are called ----------------------------------------------------------------------


@pytest.fixture
def dtype(flavour: str) -> str:
    """The most exact one that the flavour computes in."""
    return "float32" if flavour in SECOND_TO_TENSORFLOW else "float64"


@pytest.fixture
def tolerance(dtype: str) -> float:
    return {"float32": 1e-5, "float64": 1e-12}[dtype]


@pytest.fixture
def run(worker: Worker, dtype: str) -> Run:
    """Call `outputs` in the worker; the weights come back in float64, for the formulas."""

    def call(network: Network, *batches: Arrays, **changes: np.ndarray) -> Any:
        weights, results = worker.call(
            outputs, worker.backend, network, list(batches), dtype, changes
        )
        return {name: array.astype(np.float64) for name, array in weights.items()}, results

    return call


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays are equal to the last bit."""
    assert one.size
    assert np.isfinite(one).all()
    return (one.shape, one.dtype, one.tobytes()) == (other.shape, other.dtype, other.tobytes())


# --- formulas, images with channels last ------------------------------------------------------


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def flat(images: np.ndarray) -> np.ndarray:
    """Channels first, then one axis."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def dense(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)


def conv(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """A convolution with an odd kernel, padded with as many zeros as keep the size."""
    kernel = w[f"{name}.weight"]
    edge = kernel.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
    return np.einsum("bhwcij,ocij->bhwo", windows, kernel) + w.get(f"{name}.bias", 0.0)


def batch_norm(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """In evaluation mode."""
    scaled = (x - w[f"{name}.running_mean"]) / np.sqrt(w[f"{name}.running_var"] + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def layer_norm(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    scaled = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def halves(x: np.ndarray) -> np.ndarray:
    """Squares of 2x2 pixels on axes of their own, 2 and 4; an odd last row or column is left."""
    b, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c)


def max_pool(x: np.ndarray) -> np.ndarray:
    return halves(x).max(axis=(2, 4))


def double_conv(w: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    x = relu(batch_norm(w, f"{name}bn1", conv(w, f"{name}conv1", x)))
    return relu(batch_norm(w, f"{name}bn2", conv(w, f"{name}conv2", x)))


def up(w: Arrays, name: str, x: np.ndarray, skip: np.ndarray) -> np.ndarray:
    """out[2i + a, 2j + b] = sum over c of x[i, j, c] * kernel[c, :, a, b], beside the skip."""
    larger = np.einsum("nijc,coab->niajbo", x, w[f"{name}up.weight"]) + w[f"{name}up.bias"]
    beside = np.concatenate([skip, larger.reshape(skip.shape)], axis=-1)
    return double_conv(w, f"{name}conv.", beside)


def attention(
    w: Arrays, name: str, x: np.ndarray, context: np.ndarray, mask: np.ndarray, heads: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and weights, head by head."""
    q, k, v = (
        np.stack(np.split(dense(w, f"{name}{part}", y), heads, axis=-1), axis=1)
        for part, y in (("query", x), ("key", context), ("value", context))
    )
    scores = np.einsum("bntd,bnsd->bnts", q, k) / np.sqrt(q.shape[-1])
    weights = softmax(np.where(mask[:, None], scores, -1e9))
    mixed = np.einsum("bnts,bnsd->bntd", weights, v)
    return dense(w, f"{name}out", np.concatenate([*mixed.transpose(1, 0, 2, 3)], axis=-1)), weights


# --- chains, skips and branches ---------------------------------------------------------------


def test_sequential_net_is_basic_net(run: Run) -> None:
    inputs = sample_inputs(BASIC, 4, "float32")
    weights, (basic,) = run(BASIC, inputs)
    positions = {"fc1": "stack.0", "fc2": "stack.3", "fc3": "stack.5"}
    renamed = {}
    for name, array in weights.items():
        layer, _, part = name.partition(".")
        renamed[f"{positions[layer]}.{part}"] = array
    taken, (sequential,) = run(SEQUENTIAL, inputs, **renamed)
    assert taken.keys() == renamed.keys()
    assert same(sequential["logits"], basic["logits"])


def test_skips_are_added_before_the_relu(run: Run, tolerance: float) -> None:
    inputs = sample_inputs(SKIP, 4, "float32")
    w, (result,) = run(SKIP, inputs)
    h = relu(dense(w, "first", flat(inputs["image"])))
    before = np.zeros_like(h)
    for name in ("hidden.0", "hidden.1", "hidden.2"):
        before, h = h, relu(dense(w, name, h) + before)
    assert close(result["logits"], dense(w, "fc", h), tolerance)


def test_branches_of_an_inception_block_stand_in_their_order(run: Run, tolerance: float) -> None:
    """The negative image has its maxima at the border where a pool's padding is 0."""
    inputs = sample_inputs(INCEPTION, 3, "float32")
    negative = {"image": -1 - np.abs(inputs["image"])}
    w, results = run(INCEPTION, inputs, negative)
    for x, result in zip((inputs["image"], negative["image"]), results, strict=True):
        features = result["features"]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
        pooled = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).max((4, 5))
        branches = [
            relu(conv(w, "conv1", x)),
            relu(conv(w, "conv3", relu(conv(w, "reduce3", x)))),
            relu(conv(w, "conv5", relu(conv(w, "reduce5", x)))),
            relu(conv(w, "pool_conv", pooled)),
        ]
        assert features.shape[-1] == 4 * 6
        for number, branch in enumerate(branches):
            assert np.ptp(branch) > 0.1
            assert close(features[..., 6 * number : 6 * number + 6], branch, tolerance)


def test_layers_of_a_dense_block_see_all_before_them(
    run: Run, dtype: str, tolerance: float
) -> None:
    inputs = sample_inputs(DENSE, 3, dtype)
    w, (result,) = run(DENSE, inputs)
    features, x = result["features"], inputs["image"]
    assert features.shape[-1] == 5 + 3 * 2
    assert same(features[..., :5].copy(), x)
    for number in range(3):
        new = conv(w, f"convs.{number}", relu(batch_norm(w, f"norms.{number}", x)))
        x = np.concatenate([x, new], axis=-1)
    assert close(features[..., 5:], x[..., 5:], tolerance)


def test_transition_takes_the_mean_of_four_pixels(run: Run, tolerance: float) -> None:
    inputs = sample_inputs(TRANSITION, 3, "float32")
    w, (result,) = run(TRANSITION, inputs)
    convolved = conv(w, "conv", relu(batch_norm(w, "norm", inputs["image"])))
    assert close(result["features"], halves(convolved).mean(axis=(2, 4)), tolerance)


# --- UNet -------------------------------------------------------------------------------------


def test_kernel_of_a_block_that_doubles_the_size_is_not_flipped(run: Run, tolerance: float) -> None:
    inputs = sample_inputs(UP, 3, "float32")
    w, (result,) = run(UP, inputs)
    assert close(result["features"], up(w, "", inputs["image"], inputs["skip"]), tolerance)


def test_skips_of_a_unet_lead_to_their_own_size(run: Run, tolerance: float) -> None:
    inputs = sample_inputs(UNET, 2, "float32")
    w, (result,) = run(UNET, inputs)
    x = double_conv(w, "stem.", inputs["image"])
    y = double_conv(w, "downs.0.conv.", max_pool(x))
    z = double_conv(w, "downs.1.conv.", max_pool(y))
    z = up(w, "ups.1.", up(w, "ups.0.", z, y), x)
    assert close(result["logits"], conv(w, "head", z), tolerance)


def test_unet_takes_every_size_that_it_can_halve(run: Run, worker: Worker) -> None:
    deep = SPECS["unet"].configured({"base_width": 2, "num_classes": 3})
    shapes = [(2, 16, 8, 1), (1, 24, 40, 1)]
    random = np.random.default_rng(0)
    images = [{"image": random.normal(size=shape).astype(np.float32)} for shape in shapes]
    _, results = run(deep, *images)
    assert [result["logits"].shape for result in results] == [(2, 16, 8, 3), (1, 24, 40, 3)]
    assert all(np.isfinite(result["logits"]).all() for result in results)

    wrong = [{"image": np.zeros((1, *size, 2), np.float32)} for size in ((10, 12), (12, 10))]
    assert worker.call(refused_inputs, worker.backend, UNET, wrong) == [
        "input 'image' must have a height and width divisible by 4, not 10 x 12",
        "input 'image' must have a height and width divisible by 4, not 12 x 10",
    ]


# --- attention --------------------------------------------------------------------------------


def test_attention_goes_where_the_mask_is_true(run: Run, tolerance: float) -> None:
    inputs = sample_inputs(ATTENTION, 2, "float32")
    mask = inputs["attention_mask"]
    mask[1, 3] = False  # a row that may look at nothing
    w, (result,) = run(ATTENTION, inputs)
    features, weights = attention(w, "", inputs["x"], inputs["context"], mask)
    assert close(result["features"], features, tolerance)
    assert close(result["weights"], weights, tolerance)

    everywhere = np.broadcast_to(mask[:, None], weights.shape)
    nowhere = np.logical_not(everywhere.any(axis=-1))
    assert nowhere.sum() == 3  # that row in each head
    assert (result["weights"][~everywhere & ~nowhere[..., None]] == 0).all()
    assert (result["weights"][everywhere] > 0).all()
    assert close(result["weights"].sum(axis=-1), np.ones((2, 3, 5)), tolerance)
    assert close(result["weights"][nowhere], np.full((3, 7), 1 / 7), tolerance)


def test_transformer_layers_follow_their_formulas(run: Run, tolerance: float) -> None:
    inputs = sample_inputs(ENCODER, 2, "float32")
    w, (result,) = run(ENCODER, inputs)
    x, mask = inputs["x"].astype(np.float64), inputs["attention_mask"]
    normed = layer_norm(w, "norm1", x)
    x = x + attention(w, "attention.", normed, normed, mask)[0]
    x = x + dense(w, "fc2", relu(dense(w, "fc1", layer_norm(w, "norm2", x))))
    assert close(result["features"], x, tolerance)

    inputs = sample_inputs(DECODER, 2, "float32")
    w, (result,) = run(DECODER, inputs)
    x, context, mask = inputs["x"].astype(np.float64), inputs["context"], inputs["attention_mask"]
    normed = layer_norm(w, "norm1", x)
    past = np.tril(np.ones((1, 5, 5), bool))
    x = x + attention(w, "self_attention.", normed, normed, past)[0]
    normed = layer_norm(w, "norm2", x)
    attended, weights = attention(w, "cross_attention.", normed, context, mask)
    x = x + attended
    x = x + dense(w, "fc2", relu(dense(w, "fc1", layer_norm(w, "norm3", x))))
    assert close(result["features"], x, tolerance)
    assert close(result["weights"], weights, tolerance)


def test_masks_that_do_not_fit_are_told_alike(worker: Worker) -> None:
    inputs = sample_inputs(ATTENTION, 2, "float32")
    mask = inputs["attention_mask"]
    masks = [mask.transpose(0, 2, 1), mask[:, :1], mask.astype(np.float32), mask.astype(np.int32)]
    wrong = [{**inputs, "attention_mask": array} for array in masks]
    assert worker.call(refused_inputs, worker.backend, ATTENTION, wrong) == [
        "input 'attention_mask' must have shape (batch, 5, 7), not (2, 7, 5)",
        "input 'attention_mask' must have shape (batch, 5, 7), not (2, 1, 7)",
        "input 'attention_mask' must be boolean, not float32",
        "input 'attention_mask' must be boolean, not int32",
    ]


# --- Seq2Seq ----------------------------------------------------------------------------------


def test_columns_after_the_length_change_nothing(run: Run) -> None:
    inputs = sample_inputs(SEQ2SEQ, 3, "float32")
    length = np.array([3, 6, 12], np.int32)
    inputs = {**inputs, "length": length}
    after = np.arange(12) >= length[:, None]
    last = np.arange(12) == length[:, None] - 1
    changed = [
        {**inputs, "columns": np.where(where[..., None], 7, inputs["columns"]).astype(np.float32)}
        for where in (after, last)
    ]
    _, (one, other, third) = run(SEQ2SEQ, inputs, *changed)
    for name in ("logits", "attention"):
        assert close(other[name], one[name], 1e-6)
    for example in range(3):
        assert not close(third["logits"][example], one["logits"][example], 1e-3)
    steps = np.arange(0, 12, 3) < length[:, None]
    for result in (one, other):
        assert ((result["attention"] == 0) == ~steps[:, None]).all()


def test_later_tokens_change_nothing_before_them(run: Run) -> None:
    inputs = sample_inputs(SEQ2SEQ, 2, "float32")
    inputs["length"] = np.array([12, 9], np.int32)  # of one column attention has no choice
    told = inputs["tokens"]
    others = []
    for step in range(4):
        tokens = told.copy()
        tokens[:, step] = (tokens[:, step] + 1) % 5
        others.append({**inputs, "tokens": tokens})
    _, (first, *results) = run(SEQ2SEQ, inputs, *others)
    for step, result in enumerate(results):
        for name in ("logits", "attention"):
            if step:
                assert close(result[name][:, :step], first[name][:, :step], 1e-6)
            for example in range(2):
                assert not close(result[name][example, step], first[name][example, step], 1e-4)


def test_lengths_out_of_range_are_named(worker: Worker) -> None:
    inputs = sample_inputs(STRIPS, 2, "float32")
    wrong = [{**inputs, "length": np.array([168, length], np.int32)} for length in (200, 0, -1)]
    assert worker.call(refused_inputs, worker.backend, STRIPS, wrong) == [
        f"input 'length' must be in [1, 168], not {length}" for length in (200, 0, -1)
    ]


# --- RowGRU -----------------------------------------------------------------------------------


def test_rows_go_through_the_equations_of_a_gru(run: Run, tolerance: float) -> None:
    inputs = sample_inputs(ROWS, 3, "float32")
    w, (result,) = run(ROWS, inputs)
    rows = inputs["image"].transpose(0, 1, 3, 2).reshape(3, 7, 30)  # of each row channels first
    h = np.zeros((3, 12))
    for step in range(7):
        in_r, in_z, in_n = np.split(dense(w, "cell.input_gates", rows[:, step]), 3, axis=-1)
        h_r, h_z, h_n = np.split(dense(w, "cell.hidden_gates", h), 3, axis=-1)
        r, z = sigmoid(in_r + h_r), sigmoid(in_z + h_z)
        h = (1 - z) * np.tanh(in_n + r * h_n) + z * h
    assert close(result["logits"], dense(w, "fc", h), tolerance)


def test_cell_is_that_of_pytorchs_own_gru(lend: Lend) -> None:
    worker, inputs = lend("torch"), sample_inputs(ROWS, 3, "float32")
    weights, _ = worker.call(outputs, "torch", ROWS, [], "float32", {})
    (ours,), (stock,) = worker.call(
        native_checks.call, "torch", "stock_gru", ROWS, weights, inputs["image"]
    )
    assert close(ours, stock, 1e-6)


# --- EarlyExitNet -----------------------------------------------------------------------------


class Examples(NamedTuple):
    """Images, the surest first, with their likeliest classes' shares and the late exit's logits."""

    weights: Arrays
    images: np.ndarray
    confidence: np.ndarray
    late: np.ndarray

    def native_weights(self) -> Arrays:
        return {name: array.astype(np.float32) for name, array in self.weights.items()}


@pytest.fixture
def examples(run: Run, flavour: str, answers: dict[Any, Any]) -> Examples:
    if (flavour, "examples") not in answers:
        images = sample_inputs(EARLY, 6, "float32")["image"]
        weights, (result,) = run(EARLY, {"image": images})
        confidence = softmax(result["early_logits"].astype(np.float64)).max(axis=-1)
        order = np.argsort(-confidence)
        ordered = (images[order], confidence[order], result["logits"][order])
        answers[flavour, "examples"] = Examples(weights, *ordered)
    return answers[flavour, "examples"]


def test_a_batch_leaves_when_all_of_it_is_sure(
    run: Run, examples: Examples, tolerance: float
) -> None:
    w, images, confidence, _ = examples
    x = max_pool(relu(conv(w, "conv1", images)))
    x = max_pool(relu(conv(w, "conv2", x)))
    early = dense(w, "early_fc", flat(x))
    x = relu(conv(w, "conv4", relu(conv(w, "conv3", x))))
    late = dense(w, "fc", x.mean(axis=(1, 2)))
    for threshold, leaves in ((confidence[-1] - 1e-4, True), (confidence[-1] + 1e-4, False)):
        _, (result,) = run(exits_at(float(threshold)), {"image": images})
        assert close(result["early_logits"], early, tolerance)
        assert close(result["logits"], early if leaves else late, tolerance)
        assert same(result["logits"], result["early_logits"]) is leaves


def test_nobody_leaves_a_batch_in_which_one_is_in_doubt(run: Run, examples: Examples) -> None:
    _, images, confidence, late = examples
    assert confidence[0] - confidence[-1] > 0.05
    network = exits_at(float(confidence[0] + confidence[-1]) / 2)
    batches = (images[:1], images[-1:], images[[0, -1]])
    _, results = run(network, *({"image": batch} for batch in batches))
    sure, doubtful, both = (result["logits"] for result in results)
    assert same(sure, results[0]["early_logits"])
    assert close(doubtful, late[-1:], 1e-5)
    assert close(both, late[[0, -1]], 1e-5)
    assert not close(sure, both[:1], 1e-3)


def test_the_second_stage_is_not_computed_for_those_that_leave(
    native: Native, examples: Examples
) -> None:
    """One function, compiled once, decides anew for each batch."""
    _, images, confidence, late = examples
    assert confidence[1] - confidence[-2] > 0.01
    network = exits_at(float(confidence[1] + confidence[-2]) / 2)
    batches = [images[cut] for cut in ([0, 1], [-2, -1], [0, -1], [1, 0])]
    executed = native("executions", network, examples.native_weights(), batches)
    for variant in ("eager", "compiled"):
        runs = [result["runs"] for result in executed[variant]]
        assert runs == [0, 1, 1, 0], variant
        for result in executed[variant]:
            assert same(*result["outputs"]) is (result["runs"] == 0)
        assert close(executed[variant][1]["outputs"][0], late[-2:].astype(np.float32), 1e-5)


def test_both_exits_are_trained(native: Native, examples: Examples) -> None:
    _, images, confidence, late = examples
    network = exits_at(float(confidence[-1]) / 2)
    modes = native("forward", network, examples.native_weights(), {"image": images})
    evaluated, trained = (modes[mode]["calls"][0] for mode in ("evaluation", "training"))
    assert same(*evaluated)
    assert close(trained[0], late.astype(np.float32), 1e-5)
    assert close(trained[1], evaluated[1], 1e-5)


# --- bad arguments and bad inputs -------------------------------------------------------------

CONSTRUCTORS = {
    "heads": "embed_dim must be divisible by num_heads, not 10 by 3",
    "threshold": "threshold must be in (0, 1), not 1.5",
    "threshold 0": "threshold must be in (0, 1), not 0.0",
    "threshold as text": "threshold must be in (0, 1), not '0.5'",
    "block": "growth_rate must be a whole number of at least 1, not 0",
    "half a channel": "growth_rate must be a whole number of at least 1, not 1.5",
    "network": "growth_rate must be a whole number of at least 1, not 0",
}
CALLS = {
    "high image": "height and width must be divisible by 8, not 20 x 16",
    "wide image": "height and width must be divisible by 8, not 16 x 20",
    "columns": "columns must be at most 168, a multiple of 4, not 172",
    "part of a step": "columns must be at most 168, a multiple of 4, not 10",
    "tokens": "there may be at most 7 tokens, not 8",
    "mask": "attention_mask must have shape (2, 5, 7), the first two perhaps 1, not (2, 7, 5)",
    "flat mask": "attention_mask must have shape (2, 5, 7), the first two perhaps 1, not (5, 7)",
}


def test_the_panels_complain_in_the_same_words(native: Native, flavour: str) -> None:
    messages = native("complaints")
    assert messages.keys() == {*CONSTRUCTORS, *CALLS}
    for name, expected in CONSTRUCTORS.items():
        assert messages[name] == expected
    for name, expected in CALLS.items():
        # Keras tells around it which layer was called, and with what.
        assert (
            expected in messages[name]
            if flavour.startswith("keras")
            else expected == messages[name]
        )


def test_bad_arguments_are_configuration_errors(worker: Worker) -> None:
    image = {"image": Tensor("HWC", (4, 4, 3))}
    networks = [
        replace(ATTENTION, config={"embed_dim": 10, "num_heads": 3}),
        exits_at(1.5),
        exits_at(0.0),
        replace(exits_at(0.5), config={"threshold": "0.5"}),
        Network("dense", "DenseBlock", {**DENSE.config, "growth_rate": 0}, image, {}),
        Network("dense", "DenseBlock", {**DENSE.config, "growth_rate": 1.5}, image, {}),
        replace(SPECS["dense_net"].network, config={"growth_rate": 0}),
    ]
    messages = worker.call(refused_networks, worker.backend, networks)
    assert messages == list(CONSTRUCTORS.values())
