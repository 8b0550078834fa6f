"""What a spec is made of: tensors, networks, parity cases, tasks, settings and presets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, Literal

from shared.choosing import choose
from shared.errors import ConfigurationError

Config = Mapping[str, Any]

END, START = 10, 11
"""The tokens after a sequence's last digit and before its first; the digits are 0 to 9."""


@dataclass(frozen=True)
class Tensor:
    """An input or output without its batch axis.

    `axes` has one letter for each axis: H and W space, C channels, T and S steps of a sequence,
    N heads, D the width of a vector, K classes. "HWC" marks an image and "HWK" classes at every
    pixel. Each backend turns these two into its own layout.

    The dtype "float" is the model's own. Integers lie in [`low`, `high`]. With `any_size` the
    network takes images of every height and width that `divisor` divides, and `shape` is an
    example.
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
    """What a backend builds: a class, its constructor's arguments, its inputs and outputs.

    A value of `config` may be a network itself. It is built first and passed in.
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
    trainers: bool = False
    """Whether trainers are compared on it too; they are on the smallest whole network anyway."""


@dataclass(frozen=True)
class Operations:
    """The floating-point operations that a default network takes for one example.

    `forward` is the pass in evaluation mode. `training` is a whole step: the pass in training mode,
    the gradients by the weights, and the gradients by what the layers take. The network's own
    inputs need no gradient.

    Matrix products and convolutions are counted, two operations for each multiply-add. The products
    with the zeros of a convolution's padding count too. So the numbers hold for every backend,
    whatever its libraries really do. Biases, activations, normalisation, pooling and the optimizer
    are not counted.

    Both stages of an EarlyExitNet are counted, though a batch may skip the second one. For a
    Seq2Seq one pass is counted in which the right tokens are known, not `decode`. An InferenceModel
    is not trained: its `training` is 0.

    The numbers are recorded. `tests/backends/test_operations.py` holds them against PyTorch's own
    counter, exactly.
    """

    forward: int
    training: int


@dataclass(frozen=True)
class Objective:
    """One term of a loss: an output held against a target.

    "cross_entropy" takes logits (B, ..., K) and labels int32 (B, ...): one for each example, pixel
    or token. It is the mean over the labels of the batch. Negative labels do not count. With
    `smoothing` s the target gives 1 - s to the label, and spreads s evenly over all K classes
    (Szegedy et al., 2015, arXiv:1512.00567).

    "mean_squared_error" takes two arrays of one shape. It is the mean over all values.

    The terms are added with their weights.
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

"accuracy" is of the first objective: how many of the labels that count have the largest logit.
"mean_iou" is the intersection of predicted and true pixels over their union, the mean over the
classes. "decoded_accuracy" is how many of a sequence's digits are in their place when the network
writes on its own (`decode`), without being told the right ones before. "left_early" is how many of
the examples left at the early exit, so that the outputs of both objectives are the same.
"""


@dataclass(frozen=True)
class Task:
    """What an architecture is trained for; `shared.data.tasks` makes its arrays from the digits.

    The first objective's output is the classifier whose accuracy is reported. The first of the
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

    The optimizer "sgd" has `momentum`, by which `nesterov` looks ahead. Momentum sums gradients,
    and the learning rate of a step multiplies the whole sum. "adam" and "adamw" have beta 0.9 and
    0.999, and `epsilon` beside the corrected root (Kingma and Ba, 2015, arXiv:1412.6980).
    `weight_decay` is AdamW's: it is decoupled from the gradient, and it applies to all parameters
    (Loshchilov and Hutter, 2019, arXiv:1711.05101). Gradients are scaled down to a global norm of
    `clip_norm`.

    With `warmup_steps` W the first W steps have 1, 2, ... W parts in W + 1 of the learning rate.
    With `decay_steps` it then falls to 0 along half a cosine over so many steps (Loshchilov and
    Hutter, 2017, arXiv:1608.03983), and stays there.

    Without `dropout` the layers of that name do nothing in training either. Frameworks draw
    different masks; without them the same network's trainings differ by rounding alone.
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
            if type(value) is not int or value < 1:
                raise ConfigurationError(
                    f"{name} must be a whole number of at least 1, not {value!r}"
                )
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS[:-1])
            raise ConfigurationError(
                f"optimizer must be {known} or {OPTIMIZERS[-1]}, not {self.optimizer!r}"
            )
        for name in ("learning_rate", "epsilon", "clip_norm"):
            if name == "clip_norm" and self.clip_norm is None:
                continue
            value = getattr(self, name)
            if not (_is_number(value) and 0 < value < float("inf")):
                raise ConfigurationError(f"{name} must be above 0, not {value!r}")
        for name in ("dropout", "nesterov"):
            if not isinstance(value := getattr(self, name), bool):
                raise ConfigurationError(f"{name} must be True or False, not {value!r}")
        if not (_is_number(self.momentum) and 0 <= self.momentum < 1):
            raise ConfigurationError(f"momentum must be in [0, 1), not {self.momentum!r}")
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise ConfigurationError("nesterov needs the optimizer sgd with a momentum above 0")
        if not (_is_number(self.weight_decay) and 0 <= self.weight_decay < float("inf")):
            raise ConfigurationError(f"weight_decay must be at least 0, not {self.weight_decay!r}")
        if self.weight_decay and self.optimizer != "adamw":
            raise ConfigurationError(
                f"weight_decay is of the optimizer adamw, not of {self.optimizer}"
            )


@dataclass(frozen=True)
class Preset:
    """Settings for one purpose, with a schedule as long as the training.

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

    Attributes:
        name: What commands and tables call it.
        summary: What it is, in a few words.
        make: Makes a network from some of its constructor's arguments, and the default one from
            none. It may take the size of the inputs too.
        parameters: How many the default network has.
        operations: How many the default network takes.
        buffers: How many of batch norm's statistics the default network has.
        task: What it is trained for; None if it is not trained.
        settings: How it is trained.
        presets: Other settings to train with, by name.
        more_cases: The networks that parity is proved on, beside the default one.
        shows: What may be learned from it, in a few words: `list` and docs/architectures.md say it.
        position: The place in the catalogue and in every table. Those of one position are ordered
            by name. A new architecture needs none, and comes after those that have one.
        preset_owners: The architectures that have a preset, by its name. The catalogue fills it in.
    """

    name: str
    summary: str
    make: Callable[..., Network]
    parameters: int
    operations: Operations
    buffers: int = 0
    task: Task | None = None
    settings: Settings = field(default_factory=Settings)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    more_cases: tuple[Case, ...] = ()
    shows: str = ""
    position: int = 1000
    preset_owners: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

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
        choose("preset", name, sorted({*self.presets, *self.preset_owners}))
        if name not in self.presets:
            owners = ", ".join(self.preset_owners[name])
            raise ConfigurationError(
                f"{self.name} has no preset {name!r}; there is one of {owners} alone"
            )
        return self.presets[name]

    def configured(self, config: Config) -> Network:
        """The network with some of its constructor's arguments changed.

        A whole number must be at least 1. A share, whose default is in [0, 1), stays in there; any
        other number may be any finite one, and the class itself refuses what makes no network.

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
                _check_number(key, value, share=0 <= defaults[key] < 1)
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


def _is_number(value: Any) -> bool:
    """Whether it is a number, one of NumPy's perhaps; a truth is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_number(name: str, value: object, *, share: bool) -> None:
    """Raise ConfigurationError unless the value is a finite number, and a share if it must be."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if share and not 0 <= number < 1:
        raise ConfigurationError(f"{name} must be in [0, 1), not {value!r}")
    if not -math.inf < number < math.inf:  # whole numbers may be larger than floats
        raise ConfigurationError(f"{name} must be a finite number, not {value!r}")
