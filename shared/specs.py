"""One frozen description of every architecture: what to build, on what, for which task.

Nothing is imported here but the standard library, so that listing the catalogue costs nothing.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from shared.errors import ConfigurationError

Config = Mapping[str, Any]

PANELS = {"torch": "torch_impl", "flax": "flax_impl", "keras": "keras_impl"}
"""The backends, in the order of every table, and the package of each."""


END, START = 10, 11
"""The tokens after a sequence's last digit and before its first; the digits are 0 to 9."""


@dataclass(frozen=True)
class Tensor:
    """An input or output without its batch axis.

    `axes` has one letter an axis: H W space, C channels, T S steps of a sequence, N heads, D a
    vector's width, K classes. "HWC" marks an image and "HWK" classes at every pixel, which each
    backend turns into its own layout. `dtype` "float" is the model's own. With `any_size` the
    network takes images of every height and width that `divisor` divides, and `shape` is an
    example. Integers lie in [`low`, `high`].
    """

    axes: str
    shape: tuple[int, ...]
    dtype: Literal["float", "int32", "bool"] = "float"
    any_size: bool = False
    divisor: int = 1
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Network:
    """One class with its constructor's arguments, inputs and outputs: what a backend builds.

    A value of `config` may be a network itself: it is built first and passed in.
    """

    file: str
    cls: str
    config: Config
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    def plain_config(self) -> dict[str, Any]:
        """The configuration with nested networks as dictionaries, for JSON and file metadata."""
        return {
            key: {"cls": value.cls, "config": value.plain_config()}
            if isinstance(value, Network)
            else value
            for key, value in self.config.items()
        }


@dataclass(frozen=True)
class Case:
    """A network that parity is proved on, with the counts that it must have."""

    label: str
    network: Network
    parameters: int
    buffers: int = 0


@dataclass(frozen=True)
class Objective:
    """One term of a loss: an output held against a target.

    "cross_entropy" takes logits (B, ..., K) and labels int32 (B, ...): one an example, a pixel or
    a token. It is the mean over all labels of the batch that are not negative; those below 0 do not
    count. With `smoothing` s the wanted probabilities are 1 - s for the label and s spread evenly
    over all K classes (Szegedy et al., 2015, arXiv:1512.00567). "mean_squared_error" takes two
    arrays of one shape, and is the mean over all values. The terms are added with their weights.
    """

    output: str
    target: str
    loss: Literal["cross_entropy", "mean_squared_error"]
    weight: float = 1.0
    smoothing: float = 0.0


METRICS = {
    "accuracy": "test accuracy",
    "mean_iou": "test mean IoU",
    "decoded_accuracy": "test digits right, decoded",
    "left_early": "test left early",
}
"""What a network is scored by, all in percent, and how tables call it.

"accuracy": of the first objective's labels that count, how many are the largest logit. "mean_iou":
the intersection of predicted and true pixels over their union, the mean over the classes.
"decoded_accuracy": of the digits in a sequence, how many are in their place when the network writes
on its own (`decode`), without being told the right ones before. "left_early": of the examples, how
many were given the first objective's output of the second objective: the early exit's.
"""


@dataclass(frozen=True)
class Task:
    """What an architecture is trained for; `shared.tasks` makes its arrays from the digits.

    The first objective's output is the classifier whose accuracy is reported; the first of the
    metrics (see `METRICS`) is the score. Evaluation is done in batches of `evaluation_batch`.
    """

    name: str
    summary: str
    objectives: tuple[Objective, ...]
    metrics: tuple[str, ...] = ("accuracy",)
    evaluation_batch: int = 500


OPTIMIZERS = ("adam", "adamw", "sgd")


@dataclass(frozen=True)
class Settings:
    """How to train.

    Optimizers: "sgd" (with `momentum`, which `nesterov` looks ahead by), "adam" and "adamw" (beta
    0.9 and 0.999, `epsilon` beside the corrected root as in Kingma and Ba, 2015, arXiv:1412.6980).
    `weight_decay` is AdamW's, decoupled from the gradient (Loshchilov and Hutter, 2019,
    arXiv:1711.05101) and of all parameters. Gradients are scaled down to a global norm of
    `clip_norm`. With `warmup_steps` W the first W steps have 1, 2, ... W parts in W + 1 of the
    learning rate. With `decay_steps` it then falls to 0 along half a cosine over so many steps
    (Loshchilov and Hutter, 2017, arXiv:1608.03983), and stays there. Without `dropout` the layers
    of that name do nothing in training either: frameworks draw other masks, and without them the
    same network's trainings differ by rounding alone.
    """

    epochs: int = 5
    batch_size: int = 64
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    nesterov: bool = False
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None
    decay_steps: int | None = None
    warmup_steps: int | None = None
    dropout: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "decay_steps", "warmup_steps"):
            value = getattr(self, name)
            if value is None and name in ("decay_steps", "warmup_steps"):
                continue
            if not isinstance(value, int) or value < 1:
                raise ConfigurationError(
                    f"{name} must be a whole number of at least 1, not {value!r}"
                )
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS[:-1])
            raise ConfigurationError(
                f"optimizer must be {known} or {OPTIMIZERS[-1]}, not {self.optimizer!r}"
            )
        for name in ("learning_rate", "epsilon", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigurationError(f"{name} must be above 0, not {value!r}")
        if not 0 <= self.momentum < 1:
            raise ConfigurationError(f"momentum must be in [0, 1), not {self.momentum!r}")
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise ConfigurationError("nesterov needs the optimizer sgd with a momentum above 0")
        if not 0 <= self.weight_decay < float("inf"):
            raise ConfigurationError(f"weight_decay must be at least 0, not {self.weight_decay!r}")
        if self.weight_decay and self.optimizer != "adamw":
            raise ConfigurationError(
                f"weight_decay is of the optimizer adamw, not of {self.optimizer}"
            )


@dataclass(frozen=True)
class Preset:
    """Settings made for one purpose, with a schedule as long as the training.

    The learning rate rises for the part `warmup` of all steps, and falls to 0 in the others.
    """

    summary: str
    settings: Settings
    warmup: float

    def scheduled(self, settings: Settings, examples: int) -> Settings:
        """These settings, perhaps changed ones of the preset, for so many training examples."""
        steps = settings.epochs * (examples // settings.batch_size)
        rising = round(self.warmup * steps)
        return replace(settings, warmup_steps=rising or None, decay_steps=max(steps - rising, 1))


@dataclass(frozen=True)
class Spec:
    """An architecture: how its network is made, its counts, its task, its further parity cases.

    `presets` are other settings to train with, by name.
    """

    name: str
    summary: str
    make: Callable[..., Network]
    parameters: int
    buffers: int = 0
    task: Task | None = None
    settings: Settings = field(default_factory=Settings)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    more_cases: tuple[Case, ...] = ()

    @property
    def network(self) -> Network:
        """The default network."""
        return self.make()

    def require_task(self) -> Task:
        """The task that the architecture is trained for.

        Raises:
            ConfigurationError: it is not trained.
        """
        if self.task is None:
            raise ConfigurationError(
                f"{self.name} is {self.summary}: it is not trained; train the network that it wraps"
            )
        return self.task

    def preset(self, name: str) -> Preset:
        """The preset of that name.

        Raises:
            ConfigurationError: there is none, or the architecture has none of that name.
        """
        choose("preset", name, sorted({key for spec in SPECS.values() for key in spec.presets}))
        if name not in self.presets:
            others = ", ".join(spec.name for spec in SPECS.values() if name in spec.presets)
            raise ConfigurationError(
                f"{self.name} has no preset {name!r}; there is one of {others} alone"
            )
        return self.presets[name]

    def configured(self, config: Config) -> Network:
        """The network with some of its constructor's arguments changed.

        Raises:
            ConfigurationError: an argument does not exist, or its value makes no network.
        """
        defaults = self.network.config
        for key, value in config.items():
            if key not in defaults or isinstance(defaults[key], Network):
                known = ", ".join(defaults) or "no argument"
                raise ConfigurationError(
                    f"{self.network.cls} has no {key!r} to set; it has {known}"
                )
            if isinstance(defaults[key], float):
                if not (isinstance(value, (int, float)) and 0 <= value < 1):
                    raise ConfigurationError(f"{key} must be in [0, 1), not {value!r}")
            elif not (type(value) is int and value >= 1):
                raise ConfigurationError(f"{key} must be a whole number above 0, not {value!r}")
        return self.make(**config)

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every network that parity is proved on, the default first."""
        return (Case("default", self.network, self.parameters, self.buffers), *self.more_cases)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the architecture is written in, its own first."""
        return tuple(dict.fromkeys(case.network.file for case in self.cases))


DIGITS = Task(
    "digits",
    "ten classes, cross-entropy on the logits",
    (Objective("logits", "label", "cross_entropy"),),
)
DIGITS_AND_SLANT = Task(
    "digits_and_slant",
    "ten classes, and the digit's slant by least squares",
    (
        Objective("class_output", "label", "cross_entropy"),
        Objective("reg_output", "slant", "mean_squared_error"),
    ),
)
SMOOTHED_DIGITS = Task(
    "digits",
    "ten classes, cross-entropy with labels smoothed by a tenth: so few digits are soon known by "
    "heart, and a perceptron gains half a per cent if it may not be sure of them",
    (Objective("logits", "label", "cross_entropy", smoothing=0.1),),
)
EARLY_EXIT = Task(
    "digits",
    "ten classes at both exits; evaluated one image at a time, for each leaves by itself",
    (
        Objective("logits", "label", "cross_entropy"),
        Objective("early_logits", "label", "cross_entropy"),
    ),
    metrics=("accuracy", "left_early"),
    evaluation_batch=1,
)
SEGMENTATION = Task(
    "segmentation",
    "two to four digits on a canvas of 64x64, each pixel its digit or background",
    (Objective("logits", "mask", "cross_entropy"),),
    metrics=("mean_iou", "accuracy"),
    evaluation_batch=100,
)
TRANSCRIPTION = Task(
    "transcription",
    "a strip of three to six digits, read as a sequence of pixel columns, to the digits in order",
    (Objective("logits", "following", "cross_entropy"),),
    metrics=("decoded_accuracy", "accuracy"),
)

IMAGE = Tensor("HWC", (28, 28, 1))
# Flattens to 49 pixels like 28x28 does, but is no square: height and width cannot be swapped.
WIDE_IMAGE = Tensor("HWC", (4, 196, 1))


def _classifier(file: str, cls: str, config: Config, image: Tensor, classes: int) -> Network:
    """A network from one image to one vector of logits."""
    return Network(file, cls, config, {"image": image}, {"logits": Tensor("K", (classes,))})


def _flat(image: Tensor, size: int) -> Tensor:
    """What a perceptron of `size` inputs takes: the image if it has as many values, or a vector."""
    return image if math.prod(image.shape) == size else Tensor("D", (size,))


def _block(
    file: str, cls: str, config: Config, given: tuple[int, ...], made: tuple[int, ...]
) -> Network:
    """A part of a network on its own, from feature maps (H, W, C) to feature maps."""
    features = {"features": Tensor("HWC", made)}
    return Network(file, cls, config, {"image": Tensor("HWC", given, any_size=True)}, features)


def _basic_net(
    input_size: int = 784,
    hidden_size: int = 128,
    output_size: int = 10,
    dropout_rate: float = 0.2,
    image: Tensor = IMAGE,
) -> Network:
    config = {
        "input_size": input_size,
        "hidden_size": hidden_size,
        "output_size": output_size,
        "dropout_rate": dropout_rate,
    }
    return _classifier("mlp", "BasicNet", config, _flat(image, input_size), output_size)


def _mimo_net(metadata_size: int = 10, num_classes: int = 10, image: Tensor = IMAGE) -> Network:
    return Network(
        "mimo",
        "MIMONet",
        {"metadata_size": metadata_size, "num_classes": num_classes},
        {"image": image, "metadata": Tensor("D", (metadata_size,))},
        {"class_output": Tensor("K", (num_classes,)), "reg_output": Tensor("D", (1,))},
    )


def _simple_resnet(num_blocks: int = 2, num_classes: int = 10, image: Tensor = IMAGE) -> Network:
    config = {"num_blocks": num_blocks, "num_classes": num_classes}
    return _classifier("residual", "SimpleResNet", config, image, num_classes)


def _residual_block(
    in_channels: int, out_channels: int, stride: int, height: int, width: int
) -> Network:
    config = {"in_channels": in_channels, "out_channels": out_channels, "stride": stride}
    smaller = (-(-height // stride), -(-width // stride), out_channels)
    return _block("residual", "ResidualBlock", config, (height, width, in_channels), smaller)


def _mnist_classifier(image: Tensor = IMAGE) -> Network:
    return _classifier("mnist_cnn", "MNISTClassifier", {}, image, 10)


def _branching_net(
    width: int = 32, num_classes: int = 10, height: int = 28, breadth: int = 28
) -> Network:
    config = {"width": width, "num_classes": num_classes}
    image = Tensor("HWC", (height, breadth, 1), any_size=True)
    return _classifier("branching", "BranchingNet", config, image, num_classes)


def _sequential_net(
    input_size: int = 784,
    hidden_size: int = 128,
    output_size: int = 10,
    dropout_rate: float = 0.2,
    image: Tensor = IMAGE,
) -> Network:
    config = {
        "input_size": input_size,
        "hidden_size": hidden_size,
        "output_size": output_size,
        "dropout_rate": dropout_rate,
    }
    return _classifier("sequential", "SequentialNet", config, _flat(image, input_size), output_size)


def _skip_mlp(
    depth: int = 4,
    width: int = 128,
    input_size: int = 784,
    num_classes: int = 10,
    image: Tensor = IMAGE,
) -> Network:
    config = {
        "depth": depth,
        "width": width,
        "input_size": input_size,
        "num_classes": num_classes,
    }
    return _classifier("skip", "SkipMLP", config, _flat(image, input_size), num_classes)


def _inception_net(
    width: int = 16, num_classes: int = 10, height: int = 28, breadth: int = 28
) -> Network:
    config = {"width": width, "num_classes": num_classes}
    image = Tensor("HWC", (height, breadth, 1), any_size=True)
    return _classifier("inception", "InceptionNet", config, image, num_classes)


def _inception_block(in_channels: int, width: int, height: int, breadth: int) -> Network:
    config = {"in_channels": in_channels, "width": width}
    given, made = (height, breadth, in_channels), (height, breadth, 4 * width)
    return _block("inception", "InceptionBlock", config, given, made)


def _dense_net(
    growth_rate: int = 12,
    num_layers: int = 4,
    num_classes: int = 10,
    height: int = 28,
    breadth: int = 28,
) -> Network:
    config = {"growth_rate": growth_rate, "num_layers": num_layers, "num_classes": num_classes}
    image = Tensor("HWC", (height, breadth, 1), any_size=True)
    return _classifier("dense", "DenseNet", config, image, num_classes)


def _dense_block(
    in_channels: int, growth_rate: int, num_layers: int, height: int, breadth: int
) -> Network:
    config = {"in_channels": in_channels, "growth_rate": growth_rate, "num_layers": num_layers}
    wider = in_channels + num_layers * growth_rate
    given, made = (height, breadth, in_channels), (height, breadth, wider)
    return _block("dense", "DenseBlock", config, given, made)


def _transition(in_channels: int, out_channels: int, height: int, breadth: int) -> Network:
    config = {"in_channels": in_channels, "out_channels": out_channels}
    given, made = (height, breadth, in_channels), (height // 2, breadth // 2, out_channels)
    return _block("dense", "Transition", config, given, made)


def _row_gru(
    input_size: int = 28, hidden_size: int = 64, num_classes: int = 10, image: Tensor = IMAGE
) -> Network:
    config = {"input_size": input_size, "hidden_size": hidden_size, "num_classes": num_classes}
    return _classifier("recurrent", "RowGRU", config, image, num_classes)


def _early_exit_net(
    threshold: float = 0.9, num_classes: int = 10, image: Tensor = IMAGE
) -> Network:
    logits = Tensor("K", (num_classes,))
    return Network(
        "early_exit",
        "EarlyExitNet",
        {"threshold": threshold, "num_classes": num_classes},
        {"image": image},
        {"logits": logits, "early_logits": logits},
    )


def _unet(
    in_channels: int = 1,
    num_classes: int = 11,
    base_width: int = 16,
    depth: int = 3,
    height: int = 64,
    breadth: int = 64,
) -> Network:
    return Network(
        "unet",
        "UNet",
        {
            "in_channels": in_channels,
            "num_classes": num_classes,
            "base_width": base_width,
            "depth": depth,
        },
        {"image": Tensor("HWC", (height, breadth, in_channels), any_size=True, divisor=2**depth)},
        {"logits": Tensor("HWK", (height, breadth, num_classes))},
    )


def _unet_part(cls: str, in_channels: int, out_channels: int, height: int, width: int) -> Network:
    config = {"in_channels": in_channels, "out_channels": out_channels}
    factor = {"DoubleConv": 1.0, "Down": 0.5, "Up": 2.0}[cls]
    made = (int(height * factor), int(width * factor), out_channels)
    network = _block("unet", cls, config, (height, width, in_channels), made)
    if cls == "Up":
        skip = Tensor("HWC", made, any_size=True)
        network = replace(network, inputs={**network.inputs, "skip": skip})
    return network


def _double_conv_count(in_channels: int, out_channels: int) -> int:
    return 9 * (in_channels + out_channels) * out_channels + 4 * out_channels


def _seq2seq(
    num_rows: int = 28,
    num_classes: int = 10,
    embed_dim: int = 64,
    num_heads: int = 4,
    num_layers: int = 2,
    columns_per_step: int = 4,
    max_columns: int = 168,
    max_tokens: int = 7,
) -> Network:
    steps = max_columns // columns_per_step
    return Network(
        "seq2seq",
        "Seq2Seq",
        {
            "num_rows": num_rows,
            "num_classes": num_classes,
            "embed_dim": embed_dim,
            "num_heads": num_heads,
            "num_layers": num_layers,
            "columns_per_step": columns_per_step,
            "max_columns": max_columns,
            "max_tokens": max_tokens,
        },
        {
            "columns": Tensor("SD", (max_columns, num_rows)),
            "length": Tensor("", (), "int32", low=1, high=max_columns),
            "tokens": Tensor("T", (max_tokens,), "int32", high=num_classes + 1),
        },
        {
            "logits": Tensor("TK", (max_tokens, num_classes + 1)),
            "attention": Tensor("TS", (max_tokens, steps)),
        },
    )


def _attention(cls: str, embed_dim: int, num_heads: int, length: int, size: int) -> Network:
    """A part of the Seq2Seq on its own: sequences of vectors and a mask in and out."""
    config = {"embed_dim": embed_dim, "num_heads": num_heads}
    x, context = Tensor("TD", (length, embed_dim)), Tensor("SD", (size, embed_dim))
    if cls == "EncoderLayer":
        inputs = {"x": context, "attention_mask": Tensor("SS", (size, size), "bool")}
        return Network("attention", cls, config, inputs, {"features": context})
    return Network(
        "attention",
        cls,
        config,
        {"x": x, "context": context, "attention_mask": Tensor("TS", (length, size), "bool")},
        {"features": x, "weights": Tensor("NTS", (num_heads, length, size))},
    )


def _attention_counts(embed_dim: int) -> tuple[int, int, int]:
    """The parameters of attention, of an encoder layer and of a decoder layer."""
    attention = 4 * embed_dim**2 + 3 * embed_dim
    dense = 8 * embed_dim**2 + 5 * embed_dim
    return (
        attention,
        attention + dense + 2 * 2 * embed_dim,
        2 * attention + dense + 3 * 2 * embed_dim,
    )


def inference_model(base_model: Network) -> Network:
    """The frozen wrapper around any network here, with that network's inputs and outputs."""
    return Network(
        "inference",
        "InferenceModel",
        {"base_model": base_model},
        base_model.inputs,
        base_model.outputs,
    )


_CATALOGUE = (
    Spec(
        "basic_net",
        "a perceptron with two hidden layers and dropout",
        _basic_net,
        parameters=109_386,
        task=DIGITS,
        settings=Settings(epochs=10),
        more_cases=(
            Case(
                "6x5 image, 3 channels",
                _basic_net(90, 24, 7, 0.5, image=Tensor("HWC", (6, 5, 3))),
                parameters=(90 * 24 + 24) + (24 * 12 + 12) + (12 * 7 + 7),
            ),
        ),
    ),
    Spec(
        "mimo_net",
        "two inputs, image and metadata; two outputs, class and slant",
        _mimo_net,
        parameters=445_163,
        task=DIGITS_AND_SLANT,
        more_cases=(
            Case(
                "4x196 image, 3 metadata, 4 classes",
                _mimo_net(3, 4, WIDE_IMAGE),
                parameters=445_163 - 7 * 64 - 6 * 129,
            ),
        ),
    ),
    Spec(
        "simple_resnet",
        "residual blocks with batch norm in two stages",
        _simple_resnet,
        parameters=736_970,
        buffers=2 * (64 + 4 * 64 + 5 * 128),
        task=DIGITS,
        settings=Settings(epochs=2),
        more_cases=(
            Case(
                "4x196 image, 1 block, 6 classes",
                _simple_resnet(1, 6, WIDE_IMAGE),
                parameters=64 * 9 + 128 + 73_984 + 230_144 + 6272 * 6 + 6,
                buffers=2 * (64 + 2 * 64 + 3 * 128),
            ),
            Case(
                "block 64 to 64",
                _residual_block(64, 64, 1, height=5, width=8),
                parameters=73_984,
                buffers=2 * 2 * 64,
            ),
            Case(
                "block 64 to 128, stride 2",
                _residual_block(64, 128, 2, height=6, width=8),
                parameters=230_144,
                buffers=2 * 3 * 128,
            ),
            Case(
                "block 3 to 5, stride 2, odd height",
                _residual_block(3, 5, 2, height=7, width=10),
                parameters=5 * 3 * 9 + 5 * 5 * 9 + 5 * 3 + 3 * 10,
                buffers=2 * 3 * 5,
            ),
        ),
    ),
    Spec(
        "mnist_classifier",
        "two convolutions and two dense layers, with its training log",
        _mnist_classifier,
        parameters=421_642,
        task=DIGITS,
        settings=Settings(epochs=10),
        presets={
            # Five seeds in each backend: 99.07 to 99.22 %. One epoch gives 98.8 %; batches of 128,
            # and peaks below 0.003, less than this.
            "fast": Preset(
                "the fewest seconds to 99 % of the full MNIST's test digits",
                Settings(epochs=2, learning_rate=5e-3),
                warmup=0.3,
            )
        },
        more_cases=(Case("4x196 image", _mnist_classifier(WIDE_IMAGE), parameters=421_642),),
    ),
    Spec(
        "branching_net",
        "two branches and a skip, added; global average",
        _branching_net,
        parameters=54_026,
        task=DIGITS,
        settings=Settings(epochs=8, learning_rate=1e-2),
        more_cases=(
            Case(
                "9x14 image, width 6, 3 classes",
                _branching_net(6, 3, height=9, breadth=14),
                parameters=(54 + 6) + 3 * (324 + 6) + (900 + 6) + (18 + 3),
            ),
        ),
    ),
    Spec(
        "sequential_net",
        "basic_net's layers in one Sequential",
        _sequential_net,
        parameters=109_386,
        task=DIGITS,
        settings=Settings(epochs=10),
        more_cases=(
            Case(
                "6x5 image, 3 channels",
                _sequential_net(90, 24, 7, 0.5, image=Tensor("HWC", (6, 5, 3))),
                parameters=(90 * 24 + 24) + (24 * 12 + 12) + (12 * 7 + 7),
            ),
        ),
    ),
    Spec(
        "skip_mlp",
        "a perceptron of any depth with overlapping skips",
        _skip_mlp,
        parameters=167_818,
        task=SMOOTHED_DIGITS,
        settings=Settings(
            epochs=15, batch_size=32, optimizer="sgd", learning_rate=0.1, momentum=0.0
        ),
        more_cases=(
            Case(
                "4x7 image, 3 channels, depth 3, 5 classes",
                _skip_mlp(3, 12, 84, 5, image=Tensor("HWC", (4, 7, 3))),
                parameters=(84 * 12 + 12) + 3 * (12 * 12 + 12) + (12 * 5 + 5),
            ),
        ),
    ),
    Spec(
        "inception_net",
        "blocks of four branches, concatenated by channels",
        _inception_net,
        parameters=13_514,
        task=DIGITS,
        settings=Settings(epochs=8, learning_rate=3e-3),
        more_cases=(
            Case(
                "9x14 image, width 6, 4 classes",
                _inception_net(6, 4, height=9, breadth=14),
                parameters=(9 * 6 + 6)
                + (2 * (6 * 6 + 6) + 2 * (6 * 3 + 3) + (27 * 6 + 6) + (75 * 6 + 6))
                + (2 * (24 * 6 + 6) + 2 * (24 * 3 + 3) + (27 * 6 + 6) + (75 * 6 + 6))
                + (24 * 4 + 4),
            ),
            Case(
                "block 5 channels to 4 times 6",
                _inception_block(5, 6, height=4, breadth=7),
                parameters=2 * (5 * 6 + 6) + 2 * (5 * 3 + 3) + (27 * 6 + 6) + (75 * 6 + 6),
            ),
        ),
    ),
    Spec(
        "dense_net",
        "dense blocks: every layer sees all before it, concatenated",
        _dense_net,
        parameters=46_210,
        buffers=1_080,
        task=DIGITS,
        more_cases=(
            Case(
                "9x14 image, growth 3, 3 layers, 4 classes",
                _dense_net(3, 3, 4, height=9, breadth=14),
                parameters=9 * 6
                + (2 + 9 * 3) * (6 + 9 + 12)
                + (2 * 15 + 15 * 7)
                + (2 + 9 * 3) * (7 + 10 + 13)
                + 2 * 16
                + (16 * 4 + 4),
                buffers=2 * ((6 + 9 + 12) + 15 + (7 + 10 + 13) + 16),
            ),
            Case(
                "block 5 channels, growth 2, 3 layers",
                _dense_block(5, 2, 3, height=4, breadth=7),
                parameters=(2 + 9 * 2) * (5 + 7 + 9),
                buffers=2 * (5 + 7 + 9),
            ),
            Case(
                "transition 6 to 4, odd height",
                _transition(6, 4, height=7, breadth=10),
                parameters=2 * 6 + 6 * 4,
                buffers=2 * 6,
            ),
        ),
    ),
    Spec(
        "unet",
        "an encoder and a decoder with skips; a class at every pixel",
        _unet,
        parameters=482_619,
        buffers=1_408,
        task=SEGMENTATION,
        settings=Settings(epochs=8, batch_size=16),
        more_cases=(
            Case(
                "8x12 canvas, 2 channels, 3 classes, depth 2",
                _unet(2, 3, 3, 2, height=8, breadth=12),
                parameters=sum(
                    _double_conv_count(i, o) for i, o in ((2, 3), (3, 6), (6, 12), (12, 6), (6, 3))
                )
                + (4 * 12 * 6 + 6)
                + (4 * 6 * 3 + 3)
                + (3 * 3 + 3),
                buffers=2 * 2 * (3 + 6 + 12 + 6 + 3),
            ),
            Case(
                "double convolution 3 to 5",
                _unet_part("DoubleConv", 3, 5, height=4, width=7),
                parameters=_double_conv_count(3, 5),
                buffers=2 * 2 * 5,
            ),
            Case(
                "down 3 to 5",
                _unet_part("Down", 3, 5, height=6, width=8),
                parameters=_double_conv_count(3, 5),
                buffers=2 * 2 * 5,
            ),
            Case(
                "up 6 to 4",
                _unet_part("Up", 6, 4, height=3, width=5),
                parameters=(4 * 6 * 4 + 4) + _double_conv_count(8, 4),
                buffers=2 * 2 * 4,
            ),
        ),
    ),
    Spec(
        "seq2seq",
        "a Transformer that reads a strip of pixel columns and writes its digits",
        _seq2seq,
        parameters=242_059,
        task=TRANSCRIPTION,
        settings=Settings(epochs=30),
        more_cases=(
            Case(
                "12 columns of 5 rows, 3 classes, 1 layer",
                _seq2seq(5, 3, 8, 2, 1, 3, 12, 4),
                parameters=(15 * 8 + 8)
                + (5 * 8)
                + sum(_attention_counts(8)[1:])
                + 2 * 16
                + (8 * 4 + 4),
            ),
            Case(
                "attention, 3 heads, 5 to 7 steps",
                _attention("MultiHeadAttention", 12, 3, 5, 7),
                parameters=_attention_counts(12)[0],
            ),
            Case(
                "encoder layer, 7 steps",
                _attention("EncoderLayer", 12, 3, 5, 7),
                parameters=_attention_counts(12)[1],
            ),
            Case(
                "decoder layer, 5 to 7 steps",
                _attention("DecoderLayer", 12, 3, 5, 7),
                parameters=_attention_counts(12)[2],
            ),
        ),
    ),
    Spec(
        "row_gru",
        "a recurrent network with a cell of its own, over the rows of an image",
        _row_gru,
        parameters=18_698,
        task=DIGITS,
        settings=Settings(epochs=10, learning_rate=3e-3),
        more_cases=(
            Case(
                "7x10 image, 3 channels, 4 classes",
                _row_gru(30, 12, 4, Tensor("HWC", (7, 10, 3))),
                parameters=(36 * 30 + 36) + (36 * 12 + 36) + (12 * 4 + 4),
            ),
        ),
    ),
    Spec(
        "early_exit_net",
        "two exits: a batch that the first one is sure of skips the second stage",
        _early_exit_net,
        parameters=76_564,
        task=EARLY_EXIT,
        more_cases=(
            Case(
                "4x196 image, 4 classes, never leaves",
                _early_exit_net(0.999, 4, WIDE_IMAGE),
                parameters=76_564 - 6 * 1569 - 6 * 65,
            ),
            Case("leaves or stays by the batch", _early_exit_net(0.4), parameters=76_564),
            Case(
                "4x196 image, always leaves",
                _early_exit_net(0.05, 10, WIDE_IMAGE),
                parameters=76_564,
            ),
        ),
    ),
    Spec(
        "inference_model",
        "a frozen wrapper that predicts with any classifier (here mnist_classifier)",
        partial(inference_model, _mnist_classifier()),
        parameters=421_642,
        more_cases=(
            Case(
                "around simple_resnet, 4x196 image",
                inference_model(_simple_resnet(1, 10, WIDE_IMAGE)),
                parameters=64 * 9 + 128 + 73_984 + 230_144 + 62_730,
                buffers=2 * (64 + 2 * 64 + 3 * 128),
            ),
            Case(
                "around mimo_net",
                inference_model(_mimo_net()),
                parameters=445_163,
            ),
        ),
    ),
)

SPECS: Mapping[str, Spec] = {spec.name: spec for spec in _CATALOGUE}
"""The catalogue, by name."""


def choose(kind: str, name: str, names: Iterable[str]) -> str:
    """`name` if it is one of `names`.

    Raises:
        ConfigurationError: it is not; the sentence has the names that are, and the nearest.
    """
    known = list(names)
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(f"there is no {kind} {name!r}; there are {', '.join(known)}.{hint}")


def find(name: str) -> Spec:
    """The spec of that name; a class's or a file's name will do, that of a part too.

    Raises:
        ConfigurationError: there is none; the sentence has the names that there are.
    """
    return _find(name)[0]


def find_file(name: str) -> str:
    """The file, without its suffix, in which that architecture, or that class, is.

    Raises:
        ConfigurationError: there is none; the sentence has the names that there are.
    """
    return _find(name)[1].file


def _find(name: str) -> tuple[Spec, Network]:
    for spec in SPECS.values():
        for case in spec.cases:
            if name in (case.network.cls, case.network.file):
                return spec, case.network
    spec = SPECS[choose("architecture", name, SPECS)]
    return spec, spec.network
