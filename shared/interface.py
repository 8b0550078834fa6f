"""What every backend offers: the protocols that the three panels' `backend.py` follow.

NumPy goes in and NumPy comes out, in dictionaries by name: images NHWC, tokens and labels int32.
Inside, each backend keeps its framework's own layout.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from shared.errors import ConfigurationError, InputError
from shared.specs import Network, Settings, Task, Tensor

Arrays = Mapping[str, np.ndarray]
PROVED = ("float32", "float64")
"""What networks are watched in and held against each other in, layer by layer."""

DTYPES = (*PROVED, "bfloat16")
"""What networks compute in.

bfloat16 is mixed precision, by the framework's own means: products and convolutions are computed
in bfloat16; parameters, batch norm's statistics, losses, the optimizer's state, and the arrays that
go in and come out are float32.
"""

DEVICES = ("cpu", "cuda")
WAYS = ("idiomatic", "tuned")
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

    Both steps give `loss` (a mean over the batch), `counted` (how many of the first objective's
    labels count) and `correct` (how many of those are the largest logit), and what the task's
    metrics are made of besides: `intersection` and `union` (K,) for "mean_iou", `left` for
    "left_early". An evaluation step adds `digits` and `decoded` for "decoded_accuracy". They are
    scalars or arrays of the framework, perhaps not computed yet; `np.asarray` waits for them.
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


class Probe(Protocol):
    """A model, watched from outside by the framework's own means; the model does not change.

    Layers have canonical names, as their tensors do: `layer1.0.conv1`. Arrays have canonical
    layouts: images are NHWC.
    """

    def watch(self, inputs: Arrays, *, train: bool, dropout: Dropout = "off") -> dict:
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

    def stepper(
        self, task: Task, settings: Settings | None, learning_rate: float = 1e-3
    ) -> Stepper:
        """The optimizer of the settings; without any, the library's Adam as it is shipped."""


class Model(Protocol):
    """A network that lives in one framework, on one device."""

    network: Network
    dtype: str
    """What it computes in; `kept(dtype)` is that of its tensors and of the arrays that it gives."""
    device: str
    way: str
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

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name, in evaluation mode.

        Raises:
            InputError: a name, shape or dtype is not the network's.
        """

    def predict(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Classes int32 and their probabilities, through the panel's InferenceModel.

        Both are (B,), or (B, H, W) for a network that has classes at every pixel.
        """

    def decode(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """What a network that writes sequences writes on its own: tokens int32 (B, T), attention.

        The inputs are all but the last one, which is the tokens; the attention is (B, T, S).

        Raises:
            ConfigurationError: the network writes no sequences.
        """

    def probe(self) -> Probe:
        """What watches this model.

        Raises:
            ConfigurationError: it computes in bfloat16.
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
        way: str = "tuned",
    ) -> Model:
        """A network with the framework's own initial weights, a function of `seed`.

        Where others are loaded next they need not be made: with None they may be anything.

        Raises:
            ConfigurationError: the dtype, device or way has an unknown name.
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


def check_build(dtype: str, device: str, way: str = "tuned") -> None:
    """Raise ConfigurationError unless dtype, device and way have names that exist."""
    if dtype not in DTYPES:
        raise ConfigurationError(f"dtype must be float32, float64 or bfloat16, not {dtype!r}")
    if device not in DEVICES:
        raise ConfigurationError(f"device must be cpu or cuda, not {device!r}")
    if way not in WAYS:
        raise ConfigurationError(f"way must be idiomatic or tuned, not {way!r}")


def check_proved(dtype: str) -> None:
    """Raise ConfigurationError unless networks are watched in this dtype."""
    if dtype not in PROVED:
        raise ConfigurationError(
            f"networks are watched, and held against each other, in float32 or float64, not in "
            f"{dtype}; `triptych bench --dtype {dtype}` says how far outputs are from float32's"
        )


def kept(dtype: str) -> str:
    """The dtype of a model's tensors, and of the arrays that it takes and gives."""
    return "float32" if dtype == "bfloat16" else dtype


def check_decodes(network: Network, native: Any) -> Network:
    """The network as decoding sees it: without the tokens, its last input.

    Raises:
        ConfigurationError: its class has no method `decode`.
    """
    if not hasattr(native, "decode"):
        raise ConfigurationError(f"{network.cls} writes no sequences: it has no method decode")
    return replace(network, inputs=dict(list(network.inputs.items())[:-1]))


def check_inputs(network: Network, inputs: Arrays, dtype: str) -> list[np.ndarray]:
    """The inputs in the network's order, and in the dtype that arrays have where that is computed.

    Raises:
        InputError: a name is missing or unknown; a shape, dtype or value does not fit; the batch is
            empty.
    """
    if set(inputs) != set(network.inputs):
        raise InputError(
            f"{network.cls} takes the inputs {', '.join(network.inputs)}, "
            f"not {', '.join(inputs) or 'none'}"
        )
    arrays = [
        _checked(name, np.asarray(inputs[name]), tensor, kept(dtype))
        for name, tensor in network.inputs.items()
    ]
    lengths = {name: len(array) for name, array in zip(network.inputs, arrays, strict=True)}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise InputError(f"{network.cls} takes batches of one length above 0, not {lengths}")
    return arrays


def _checked(name: str, array: np.ndarray, tensor: Tensor, dtype: str) -> np.ndarray:
    """One input in a dtype; raises InputError if it is not what the tensor says."""
    wanted = tuple(
        None if tensor.any_size and axis in "HW" else size
        for axis, size in zip(tensor.axes, tensor.shape, strict=True)
    )
    fits = array.ndim == len(wanted) + 1 and all(
        size in (None, got) for size, got in zip(wanted, array.shape[1:], strict=True)
    )
    if not fits:
        sizes = [
            axis if size is None else str(size)
            for axis, size in zip(tensor.axes, wanted, strict=True)
        ]
        shape = ", ".join(["batch", *sizes])
        raise InputError(f"input {name!r} must have shape ({shape}), not {array.shape}")
    height_and_width = array.shape[1:3]
    if any(side % tensor.divisor for side in height_and_width if "H" in tensor.axes):
        raise InputError(
            f"input {name!r} must have a height and width divisible by {tensor.divisor}, "
            f"not {height_and_width[0]} x {height_and_width[1]}"
        )
    if tensor.dtype == "bool":
        if array.dtype.kind != "b":
            raise InputError(f"input {name!r} must be boolean, not {array.dtype}")
        return array
    if tensor.dtype == "float":
        if array.dtype.kind != "f":
            raise InputError(
                f"input {name!r} must be floating point, not {array.dtype}; "
                "shared.mnist.normalise turns uint8 images into float32"
            )
        return array.astype(dtype, copy=False)
    if array.dtype.kind not in "iu":
        raise InputError(f"input {name!r} must be integers, not {array.dtype}")
    outside = array[(array < tensor.low) | (array > tensor.high)]
    if outside.size:
        raise InputError(
            f"input {name!r} must be in [{tensor.low}, {tensor.high}], not {outside.flat[0]}"
        )
    return array.astype(tensor.dtype, copy=False)


def axes_of(array: np.ndarray, image: bool) -> str:
    """Letters for the axes of somebody's array; four are an image's where there are any."""
    if image and array.ndim == 4 and array.dtype.kind == "f":
        return "HWC"
    return "NTSD"[5 - array.ndim :] if array.ndim < 6 else "D" * (array.ndim - 1)


def seen_outputs(outputs: Any, image: bool = True) -> dict[str, Tensor]:
    """What outputs a network has, from those that it gave: arrays of NumPy in canonical layouts.

    One array or several get the names output, output1 and so on; a dictionary has names. Four axes
    are those of an image where there are any.

    Raises:
        ConfigurationError: it gives something else than arrays.
    """
    if not isinstance(outputs, Mapping):
        several = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        outputs = {f"output{index or ''}": array for index, array in enumerate(several)}
    for name, array in outputs.items():
        if not isinstance(array, np.ndarray) or not array.ndim:
            raise ConfigurationError(
                f"a model must give arrays, one, a tuple or a dictionary of them, each with a batch"
                f" axis; its {name} is of type {type(array).__name__}"
            )
    return {
        name: Tensor(
            axes_of(array, image),
            array.shape[1:],
            "float" if array.dtype.kind == "f" else "bool" if array.dtype.kind == "b" else "int32",
        )
        for name, array in outputs.items()
    }


def by_name(names: Iterable[str], outputs: Any) -> dict[str, Any]:
    """A network's outputs as a dictionary: one array, several in the spec's order, or named."""
    if isinstance(outputs, Mapping):
        return {name: outputs[name] for name in names}
    if isinstance(outputs, list):
        outputs = tuple(outputs)
    return dict(zip(names, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))


def construct(panel: str, network: Network) -> Any:
    """Call the constructor of a network's class in a panel, nested networks first.

    Raises:
        ConfigurationError: the constructor refuses an argument.
    """
    module = importlib.import_module(f"{panel}.{network.file}")
    config = {
        key: construct(panel, value) if isinstance(value, Network) else value
        for key, value in network.config.items()
    }
    try:
        return getattr(module, network.cls)(**config)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
