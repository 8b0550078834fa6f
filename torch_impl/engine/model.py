"""A PyTorch network behind the shared interface: NumPy goes in and NumPy comes out."""

import importlib.util
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared import reprs
from shared.boundary import by_name, check_decodes, check_inputs, kept
from shared.errors import ConfigurationError
from shared.interface import Arrays, Inputs, Place, TensorInfo
from shared.interface import Trainer as SharedTrainer
from shared.specs import Network, Settings, Task
from torch_impl import training
from torch_impl.engine import weights
from torch_impl.engine.arrays import array
from torch_impl.engine.precision import Mixed
from torch_impl.engine.tuning import tuned
from torch_impl.inference import InferenceModel


class TorchModel:
    """A module with its network, dtype, device and variant."""

    backend = "torch"

    def __init__(
        self, network: Network, native: Any, dtype: str, device: str, variant: str = "idiomatic"
    ) -> None:
        self.network = network
        self.native = native
        self.dtype = dtype
        self.device = device
        self.variant = variant

    @cached_property
    def still(self) -> InferenceModel:
        """The module in evaluation mode, in its variant."""
        if self.variant == "idiomatic":
            return self._frozen(self.native)
        with InferenceModel(self.native).frozen():  # leaves the mode as it is
            return self._frozen(tuned(self.native))

    def _frozen(self, module: nn.Module) -> InferenceModel:
        """A module in evaluation mode, computed in the model's dtype."""
        return InferenceModel(Mixed(module) if self.dtype == "bfloat16" else module)

    def __repr__(self) -> str:
        return reprs.model(self)

    def _repr_html_(self) -> str:
        return reprs.model_html(self)

    def table(self) -> list[TensorInfo]:
        """Every tensor in canonical names and layouts."""
        return weights.table(self.native)

    def places(self) -> dict[str, Place]:
        """Every tensor as PyTorch keeps it: canonical names and layouts are its own."""
        return {
            row.name: Place(row.name, row.shape, (*range(len(row.shape)),)) for row in self.table()
        }

    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers."""
        return weights.to_canonical(self.native)

    def load_weights(self, arrays: Arrays) -> None:
        """Take canonical weights."""
        weights.from_canonical(self.native, arrays)

    def inputs(self, arrays: Inputs, network: Network | None = None) -> tuple[Tensor, ...]:
        """The network's inputs as tensors on its device, images with channels first."""
        network = network or self.network
        checked = check_inputs(network, arrays, self.dtype)
        return tuple(
            self._image(tensor) if spec.axes == "HWC" else tensor
            for tensor, spec in zip(
                map(self._tensor, checked), network.inputs.values(), strict=True
            )
        )

    def _image(self, tensor: Tensor) -> Tensor:
        """An image with channels first; in memory they may stay last, where that is faster."""
        tensor = tensor.permute(0, 3, 1, 2)
        if self.variant == "tuned":
            return tensor
        # With one channel it is contiguous already, but has the strides of channels that are last.
        return tensor.clone(memory_format=torch.contiguous_format)

    def targets(self, task: Task, batch: Arrays) -> dict[str, Tensor]:
        """The task's targets as tensors on the model's device."""
        return {o.target: self._target(batch[o.target], o.output) for o in task.objectives}

    def _target(self, values: np.ndarray, output: str) -> Tensor:
        """One target: numbers in the dtype of outputs, an image with its channels first."""
        tensor = self._tensor(values)
        if not tensor.is_floating_point():
            return tensor
        image = "H" in self.network.outputs[output].axes
        tensor = tensor.permute(0, 3, 1, 2) if image else tensor
        return tensor.to(getattr(torch, kept(self.dtype)))

    def _tensor(self, values: np.ndarray) -> Tensor:
        # A tensor may be written to: of what is read-only PyTorch wants a copy, or it warns.
        return torch.from_numpy(np.require(values, requirements=["C", "W"])).to(self.device)

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Outputs by name in evaluation mode."""
        outputs = by_name(self.network.outputs, self.still(*self.inputs(inputs)))
        return {
            name: array(outputs[name], image="H" in spec.axes)
            for name, spec in self.network.outputs.items()
        }

    def predict(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Classes and their probabilities."""
        classes, confidence = self.still.predict(self.inputs(inputs), True)
        return array(classes).astype(np.int32), array(confidence)

    def decode(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, and the attention with which they were written."""
        network = check_decodes(self.network, self.native)
        tokens, attention = self._frozen(self.native).decode(*self.inputs(inputs, network))
        return array(tokens).astype(np.int32), array(attention)

    def trainer(self, task: Task, settings: Settings, seed: int) -> SharedTrainer:
        """An optimizer at work on this model."""
        return TorchTrainer(self, task, settings, seed)

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Tell a network that keeps a log of its training."""
        if hasattr(self.native, "record_epoch"):
            self.native.record_epoch(loss, train_accuracy, val_accuracy)


def check_process() -> None:
    """Refuse to make the first optimizer after TensorFlow was imported.

    It imports Triton, which registers LLVM's options once more, and LLVM aborts the process. The
    other order does no harm.

    Raises:
        ConfigurationError: This process would be aborted.
    """
    late = "tensorflow" in sys.modules and "triton" not in sys.modules
    if late and importlib.util.find_spec("triton"):
        raise ConfigurationError(
            "PyTorch cannot train in a process that has imported TensorFlow, which would abort it; "
            "train there before Keras is loaded, or in a process of its own (triptych.Worker)"
        )


class TorchTrainer:
    """`training.Trainer` for batches of NumPy arrays."""

    def __init__(self, model: TorchModel, task: Task, settings: Settings, seed: int) -> None:
        check_process()
        self.model = model
        self.task = task
        self.native = training.Trainer(
            model.native,
            list(model.network.outputs),
            task,
            settings,
            seed,
            model.variant,
            model.dtype,
        )

    def train_step(self, batch: Arrays) -> Mapping[str, Any]:
        """One optimizer step."""
        return self.native.train_step(*self._split(batch))

    def evaluation_step(self, batch: Arrays) -> Mapping[str, Any]:
        """The same figures in evaluation mode."""
        result = self.native.evaluation_step(*self._split(batch))
        return {name: value.cpu() for name, value in result.items()}  # NumPy takes no GPU's

    def _split(self, batch: Arrays) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        inputs = {name: batch[name] for name in self.model.network.inputs}
        return self.model.inputs(inputs), self.model.targets(self.task, batch)
