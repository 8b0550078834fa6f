"""A module's methods beside its pass forward; files by `torch.save` and `torch.load`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared.boundary import kept
from shared.interface import Arrays, Model
from torch_impl.engine.arrays import array
from torch_impl.engine.model import TorchModel
from torch_impl.inference import InferenceModel


class TorchMethods:
    """Calls the methods of a model of this panel."""

    def __init__(self, model: TorchModel) -> None:
        self.model = model
        self.native = model.native
        is_frozen = isinstance(self.native, InferenceModel)
        self.frozen = self.native if is_frozen else InferenceModel(self.native)

    def config(self) -> dict[str, Any]:
        """The arguments that `get_config` gives."""
        return _plain(self.native)

    def again(self) -> TorchModel:
        """The network once more, made of what `get_config` says."""
        own = self.model
        with torch.random.fork_rng(devices=[]):
            module: nn.Module = _again(self.native)
            module = module.to(own.device, getattr(torch, kept(own.dtype)))
        return TorchModel(own.network, module, own.dtype, own.device, own.variant)

    def hand_over(self, other: Model, folder: Path) -> None:
        """A state dict in a file, which is read as tensors alone."""
        torch.save(self.native.state_dict(), folder / "weights.pt")
        other.native.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))

    def whole(self, folder: Path) -> Model | None:
        """None: PyTorch's files of whole modules are pickles of their classes."""
        del folder
        return None

    def features(self, inputs: Arrays) -> np.ndarray:
        """What `extract_features` gives."""
        with self.frozen.frozen():
            return array(self.native.extract_features(*self.model.inputs(inputs)))

    def passes(self, method: str, inputs: Arrays) -> float:
        """The largest gradient that passes a method."""
        owner = self.frozen if hasattr(InferenceModel, method) else self.native
        tensors = self._inputs(method, inputs)
        floats = [x.requires_grad_() for x in tensors if x.is_floating_point()]
        arguments = (tensors, True) if method == "predict" else tensors
        modes = [(module, module.training) for module in self.native.modules()]
        self.native.eval()
        outputs = getattr(owner, method)(*arguments)
        for module, training in modes:
            module.training = training
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        reached = [x.square().sum() for x in several if x.requires_grad]
        if not reached:
            return 0.0
        places = [*self.native.parameters(), *floats]
        gradients = torch.autograd.grad(sum(reached), places, allow_unused=True)  # type: ignore[arg-type]
        return max(float(g.abs().max()) for g in gradients if g is not None)

    def _inputs(self, method: str, inputs: Arrays) -> tuple[Tensor, ...]:
        network = self.model.network
        if method == "decode":
            names = [*network.inputs][:-1]  # it is not told the tokens
            network = replace(network, inputs={name: network.inputs[name] for name in names})
            inputs = {name: inputs[name] for name in names}
        return self.model.inputs(inputs, network)

    def batches(self, batches: Sequence[tuple[Arrays, np.ndarray]]) -> dict[str, np.ndarray]:
        """What `predict_batch` and `evaluate` say."""
        pairs: list[tuple[Any, Tensor]] = []
        for inputs, labels in batches:
            x = self.model.inputs(inputs)
            pairs.append(
                (x if len(x) > 1 else x[0], torch.from_numpy(labels).to(self.model.device))
            )
        classes, labels = self.native.predict_batch(iter(pairs))
        return {
            "classes": array(classes).astype(np.int32),
            "labels": array(labels).astype(np.int32),
            "evaluated": np.array(self.native.evaluate(iter(pairs)), np.float64),
        }


def _again(module: Any) -> Any:
    """A module of the same class and configuration, modules in it made anew too."""
    config = {
        name: _again(value) if isinstance(value, nn.Module) else value
        for name, value in module.get_config().items()
    }
    return type(module)(**config)


def _plain(module: Any) -> dict[str, Any]:
    return {
        name: {"cls": type(value).__name__, "config": _plain(value)}
        if isinstance(value, nn.Module)
        else value
        for name, value in module.get_config().items()
    }
