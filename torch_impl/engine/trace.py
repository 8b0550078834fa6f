"""A pass through a module, operation by operation: PyTorch's own calls, seen as they run.

Every function on tensors goes through `torch.overrides`, where a mode may look on; hooks tell in
which module that is. So what is seen is what ran: of an `if` one branch, of a loop every turn.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from shared.boundary import by_name
from shared.interface import Step, Trace
from shared.specs import Network

_PANEL, _ENGINE = str(Path(__file__).parents[1]), str(Path(__file__).parent)
_NO_STEPS = {"data", "grad", "detach"}  # of what gives tensors


def trace(native: nn.Module, network: Network, inputs: tuple[Tensor, ...]) -> Trace:
    """Run a module on inputs, in evaluation mode, and say what happened."""
    modes = [(module, module.training) for module in native.modules()]
    native.eval()
    seen = _Tracer(dict(zip(network.inputs, inputs, strict=True)))
    hooks = [hook for name, module in native.named_modules() for hook in seen.hooks(name, module)]
    try:
        with torch.no_grad(), seen:
            outputs = by_name(network.outputs, native(*inputs))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
    return Trace(
        tuple(seen.steps),
        seen.blocks,
        {name: tuple(x.shape) for name, x in zip(network.inputs, inputs, strict=True)},
        {name: seen.makers[id(tensor)] for name, tensor in outputs.items()},
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


class _Tracer(TorchFunctionMode):
    """Notes every function on tensors that is called by the architecture's own code."""

    def __init__(self, inputs: dict[str, Tensor]) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.blocks: dict[str, str] = {}
        self.makers: dict[int, int | str] = {id(tensor): name for name, tensor in inputs.items()}
        self._kept: list[Tensor] = []  # else another tensor could get the same id
        self._within: list[tuple[str, int]] = []
        self._calls: dict[str, int] = {}
        self._library = 0  # how deep in layers of PyTorch's own

    def hooks(self, name: str, module: nn.Module) -> Iterator[RemovableHandle]:
        """Hooks that tell when a module begins and ends."""
        # What PyTorch ships is one step, but for containers; an empty one does nothing.
        container = isinstance(module, nn.Sequential) or any(module.children())
        own = type(module).__module__.startswith("torch.") and not container

        def begin(module: nn.Module, _: Any) -> None:
            if own:
                self._library += 1
                return
            self.blocks[name] = type(module).__name__
            self._calls[name] = self._calls.get(name, -1) + 1
            self._within.append((name, self._calls[name]))

        def end(module: nn.Module, arguments: Any, output: Any) -> None:
            if not own:
                self._within.pop()
                return
            self._library -= 1
            self._note(type(module).__name__, name, arguments, output)

        yield module.register_forward_pre_hook(begin)
        yield module.register_forward_hook(end)

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call the function, and note it."""
        output = function(*args, **(kwargs or {}))
        kind = getattr(function, "__name__", str(function))
        if kind == "__get__":  # of an attribute, such as x.mT
            kind = function.__self__.__name__
        if not self._library and self._within and kind not in _NO_STEPS:
            self._note(kind.strip("_"), "", (args, kwargs), output)
        return output

    def _note(self, kind: str, layer: str, arguments: Any, output: Any) -> None:
        tensors = list(_tensors(output))
        if not tensors and kind != "bool":  # a Python `if` asks a tensor for its bool
            return
        inputs = [self.makers[id(x)] for x in _tensors(arguments) if id(x) in self.makers]
        block, call = self._within[-1]
        file, line = _place()
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        step = Step(kind, layer, block, call, tuple(dict.fromkeys(inputs)), shapes, file, line)
        self.steps.append(step)
        for tensor in tensors:
            self.makers[id(tensor)] = len(self.steps) - 1
            self._kept.append(tensor)


def _place() -> tuple[str, int]:
    """The innermost line of this panel's networks that is being executed."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        path = frame.f_code.co_filename
        if path.startswith(_PANEL) and not path.startswith(_ENGINE):
            return Path(path).stem, frame.f_lineno
    return "", 0
