"""PyTorch as a backend: it builds this panel's networks, wraps others and watches both."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from shared.boundary import check_build, check_proved, construct, kept, seen_outputs
from shared.errors import ConfigurationError, DeviceMissingError
from shared.interface import Arrays, Backend, Model, Probe
from shared.specs import Network
from torch_impl.engine import weights
from torch_impl.engine.arrays import array, makes_images
from torch_impl.engine.model import TorchModel
from torch_impl.engine.probe import TorchProbe
from torch_impl.inference import InferenceModel


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
        variant: str = "tuned",
    ) -> Model:
        """A network with PyTorch's own initial weights."""
        check_build(dtype, device, variant)
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
        return TorchModel(network, module, dtype, device, variant)

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
        taken = any(tensor.axes == "HWC" for tensor in network.inputs.values())
        image = taken or makes_images(module, module)
        model.network = replace(network, outputs=seen_outputs(_canonical(outputs, image), image))
        return model

    def probe(self, model: Model) -> Probe:
        """What watches a model of this panel."""
        check_proved(model.dtype)
        assert isinstance(model, TorchModel)
        return TorchProbe(model)


def _make_plain(module: nn.Module) -> None:
    """Undo what only PyTorch has: layers that overwrite their input, constants in the state."""
    if getattr(module, "inplace", False) is True:
        module.inplace = False  # type: ignore[assignment]
    for name, buffer in list(module.named_buffers(recurse=False)):
        if not weights.is_statistic(name):
            module.register_buffer(name, buffer, persistent=False)


def _canonical(outputs: Any, image: bool) -> Any:
    """A module's outputs as arrays in canonical layouts; what is no tensor stays as it is."""

    def one(output: Any) -> Any:
        return array(output, image and output.ndim == 4) if torch.is_tensor(output) else output

    if isinstance(outputs, Mapping):
        return {name: one(output) for name, output in outputs.items()}
    if isinstance(outputs, (tuple, list)):
        return [one(output) for output in outputs]
    return one(outputs)


BACKEND: Backend = TorchBackend()
