"""PyTorch behind the shared interface: NumPy in, NumPy out."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared.errors import ConfigurationError, DeviceMissingError
from shared.interface import (
    Arrays,
    Backend,
    Model,
    Place,
    Probe,
    TensorInfo,
    by_name,
    check_build,
    check_decodes,
    check_inputs,
    check_proved,
    construct,
    kept,
    seen_outputs,
)
from shared.interface import Trainer as SharedTrainer
from shared.specs import Network, Settings, Task
from torch_impl import training, weights
from torch_impl.inference import InferenceModel
from torch_impl.precision import Mixed
from torch_impl.probe import TorchProbe, array, makes_images
from torch_impl.tuning import tuned


class TorchModel:
    """A module with its network, dtype, device and way."""

    def __init__(
        self, network: Network, native: Any, dtype: str, device: str, way: str = "idiomatic"
    ) -> None:
        self.network = network
        self.native = native
        self.dtype = dtype
        self.device = device
        self.way = way

    @cached_property
    def still(self) -> InferenceModel:
        """The module in evaluation mode, in its way."""
        if self.way == "idiomatic":
            return self._frozen(self.native)
        with InferenceModel(self.native).frozen():  # leaves the mode as it is
            return self._frozen(tuned(self.native))

    def _frozen(self, module: nn.Module) -> InferenceModel:
        """A module in evaluation mode, computed in the model's dtype."""
        return InferenceModel(Mixed(module) if self.dtype == "bfloat16" else module)

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

    def inputs(self, arrays: Arrays, network: Network | None = None) -> tuple[Tensor, ...]:
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
        if self.way == "tuned":
            return tensor
        # With one channel it is contiguous already, but has the strides of channels that are last.
        return tensor.clone(memory_format=torch.contiguous_format)

    def targets(self, task: Task, batch: Arrays) -> dict[str, Tensor]:
        """The task's targets as tensors on the model's device."""
        return {o.target: self._target(batch[o.target], o.output) for o in task.objectives}

    def _target(self, array: np.ndarray, output: str) -> Tensor:
        """One target: numbers in the dtype of outputs, an image with its channels first."""
        tensor = self._tensor(array)
        if not tensor.is_floating_point():
            return tensor
        image = "H" in self.network.outputs[output].axes
        tensor = tensor.permute(0, 3, 1, 2) if image else tensor
        return tensor.to(getattr(torch, kept(self.dtype)))

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Outputs by name in evaluation mode."""
        outputs = self.still(*self.inputs(inputs))
        named = by_name(self.network.outputs, outputs)
        return {
            name: self._array(named[name].permute(0, 2, 3, 1) if "H" in spec.axes else named[name])
            for name, spec in self.network.outputs.items()
        }

    def predict(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Classes and their probabilities."""
        classes, confidence = self.still.predict(self.inputs(inputs), True)
        return self._array(classes).astype(np.int32), self._array(confidence)

    def decode(self, inputs: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Tokens, and the attention with which they were written."""
        network = check_decodes(self.network, self.native)
        tokens, attention = self._frozen(self.native).decode(*self.inputs(inputs, network))
        return self._array(tokens).astype(np.int32), self._array(attention)

    def probe(self) -> Probe:
        """What watches this model."""
        check_proved(self.dtype)
        return TorchProbe(self)

    def trainer(self, task: Task, settings: Settings, seed: int) -> SharedTrainer:
        """An optimizer at work on this model."""
        return TorchTrainer(self, task, settings, seed)

    def record_epoch(self, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        """Tell a network that keeps a log of its training."""
        if hasattr(self.native, "record_epoch"):
            self.native.record_epoch(loss, train_accuracy, val_accuracy)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    @staticmethod
    def _array(tensor: Tensor) -> np.ndarray:
        return tensor.cpu().numpy().copy("C")


class TorchTrainer:
    """`training.Trainer` for batches of NumPy arrays."""

    def __init__(self, model: TorchModel, task: Task, settings: Settings, seed: int) -> None:
        self.model = model
        self.task = task
        self.native = training.Trainer(
            model.native,
            list(model.network.outputs),
            task,
            settings,
            seed,
            model.way,
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


class TorchBackend:
    """Builds the classes of `torch_impl`."""

    name = "torch"
    unbiased_variance = True

    def versions(self) -> dict[str, str]:
        """The version of PyTorch."""
        return {"torch": str(torch.__version__)}

    def resolved(self) -> dict[str, str]:
        """Threads, compilation and precision as they are in this process."""
        return {
            "threads": str(torch.get_num_threads()),
            "vectors": torch.backends.cpu.get_cpu_capability(),
            "oneDNN": "on" if torch.backends.mkldnn.enabled else "off",
            "float32 products": torch.get_float32_matmul_precision(),
            "TF32 in cuDNN": "on" if torch.backends.cudnn.allow_tf32 else "off",
        }

    def devices(self) -> list[str]:
        """The CPU, and the GPU if PyTorch can use it."""
        return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]

    def use_highest_precision(self) -> None:
        """Turn TF32 off, which PyTorch has on for cuDNN's convolutions."""
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False

    def build(
        self,
        network: Network,
        *,
        seed: int | None = 0,
        dtype: str = "float32",
        device: str = "cpu",
        way: str = "tuned",
    ) -> Model:
        """A network with PyTorch's own initial weights."""
        check_build(dtype, device, way)
        if device not in self.devices():
            raise DeviceMissingError(
                "torch finds no CUDA device on this machine; use the device cpu, "
                "or a build of torch for this machine's GPU"
            )
        with torch.random.fork_rng(devices=[]):
            # The CPU's generator alone: modules are made there.
            torch.default_generator.manual_seed(seed or 0)
            module = construct("torch_impl", network)
        module = module.to(device, getattr(torch, kept(dtype)))
        return TorchModel(network, module, dtype, device, way)

    def wrap(
        self, network: Network, native: Any, inputs: Arrays, *, dtype: str, device: str = "cpu"
    ) -> Model:
        """A copy of somebody's own module."""
        check_build(dtype, device)
        check_proved(dtype)
        try:
            module = copy.deepcopy(native)
        except (TypeError, RuntimeError, ValueError) as error:
            raise ConfigurationError(f"copy.deepcopy of the module fails: {error}") from error
        module = module.to(device, getattr(torch, dtype)).requires_grad_()
        for part in module.modules():
            _make_plain(part)
        model = TorchModel(network, module, dtype, device)
        outputs = InferenceModel(module)(*model.inputs(inputs))
        image = makes_images(module, module)

        def canonical(output: Any) -> Any:
            return array(output, image and output.ndim == 4) if torch.is_tensor(output) else output

        several = isinstance(outputs, (tuple, list))
        if isinstance(outputs, Mapping):
            found: Any = {name: canonical(output) for name, output in outputs.items()}
        else:
            found = [canonical(output) for output in outputs] if several else canonical(outputs)
        model.network = replace(network, outputs=seen_outputs(found, image))
        return model


def _make_plain(module: nn.Module) -> None:
    """What only one framework has: layers that overwrite their input, constants in the state."""
    if getattr(module, "inplace", False) is True:
        module.inplace = False  # type: ignore[assignment]
    for name, buffer in list(module.named_buffers(recurse=False)):
        if not weights.is_statistic(name):
            module.register_buffer(name, buffer, persistent=False)


BACKEND: Backend = TorchBackend()
