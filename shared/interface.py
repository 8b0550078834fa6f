"""What every backend offers: the protocols that the panels' `engine` follows, and their data.

NumPy goes in and NumPy comes out, in dictionaries by name: images NHWC, tokens and labels int32.
Inside, each backend keeps its framework's own layout.
"""

# The methods of a protocol have no bodies.
# pyright: reportReturnType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from shared.specs import Network, Settings, Task

Arrays = Mapping[str, np.ndarray]

Inputs = Arrays | np.ndarray
"""A network's inputs by name. Where it has one input, the array alone will do."""

PROVED = ("float32", "float64")
"""What networks are watched in and held against each other in, layer by layer."""

DTYPES = (*PROVED, "bfloat16")
"""What networks compute in.

bfloat16 is mixed precision, by the framework's own means: products and convolutions are computed
in bfloat16; parameters, batch norm's statistics, losses, the optimizer's state, and the arrays that
go in and come out are float32.
"""

DEVICES = ("cpu", "cuda")
VARIANTS = ("idiomatic", "tuned")
"""How a backend trains, evaluates and predicts: as the framework's own documentation would write
it, or by the fastest means that give the same numbers but for rounding."""


@dataclass(frozen=True)
class TensorInfo:
    """One row of a parameter table: a canonical name, its shape, its dtype, and its kind."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: Literal["parameter", "buffer"]

    @property
    def size(self) -> int:
        """The number of values."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Place:
    """Where a framework keeps a tensor: its own name, its own shape, and `axes`.

    `axes[i]` is the axis, in the framework's shape, of the canonical axis i.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]


class Trainer(Protocol):
    """An optimizer at work on one model. Batches hold inputs and targets by name.

    Weights that the model loads meanwhile are those of the next step.

    Both steps give `loss` (a mean over the batch), `counted` (how many of the first objective's
    labels count) and `correct` (how many of those are the largest logit), and what the task's
    metrics are made of besides: `intersection` and `union` (K,) for "mean_iou", `left` for
    "left_early". An evaluation step adds `digits` and `decoded` for "decoded_accuracy". They are
    scalars or arrays of the framework, perhaps not computed yet. `float` waits for a scalar, and
    `np.asarray` for what an evaluation step gives; a train step's stay on the device.
    """

    def train_step(self, batch: Arrays) -> Mapping[str, Any]:
        """Change the model by one optimizer step; the losses are those before the change."""

    def evaluation_step(self, batch: Arrays) -> Mapping[str, Any]:
        """The same figures in evaluation mode; the model does not change."""


Masks = Callable[[str, tuple[int, ...]], np.ndarray]
"""Which values a dropout layer keeps: True or False for its canonical name and its input's shape,
which is NHWC where the input is an image."""

Dropout = Masks | Literal["off", "own"]
"""What dropout does in training mode while a network is watched: keep what the masks say, do
nothing, or what the framework does by itself."""

Slots = dict[str, dict[str, np.ndarray]]
"""An optimizer's state: for each parameter's canonical name its arrays under PyTorch's names,
`momentum_buffer`, `exp_avg`, `exp_avg_sq`."""


@dataclass(frozen=True)
class Derivatives:
    """What one pass forward and backward in training mode gives.

    `activations` are as `Probe.watch` gives them. `buffers` are batch norm's statistics after the
    pass.
    """

    activations: dict[str, np.ndarray]
    loss: np.ndarray
    gradients: dict[str, np.ndarray]
    input_gradients: dict[str, np.ndarray]
    buffers: dict[str, np.ndarray]


@dataclass(frozen=True)
class Step:
    """One operation of a network as it ran.

    Attributes:
        kind: What it did: the class of a layer or the name of a function, the framework's own.
        layer: The canonical name of the layer that did it; empty for a bare function.
        block: The canonical name of the module in whose forward method it ran, empty for the
            network's own.
        call: Which call of that block it belongs to, counted from 0.
        inputs: Where what it took came from: the numbers of earlier steps, or names of inputs.
        shapes: The shapes of what it gave, in the framework's own layout, batch axis included.
        file: The file that it is written in, without its suffix.
        line: The line there, counted from 1.
        turns: How often it runs where the framework records a loop once.
    """

    kind: str
    layer: str
    block: str
    call: int
    inputs: tuple[int | str, ...]
    shapes: tuple[tuple[int, ...], ...]
    file: str
    line: int
    turns: int = 1


@dataclass(frozen=True)
class Trace:
    """A network as it ran once, in evaluation mode.

    Attributes:
        steps: Every operation on tensors, in the order in which they ran.
        blocks: The class of every module that has steps of its own, by its canonical name; the
            network itself has the empty one.
        inputs: The shapes of the inputs as the framework was given them.
        outputs: The step that made each output.
    """

    steps: tuple[Step, ...]
    blocks: Mapping[str, str]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, int | str]


class Stepper(Protocol):
    """The framework's own optimizer at work on a watched network, without dropout."""

    def step(self, batch: Arrays) -> None:
        """Change the network by one step on inputs and targets by name."""

    def slots(self) -> Slots:
        """Copies of the optimizer's state."""

    def load_slots(self, slots: Slots, steps: int) -> None:
        """Take another optimizer's state after so many steps."""


class Methods(Protocol):
    """What a network has beside its pass forward, called as a user of the framework calls it.

    All is computed in evaluation mode, on NumPy's arrays, and the model does not change.
    """

    def config(self) -> dict[str, Any]:
        """The arguments that `get_config` gives, without those of the framework's own.

        A network among them is {"cls": the class's name, "config": its arguments}.
        """

    def again(self) -> Model:
        """The network once more, made of what `get_config` says, with weights of its own."""

    def hand_over(self, other: Model, folder: Path) -> None:
        """Save the weights in a folder, and load them into another model, as the framework does."""

    def whole(self, folder: Path) -> Model | None:
        """The network as it is read from a file that has its configuration and its weights.

        None where the framework has no such files.
        """

    def features(self, inputs: Arrays) -> np.ndarray:
        """What `extract_features` gives (B, F)."""

    def passes(self, method: str, inputs: Arrays) -> float:
        """The largest gradient that passes a method, by any parameter or input; 0 if none does.

        It is that of the sum of squares of what the method gives. A method that an InferenceModel
        has is that of the one around the network.
        """

    def batches(self, batches: Sequence[tuple[Arrays, np.ndarray]]) -> dict[str, np.ndarray]:
        """What an InferenceModel says of (inputs, labels).

        `classes` and `labels` int32 (N,), as `predict_batch` gives them; `evaluated` float64 (3,):
        the accuracy in percent, how many were correct, and of how many.
        """


class Probe(Protocol):
    """A model, watched from outside by the framework's own means; the model does not change.

    Layers have canonical names, as their tensors do: `layer1.0.conv1`. Arrays have canonical
    layouts: images are NHWC.
    """

    def watch(
        self, inputs: Arrays, *, train: bool, dropout: Dropout = "off"
    ) -> dict[str, np.ndarray]:
        """What goes into and comes out of every named layer, in the order of execution.

        `NAME:in` is a layer's first input, `NAME:out` its output (`NAME:out1` and so on the
        further ones of a tuple). A layer that is called several times has its calls stacked on a
        new first axis. Layers that only one framework can name, such as containers, may be missing
        in another.
        """

    def trace(self, inputs: Arrays) -> Trace:
        """The operations of one pass in evaluation mode, and what flows between them."""

    def differentiate(self, batch: Arrays, task: Task, *, dropout: Dropout = "off") -> Derivatives:
        """Forward and backward in training mode, on inputs and targets by name."""

    def dropouts(self) -> dict[str, float]:
        """The canonical names of the dropout layers, and the share that each drops."""

    def methods(self) -> Methods:
        """What calls the network's other methods."""

    def stepper(
        self, task: Task, settings: Settings | None, learning_rate: float = 1e-3
    ) -> Stepper:
        """The optimizer of the settings; without any, the library's Adam as it is shipped."""


class Model(Protocol):
    """A network that lives in one framework, on one device.

    Its `repr` says what it is in one line, and a notebook shows a table of its tensors.
    """

    backend: str
    """The name of the backend that it belongs to."""
    network: Network
    dtype: str
    """What it computes in. Its tensors, and the arrays that it takes and gives, have the dtype
    `shared.boundary.kept(dtype)`."""
    device: str
    variant: str
    native: Any
    """The framework's own model."""

    def table(self) -> list[TensorInfo]:
        """Every tensor in canonical names and layouts, in the order of the framework."""

    def places(self) -> dict[str, Place]:
        """Where the framework keeps each tensor, by canonical name."""

    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers in canonical names and layouts."""

    def load_weights(self, weights: Arrays) -> None:
        """Take canonical weights; they are cast to the dtype that the model keeps.

        Raises:
            WeightsError: tensors are missing, extra or misshapen; the sentence names them all, and
                the model is as it was.
        """

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Outputs by name, in evaluation mode.

        Args:
            inputs: Arrays by name, each (B, ...); or the array alone of a network that has one
                input: `model(images)` is `model({"image": images})`.

        Raises:
            InputError: a name, shape or dtype is not the network's, or one array comes alone where
                there are several inputs.
        """

    def predict(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Classes int32 and their probabilities, through the panel's InferenceModel.

        Both are (B,), or (B, H, W) for a network that has classes at every pixel.
        """

    def decode(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """What a network that writes sequences writes on its own: tokens int32 (B, T), attention.

        The inputs are all but the last one, which is the tokens; the attention is (B, T, S).

        Raises:
            ConfigurationError: the network writes no sequences.
        """

    def trainer(self, task: Task, settings: Settings, seed: int) -> Trainer:
        """An optimizer for this model; `seed` is for dropout."""

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Tell a network that keeps a log of its training; others take no notice."""


class Backend(Protocol):
    """One framework."""

    name: str
    unbiased_variance: bool
    """Whether batch norm keeps the unbiased variance of batches for evaluation."""

    def versions(self) -> dict[str, str]:
        """Names and versions of the libraries that compute."""

    def resolved(self) -> dict[str, str]:
        """The settings in force in this process that change how fast, or how exactly, it computes.

        Threads, compilation, TF32: what is left to the framework as what the framework chose.
        """

    def devices(self) -> list[str]:
        """The devices that can be asked for on this machine: "cpu", perhaps "cuda"."""

    def use_highest_precision(self) -> None:
        """In this process, compute float32 as float32 on a GPU too: no TF32."""

    def build(
        self,
        network: Network,
        *,
        seed: int | None = 0,
        dtype: str = "float32",
        device: str = "cpu",
        variant: str = "tuned",
    ) -> Model:
        """A network with the framework's own initial weights, a function of `seed`.

        Where others are loaded next they need not be made: with None they may be anything.

        Raises:
            ConfigurationError: the dtype, device or variant has an unknown name.
            DeviceMissingError: the device is not there.
        """

    def wrap(
        self, network: Network, native: Any, inputs: Arrays, *, dtype: str, device: str = "cpu"
    ) -> Model:
        """A model of the framework that is somebody's own, behind this interface.

        It has a dtype and weights of its own, so that the owner's stays as it is.

        Args:
            network: What it takes; its outputs are found by running it.
            native: A module; in Flax a module and its variables.
            inputs: An example.
            dtype: What to compute in: float32 or float64.
            device: Where.

        Raises:
            ConfigurationError: it cannot be wrapped, or not in this dtype.
            WeightsError: it has tensors that no rule turns into canonical ones.
        """

    def probe(self, model: Model) -> Probe:
        """What watches a model that this backend has built or wrapped.

        Raises:
            ConfigurationError: the model computes in bfloat16, in which networks are not watched.
        """
