"""The networks as users of each framework have them; what is done is in `tests.native`."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.interface import TensorInfo
from shared.panels import PANELS
from shared.parity import recipes
from shared.parity.samples import sample_inputs, sample_weights
from shared.specs import SPECS, Case, Network, Spec, Tensor
from tests.assertions import close
from tests.conftest import Native
from tests.flavours import ALL, in_flavours, in_flavours_with

IMAGE = Tensor("HWC", (28, 28, 1))
WIDE = Tensor("HWC", (4, 196, 1))
CLASSIFIER = Network(
    "mnist_cnn", "MNISTClassifier", {}, {"image": WIDE}, {"logits": Tensor("K", (10,))}
)
# To the wrapper a network is its inputs, its outputs and what depends on the mode: in these it is
# as in basic_net, or, of dense_net, as in simple_resnet.
ALIKE = ("branching_net", "sequential_net", "skip_mlp", "inception_net", "dense_net")
CLASSIFIERS = {
    spec.name: (spec.more_cases or spec.cases)[0].network
    for spec in SPECS.values()
    if spec.task and spec.network.outputs[spec.task.objectives[0].output].axes == "K"
    if spec.name not in ALIKE
}
Shapes = dict[str, tuple[int, ...]]
Arrays = dict[str, np.ndarray]


def random_weights(native: Native, network: Network, seed: int = 3) -> Arrays:
    """Weights for every tensor of a network, none of them a default."""
    rows = [
        TensorInfo(name, shape, "float32", "parameter")
        for name, shape in native("rebuild", network)[0]["shapes"].items()
        if not name.endswith("num_batches_tracked")
    ]
    assert rows
    return sample_weights(rows, "float32", seed)


def random_inputs(network: Network, batch: int = 4, seed: int = 0) -> Arrays:
    return sample_inputs(network, batch, "float32", seed)


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether two networks' outputs are equal to the last bit, and are numbers at all."""
    assert one
    assert all(array.size and np.isfinite(array).all() for array in one)
    pairs = zip(one, other, strict=True)
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def changed(before: Arrays, after: Arrays) -> set[str]:
    """The names of the tensors that are no longer what they were."""
    assert before
    assert before.keys() == after.keys()
    return {name for name in before if before[name].tobytes() != after[name].tobytes()}


def is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var"))


# --- the native files themselves --------------------------------------------------------------


def test_native_checks_mirror_each_other() -> None:
    folder = Path(__file__).with_name("native")
    common = {}
    for backend in PANELS:
        tree = ast.parse((folder / f"{backend}_checks.py").read_text("utf-8"))
        common[backend] = {
            node.name: ast.unparse(node.args)
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
            and node.name
            in {
                "names",
                "rebuild",
                "defaults",
                "forward",
                "reach",
                "save_and_load",
                "features",
                "log",
                "train",
                "wrap",
                "predictions",
                "executions",
                "complaints",
            }
        }
    assert len(common["torch"]) == 13
    assert common["torch"] == common["flax"] == common["keras"]


# --- every network ----------------------------------------------------------------------------


@in_flavours(native=True)
def test_a_network_keeps_its_contract(
    native: Native,
    flavour: str,
    spec: Spec,
    case: Case,
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    network = case.network
    assert network.file in spec.files
    with subtests.test("its configuration gives the same network again"):
        first, *copies = native("rebuild", network)
        assert first["shapes"]
        assert copies
        assert all(copy == first for copy in copies)
        own = {"name", "trainable", "dtype"} if flavour.startswith("keras") else set()
        assert first["class"] == network.cls
        assert first["config"].keys() == {*network.config, *own}
        for key, value in network.config.items():
            assert first["config"][key] == (value.cls if isinstance(value, Network) else value)

    if not (ALL or recipes.is_whole(spec, case)):
        return  # the rest is shown by the network that it is a part of
    weights, inputs = random_weights(native, network), random_inputs(network)
    modes = native("forward", network, weights, inputs)
    with subtests.test("evaluation repeats itself and changes nothing"):
        first, second = modes["evaluation"]["calls"]
        assert [array.shape for array in first] == [
            (4, *tensor.shape) for tensor in network.outputs.values()
        ]
        assert {array.dtype for array in first} == {np.dtype(np.float32)}
        assert same(first, second)
        assert not changed(weights, modes["evaluation"]["weights"])

    with subtests.test("training moves batch norm's statistics alone"):
        statistics = {name for name in weights if is_statistic(name)}
        frozen = network.cls == "InferenceModel"
        moved = set() if frozen else statistics
        assert changed(weights, modes["training"]["weights"]) == moved
        assert bool(statistics) == bool(case.buffers)

    with subtests.test("saving and loading keep every bit"):
        kept = native("save_and_load", network, weights, inputs, tmp_path)
        assert same(kept["loaded"], kept["saved"])
        assert not same(kept["fresh"], kept["saved"])


# --- constructors and names -------------------------------------------------------------------


def test_constructors_fill_in_the_stated_defaults(native: Native) -> None:
    defaults = {
        name: {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}
        for name, config in native("defaults").items()
    }
    perceptron = {
        "input_size": 784,
        "hidden_size": 128,
        "output_size": 10,
        "dropout_rate": 0.2,
    }
    channels = {"in_channels": 3, "out_channels": 5}
    heads = {"embed_dim": 6, "num_heads": 3}
    assert defaults == {
        "BasicNet": perceptron,
        "MIMONet": {"metadata_size": 10, "num_classes": 10},
        "SimpleResNet": {"num_blocks": 2, "num_classes": 10},
        "ResidualBlock": {**channels, "stride": 1},
        "BranchingNet": {"width": 32, "num_classes": 10},
        "MNISTClassifier": {},
        "SequentialNet": perceptron,
        "SkipMLP": {"depth": 4, "width": 128, "input_size": 784, "num_classes": 10},
        "InceptionNet": {"width": 16, "num_classes": 10},
        "InceptionBlock": {"in_channels": 3, "width": 5},
        "DenseNet": {"growth_rate": 12, "num_layers": 4, "num_classes": 10},
        "DenseBlock": {"in_channels": 3, "growth_rate": 5, "num_layers": 2},
        "Transition": channels,
        "UNet": {"in_channels": 1, "num_classes": 11, "base_width": 16, "depth": 3},
        "DoubleConv": channels,
        "Down": channels,
        "Up": channels,
        "Seq2Seq": {
            "num_rows": 28,
            "num_classes": 10,
            "embed_dim": 64,
            "num_heads": 4,
            "num_layers": 2,
            "columns_per_step": 4,
            "max_columns": 168,
            "max_tokens": 7,
        },
        "MultiHeadAttention": heads,
        "EncoderLayer": heads,
        "DecoderLayer": heads,
        "RowGRU": {"input_size": 28, "hidden_size": 64, "num_classes": 10},
        "GRUCell": {"input_size": 3, "hidden_size": 5},
        "EarlyExitNet": {"threshold": 0.9, "num_classes": 10},
    }


def layer(name: str, *shape: int) -> Shapes:
    """A dense or convolution layer with a bias."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def norm(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts}


def block(name: str, inside: int, outside: int, *, shortcut: bool) -> Shapes:
    shapes = {
        f"{name}.conv1.weight": (outside, inside, 3, 3),
        **norm(f"{name}.bn1", outside),
        f"{name}.conv2.weight": (outside, outside, 3, 3),
        **norm(f"{name}.bn2", outside),
    }
    if shortcut:
        shapes[f"{name}.shortcut.0.weight"] = (outside, inside, 1, 1)
        shapes |= norm(f"{name}.shortcut.1", outside)
    return shapes


def inception(name: str, inside: int, width: int, reduced: int) -> Shapes:
    return {
        **layer(f"{name}.conv1", width, inside, 1, 1),
        **layer(f"{name}.reduce3", reduced, inside, 1, 1),
        **layer(f"{name}.conv3", width, reduced, 3, 3),
        **layer(f"{name}.reduce5", reduced, inside, 1, 1),
        **layer(f"{name}.conv5", width, reduced, 5, 5),
        **layer(f"{name}.pool_conv", width, inside, 1, 1),
    }


def dense_block(name: str, *seen: int) -> Shapes:
    """A block of DenseNet, by the channels that each of its layers sees."""
    shapes: Shapes = {}
    for number, channels in enumerate(seen):
        shapes |= norm(f"{name}.norms.{number}", channels)
        shapes[f"{name}.convs.{number}.weight"] = (12, channels, 3, 3)
    return shapes


def double_conv(name: str, inside: int, outside: int) -> Shapes:
    return {
        f"{name}.conv1.weight": (outside, inside, 3, 3),
        **norm(f"{name}.bn1", outside),
        f"{name}.conv2.weight": (outside, outside, 3, 3),
        **norm(f"{name}.bn2", outside),
    }


def up(name: str, inside: int, outside: int) -> Shapes:
    return {
        f"{name}.up.weight": (inside, outside, 2, 2),  # PyTorch has a transposed kernel so
        f"{name}.up.bias": (outside,),
        **double_conv(f"{name}.conv", 2 * outside, outside),
    }


def transformer_layer(name: str, *attentions: str) -> Shapes:
    shapes = {**layer(f"{name}.fc1", 256, 64), **layer(f"{name}.fc2", 64, 256)}
    for number in range(len(attentions) + 1):
        shapes |= layer(f"{name}.norm{number + 1}", 64)
    for attention in attentions:
        shapes[f"{name}.{attention}.key.weight"] = (64, 64)
        for part in ("query", "value", "out"):
            shapes |= layer(f"{name}.{attention}.{part}", 64, 64)
    return shapes


CLASSIFIER_SHAPES = {
    **layer("features.0", 32, 1, 3, 3),
    **layer("features.3", 64, 32, 3, 3),
    **layer("classifier.0", 128, 3136),
    **layer("classifier.3", 10, 128),
}
NAMES: dict[str, Shapes] = {
    "basic_net": {
        **layer("fc1", 128, 784),
        **layer("fc2", 64, 128),
        **layer("fc3", 10, 64),
    },
    "mimo_net": {
        **layer("conv1", 32, 1, 3, 3),
        **layer("conv2", 64, 32, 3, 3),
        **layer("image_fc", 128, 3136),
        **layer("meta_fc1", 64, 10),
        **layer("meta_fc2", 32, 64),
        **layer("combined_fc", 128, 160),
        **layer("class_output", 10, 128),
        **layer("reg_output", 1, 128),
    },
    "simple_resnet": {
        "conv1.weight": (64, 1, 3, 3),
        **norm("bn1", 64),
        **block("layer1.0", 64, 64, shortcut=False),
        **block("layer1.1", 64, 64, shortcut=False),
        **block("layer2.0", 64, 128, shortcut=True),
        **block("layer2.1", 128, 128, shortcut=False),
        **layer("fc", 10, 6272),
    },
    "mnist_classifier": CLASSIFIER_SHAPES,
    "branching_net": {
        **layer("conv1", 32, 1, 3, 3),
        **layer("conv2a", 32, 32, 3, 3),
        **layer("conv3a", 32, 32, 3, 3),
        **layer("conv2b", 32, 32, 5, 5),
        **layer("conv3b", 32, 32, 3, 3),
        **layer("fc", 10, 32),
    },
    "sequential_net": {
        **layer("stack.0", 128, 784),
        **layer("stack.3", 64, 128),
        **layer("stack.5", 10, 64),
    },
    "skip_mlp": {
        **layer("first", 128, 784),
        **layer("hidden.0", 128, 128),
        **layer("hidden.1", 128, 128),
        **layer("hidden.2", 128, 128),
        **layer("hidden.3", 128, 128),
        **layer("fc", 10, 128),
    },
    "inception_net": {
        **layer("conv1", 16, 1, 3, 3),
        **inception("block1", 16, 16, 8),
        **inception("block2", 64, 16, 8),
        **layer("fc", 10, 64),
    },
    "dense_net": {
        "conv1.weight": (24, 1, 3, 3),
        **dense_block("block1", 24, 36, 48, 60),
        **norm("transition.norm", 72),
        "transition.conv.weight": (36, 72, 1, 1),
        **dense_block("block2", 36, 48, 60, 72),
        **norm("norm", 84),
        **layer("fc", 10, 84),
    },
    "unet": {
        **double_conv("stem", 1, 16),
        **double_conv("downs.0.conv", 16, 32),
        **double_conv("downs.1.conv", 32, 64),
        **double_conv("downs.2.conv", 64, 128),
        **up("ups.0", 128, 64),
        **up("ups.1", 64, 32),
        **up("ups.2", 32, 16),
        **layer("head", 11, 16, 1, 1),
    },
    "seq2seq": {
        **layer("columns_fc", 64, 112),
        **transformer_layer("encoder.0", "attention"),
        **transformer_layer("encoder.1", "attention"),
        **layer("encoder_norm", 64),
        "embedding.weight": (12, 64),
        **transformer_layer("decoder.0", "self_attention", "cross_attention"),
        **transformer_layer("decoder.1", "self_attention", "cross_attention"),
        **layer("decoder_norm", 64),
        **layer("fc", 11, 64),
    },
    "row_gru": {
        **layer("cell.input_gates", 192, 28),
        **layer("cell.hidden_gates", 192, 64),
        **layer("fc", 10, 64),
    },
    "early_exit_net": {
        **layer("conv1", 16, 1, 3, 3),
        **layer("conv2", 32, 16, 3, 3),
        **layer("early_fc", 10, 1568),
        **layer("conv3", 64, 32, 3, 3),
        **layer("conv4", 64, 64, 3, 3),
        **layer("fc", 10, 64),
    },
    "inference_model": {f"base_model.{name}": s for name, s in CLASSIFIER_SHAPES.items()},
}


@in_flavours_with("name", {name: SPECS[name].network for name in NAMES})
def test_tensors_have_pytorchs_names(native: Native, flavour: str, name: str) -> None:
    counters: Shapes = {}
    if flavour == "torch":
        means = [key for key in NAMES[name] if key.endswith("running_mean")]
        counters = {key.replace("running_mean", "num_batches_tracked"): () for key in means}
    assert native("names", SPECS[name].network) == {**NAMES[name], **counters}


# --- calls, modes, saving ---------------------------------------------------------------------


@in_flavours_with(
    "name", {n: SPECS[n].network for n in ("basic_net", "mnist_classifier", "sequential_net")}
)
def test_dropout_changes_outputs_in_training(native: Native, name: str) -> None:
    network = SPECS[name].network
    weights, inputs = random_weights(native, network), random_inputs(network)
    assert not same(*native("forward", network, weights, inputs)["training"]["calls"])


@pytest.mark.parametrize(
    ("spec", "names", "rate"),
    [
        ("basic_net", ("fc1", "fc2", "fc3"), 0.2),
        ("basic_net", ("fc1", "fc2", "fc3"), 0.5),
        ("sequential_net", ("stack.0", "stack.3", "stack.5"), 0.2),
    ],
)
def test_dropout_zeroes_the_stated_share(
    native: Native, spec: str, names: tuple[str, str, str], rate: float
) -> None:
    """The logit is what dropout makes of 1."""
    config = {"input_size": 1, "hidden_size": 2, "output_size": 1, "dropout_rate": rate}
    network, inputs = SPECS[spec].make(**config), {"image": np.ones((5000, 1), np.float32)}
    first, second, third = names
    weights = {
        f"{first}.weight": np.ones((2, 1), np.float32),
        f"{first}.bias": np.zeros(2, np.float32),
        f"{second}.weight": np.array([[1, 0]], np.float32),
        f"{second}.bias": np.zeros(1, np.float32),
        f"{third}.weight": np.ones((1, 1), np.float32),
        f"{third}.bias": np.zeros(1, np.float32),
    }
    modes = native("forward", network, weights, inputs)
    assert (modes["evaluation"]["calls"][0][0] == 1).all()
    logits = modes["training"]["calls"][0][0]
    dropped = logits == 0
    # Five standard deviations of a share of 5000 independent units.
    assert abs(dropped.mean() - rate) < 5 * (rate * (1 - rate) / 5000) ** 0.5
    np.testing.assert_allclose(logits[~dropped], 1 / (1 - rate), rtol=1e-6)


def test_classifier_drops_half_before_its_last_layer(native: Native) -> None:
    weights = {name: np.zeros(shape, np.float32) for name, shape in CLASSIFIER_SHAPES.items()}
    weights["classifier.0.bias"][:] = 1
    weights["classifier.3.weight"][:, :10] = np.eye(10)
    inputs = random_inputs(CLASSIFIER, 300)
    modes = native("forward", CLASSIFIER, weights, inputs)
    assert (modes["evaluation"]["calls"][0][0] == 1).all()
    logits = modes["training"]["calls"][0][0]
    assert abs((logits == 0).mean() - 0.5) < 5 * (0.25 / 3000) ** 0.5
    assert set(np.unique(logits)) == {0, 2}


def normed(x: np.ndarray, mean: np.ndarray, var: np.ndarray, weights: Arrays, name: str) -> Any:
    """Batch norm by its formula."""
    scaled = (x - mean) / np.sqrt(var + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


@pytest.mark.parametrize("mode", ["evaluation", "training"])
def test_batch_norm_follows_the_mode(native: Native, flavour: str, mode: str) -> None:
    """Both convolutions pass their input on, so that a residual block is its two batch norms."""
    image = Tensor("HWC", (5, 7, 3))
    config = {"in_channels": 3, "out_channels": 3, "stride": 1}
    network = Network("residual", "ResidualBlock", config, {"image": image}, {"features": image})
    weights = random_weights(native, network)
    for name in ("conv1", "conv2"):
        weights[f"{name}.weight"][:] = 0
        weights[f"{name}.weight"][:, :, 1, 1] = np.eye(3)
    inputs = random_inputs(network)
    measured = native("forward", network, weights, inputs)[mode]
    train = mode == "training"

    # PyTorch keeps the unbiased variance of a batch, the others the biased one.
    count = 4 * 5 * 7
    factor = count / (count - 1) if flavour == "torch" else 1.0
    x = inputs["image"].astype(np.float64)
    running = {name: value.astype(np.float64) for name, value in weights.items()}

    def norm_of(y: np.ndarray, name: str) -> Any:
        mean, var = running[f"{name}.running_mean"], running[f"{name}.running_var"]
        if train:
            mean, var = y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2))
            for part, new in (("running_mean", mean), ("running_var", var * factor)):
                running[f"{name}.{part}"] = 0.9 * running[f"{name}.{part}"] + 0.1 * new
        return normed(y, mean, var, weights, name)

    for (result,) in measured["calls"]:
        out = norm_of(np.maximum(norm_of(x, "bn1"), 0), "bn2")
        assert close(result, np.maximum(out + x, 0), 1e-5)
    moved = {name for name in weights if is_statistic(name)}
    assert len(moved) == 4
    for name in moved:
        assert close(measured["weights"][name], running[name], 1e-6)
        assert (measured["weights"][name] != weights[name]).any() == train


# --- the classifier with its log --------------------------------------------------------------


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> Any:
    """A 3x3 convolution of x (N, C, H, W), padded by 1."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3)
    )
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]


def pooled(x: np.ndarray) -> Any:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def test_features_are_flattened_with_channels_first(native: Native) -> None:
    weights, images = random_weights(native, CLASSIFIER), random_inputs(CLASSIFIER)["image"]
    measured = native("features", weights, images)
    x = images.astype(np.float64).transpose(0, 3, 1, 2)
    for name in ("features.0", "features.3"):
        x = convolved(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
        x = pooled(np.maximum(x, 0))
    assert measured["features"].shape == (4, 3136)
    assert close(measured["features"], x.reshape(4, 3136), 1e-5)


def test_no_gradient_goes_through_extracted_features(native: Native) -> None:
    weights, images = random_weights(native, CLASSIFIER), random_inputs(CLASSIFIER)["image"]
    measured = native("features", weights, images)
    assert set(measured["through_extracted"].values()) == {0.0}
    assert max(measured["through_flat"].values()) > 0  # which the measurement would have seen


def test_log_starts_empty_and_takes_epochs(native: Native) -> None:
    new, told, other = native("log")
    empty: dict[str, list[float]] = {"losses": [], "train_accuracy": [], "val_accuracy": []}
    assert new == empty
    assert told == {
        "losses": [0.5, 0.25],
        "train_accuracy": [80.0, 90.0],
        "val_accuracy": [79.0, 88.0],
    }
    assert other == empty


def test_log_stays_out_of_the_loss(native: Native) -> None:
    """Hidden units are off, so that the logits are the last bias: the loss is known by hand."""
    weights = random_weights(native, CLASSIFIER)
    weights["classifier.0.weight"][:] = 0
    weights["classifier.0.bias"][:] = -1
    images = random_inputs(CLASSIFIER, 6)["image"].reshape(6, 28, 28, 1)
    labels = np.array([3, 1, 4, 1, 5, 9], np.int32)
    training = native("train", weights, images, labels, 2, 0.5)

    bias = weights["classifier.3.bias"].astype(np.float64)
    losses = []
    for _ in range(3):
        shares = np.exp(bias) / np.exp(bias).sum()
        losses.append(-np.log(shares[labels]).mean())
        bias = bias - 0.5 * (shares - np.bincount(labels, minlength=10) / 6)
        if len(losses) == 2:
            trained = bias
    np.testing.assert_allclose([*training["losses"], training["evaluated"]], losses, rtol=1e-5)
    assert losses[2] < losses[1] < losses[0]
    assert close(training["bias"], trained, 1e-5)
    assert training["log"] == [100.0]


# --- the frozen wrapper -----------------------------------------------------------------------


@in_flavours_with("network", CLASSIFIERS)
def test_a_wrapper_keeps_its_contract(
    native: Native, network: Network, subtests: pytest.Subtests
) -> None:
    weights, inputs = random_weights(native, network), random_inputs(network)
    wrapped = native("wrap", network, weights, inputs)
    with subtests.test("it leaves its network alone"):
        # In evaluation mode, though the network inside is in training.
        assert wrapped["in_training_mode"] is False
        assert len(wrapped["first"]) == len(network.outputs)
        assert same(wrapped["first"], wrapped["second"])
        pairs = zip(wrapped["first"], wrapped["expected"], strict=True)
        assert all(close(a, b, 1e-6) for a, b in pairs)
        # The network inside keeps mode, flags and weights.
        before, after = wrapped["status"]
        assert before == after
        assert before
        assert not changed(*wrapped["weights"])

    with subtests.test("no gradient goes through it"):
        assert set(wrapped["through_wrapper"].values()) == {0.0}
        # And the network inside can be trained; the heads that the loss leaves out are still.
        assert len(wrapped["through_base"]) == len(wrapped["through_wrapper"])
        still = sum(value == 0 for value in wrapped["through_base"].values())
        assert still == 2 * (len(network.outputs) - 1)

    with subtests.test("it shows what its network learns outside"):
        pairs = zip(wrapped["wrapper_trained"], wrapped["base_trained"], strict=True)
        assert all(close(a, b, 1e-6) for a, b in pairs)
        assert not close(wrapped["wrapper_trained"][0], wrapped["first"][0], 1e-3)

    logits = wrapped["expected"][0].astype(np.float64)
    likeliest = logits.argmax(axis=1)
    labels = likeliest.astype(np.int32)
    labels[1] = (labels[1] + 1) % logits.shape[1]  # one of four is wrong
    batches = [
        ({name: array[cut] for name, array in inputs.items()}, labels[cut])
        for cut in (slice(0, 3), slice(3, 4))
    ]
    predicted = native("predictions", network, weights, batches)
    with subtests.test("it predicts"):
        assert predicted["classes"].shape == (3,)
        assert predicted["classes"].dtype.kind == "i"
        assert predicted["classes"].tolist() == likeliest[:3].tolist()
        assert predicted["with_confidence"].tolist() == likeliest[:3].tolist()
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert predicted["confidence"].dtype == np.float32
        assert close(predicted["confidence"], shares.max(axis=1)[:3], 1e-5)
        assert predicted["together"].tolist() == likeliest.tolist()
        assert predicted["true"].tolist() == labels.tolist()
        assert predicted["evaluated"] == (75.0, 3, 4)
        assert [type(value) for value in predicted["evaluated"]] == [float, int, int]


def test_wrapper_counts_every_pixel(native: Native) -> None:
    network = SPECS["unet"].more_cases[0].network
    inputs, labels = random_inputs(network, 2), np.zeros((2, 8, 12), np.int32)
    weights = random_weights(native, network)
    predicted = native("predictions", network, weights, [(inputs, labels)])
    assert predicted["together"].shape == labels.shape
    correct = int((predicted["together"] == 0).sum())
    assert predicted["evaluated"] == (100 * correct / labels.size, correct, labels.size)
    assert [type(value) for value in predicted["evaluated"]] == [float, int, int]


def test_wrapper_says_that_there_are_no_batches(native: Native) -> None:
    inputs = [(random_inputs(CLASSIFIER, 1), np.zeros(1, np.int32))]
    answers = native("predictions", CLASSIFIER, random_weights(native, CLASSIFIER), inputs)
    assert (
        answers["complaints"]
        == ["predict_batch needs at least one batch (inputs, labels), and got none"] * 2
    )
