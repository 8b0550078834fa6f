"""One frozen description of every architecture: what to build, on what, for which task.

Nothing is imported here but the standard library, so that listing the catalogue costs nothing.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from shared.errors import ConfigurationError

Config = Mapping[str, Any]

PANELS = {"torch": "torch_impl", "flax": "flax_impl", "keras": "keras_impl"}
"""The backends, in the order of every table, and the package of each."""


@dataclass(frozen=True)
class Tensor:
    """An input or output without its batch axis.

    `axes` has one letter an axis: H W space, C channels, D a vector's width, K classes. "HWC" marks
    an image, which each backend turns into its own layout. `dtype` "float" is the model's own. With
    `any_size` the network takes images of every height and width, and `shape` is an example.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: Literal["float", "int32"] = "float"
    any_size: bool = False


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

    "cross_entropy" takes logits (B, K) and labels int32 (B,); "mean_squared_error" takes two
    arrays of one shape. Both are means over the batch; the terms are added with their weights.
    """

    output: str
    target: str
    loss: Literal["cross_entropy", "mean_squared_error"]
    weight: float = 1.0


@dataclass(frozen=True)
class Task:
    """What an architecture is trained for; `shared.tasks` makes its arrays from the digits.

    The first objective's output is the classifier whose accuracy is reported.
    """

    name: str
    summary: str
    objectives: tuple[Objective, ...]


@dataclass(frozen=True)
class Settings:
    """How to train. Optimizers: "adam" (beta 0.9 and 0.999, epsilon 1e-8), "sgd" (`momentum`)."""

    epochs: int = 5
    batch_size: int = 64
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigurationError(
                    f"{name} must be a whole number of at least 1, not {value!r}"
                )
        if self.optimizer not in ("adam", "sgd"):
            raise ConfigurationError(f"optimizer must be adam or sgd, not {self.optimizer!r}")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigurationError(f"learning_rate must be above 0, not {self.learning_rate!r}")
        if not 0 <= self.momentum < 1:
            raise ConfigurationError(f"momentum must be in [0, 1), not {self.momentum!r}")


@dataclass(frozen=True)
class Spec:
    """An architecture: how its network is made, its counts, its task, its further parity cases."""

    name: str
    summary: str
    make: Callable[..., Network]
    parameters: int
    buffers: int = 0
    task: Task | None = None
    settings: Settings = field(default_factory=Settings)
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

IMAGE = Tensor("HWC", (28, 28, 1))
# Flattens to 49 pixels like 28x28 does, but is no square: height and width cannot be swapped.
WIDE_IMAGE = Tensor("HWC", (4, 196, 1))


def _classifier(file: str, cls: str, config: Config, image: Tensor, classes: int) -> Network:
    """A network from one image to one vector of logits."""
    return Network(file, cls, config, {"image": image}, {"logits": Tensor("K", (classes,))})


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
    if input_size != math.prod(image.shape):
        image = Tensor("D", (input_size,))
    return _classifier("mlp", "BasicNet", config, image, output_size)


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
    """A residual block on its own, from feature maps to feature maps."""
    smaller = (-(-height // stride), -(-width // stride), out_channels)
    return Network(
        "residual",
        "ResidualBlock",
        {"in_channels": in_channels, "out_channels": out_channels, "stride": stride},
        {"image": Tensor("HWC", (height, width, in_channels), any_size=True)},
        {"features": Tensor("HWC", smaller)},
    )


def _mnist_classifier(image: Tensor = IMAGE) -> Network:
    return _classifier("mnist_cnn", "MNISTClassifier", {}, image, 10)


def _branching_net(
    width: int = 32, num_classes: int = 10, height: int = 28, breadth: int = 28
) -> Network:
    config = {"width": width, "num_classes": num_classes}
    image = Tensor("HWC", (height, breadth, 1), any_size=True)
    return _classifier("branching", "BranchingNet", config, image, num_classes)


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
        more_cases=(Case("4x196 image", _mnist_classifier(WIDE_IMAGE), parameters=421_642),),
    ),
    Spec(
        "branching_net",
        "two branches and a skip, added; global average",
        _branching_net,
        parameters=54_026,
        task=DIGITS,
        more_cases=(
            Case(
                "9x14 image, width 6, 3 classes",
                _branching_net(6, 3, height=9, breadth=14),
                parameters=(54 + 6) + 3 * (324 + 6) + (900 + 6) + (18 + 3),
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
    """The spec of that name; a class's or a file's name will do.

    Raises:
        ConfigurationError: there is none; the sentence has the names that there are.
    """
    for spec in SPECS.values():
        if name in (spec.network.cls, spec.network.file):
            return spec
    return SPECS[choose("architecture", name, SPECS)]
