"""A module watched by forward hooks; gradients by `backward`, state from the optimizer's."""

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared.boundary import by_name
from shared.interface import Arrays, Derivatives, Dropout, Slots, Trace
from shared.specs import Settings, Task
from torch_impl import training
from torch_impl.engine import trace
from torch_impl.engine.arrays import array, makes_images
from torch_impl.engine.methods import TorchMethods
from torch_impl.engine.model import TorchModel

# Channels come before the steps in these, (B, C, T), and after them wherever a sequence is meant;
# and before the axes of a volume.
_OF_STEPS = (
    nn.Conv1d,
    nn.ConvTranspose1d,
    nn.BatchNorm1d,
    nn.GroupNorm,
    nn.MaxPool1d,
    nn.AvgPool1d,
)
_OF_VOLUMES = (
    nn.Conv3d,
    nn.ConvTranspose3d,
    nn.BatchNorm3d,
    nn.GroupNorm,
    nn.MaxPool3d,
    nn.AvgPool3d,
)
_SLOTS = ("momentum_buffer", "exp_avg", "exp_avg_sq")


class TorchProbe:
    """Watches a model of this panel."""

    def __init__(self, model: TorchModel) -> None:
        self.model = model
        self.native = model.native

    def watch(
        self, inputs: Arrays, *, train: bool, dropout: Dropout = "off"
    ) -> dict[str, np.ndarray]:
        """What goes into and comes out of every named layer."""
        with self.unchanged(train), torch.no_grad(), self.watching(dropout) as seen, _seeded():
            self.native(*self.model.inputs(inputs))
        return seen.arrays()

    def trace(self, inputs: Arrays) -> Trace:
        """The operations of one pass."""
        return trace.trace(self.native, self.model.network, self.model.inputs(inputs))

    def differentiate(self, batch: Arrays, task: Task, *, dropout: Dropout = "off") -> Derivatives:
        """Forward and backward in training mode."""
        network = self.model.network
        inputs = self.model.inputs({name: batch[name] for name in network.inputs})
        inputs = tuple(x.requires_grad_() if x.is_floating_point() else x for x in inputs)
        with self.unchanged(train=True), self.watching(dropout) as seen:
            outputs = by_name(network.outputs, self.native(*inputs))
            loss = training.total_loss(task, outputs, self.model.targets(task, batch))
            self.native.zero_grad()
            loss.backward()
            after = self.model.weights()
        parameters = dict(self.native.named_parameters())
        gradients = {name: array(p.grad) for name, p in parameters.items() if p.grad is not None}
        self.native.zero_grad()
        return Derivatives(
            seen.arrays(),
            array(loss),
            gradients,
            {
                name: array(x.grad, spec.axes == "HWC")
                for (name, spec), x in zip(network.inputs.items(), inputs, strict=True)
                if x.grad is not None
            },
            {name: value for name, value in after.items() if name not in parameters},
        )

    def dropouts(self) -> dict[str, float]:
        """The dropout layers and their rates."""
        return {
            name: module.p
            for name, module in self.native.named_modules()
            if isinstance(module, nn.Dropout)
        }

    def methods(self) -> TorchMethods:
        """What calls the network's other methods."""
        return TorchMethods(self.model)

    def stepper(
        self, task: Task, settings: Settings | None, learning_rate: float = 1e-3
    ) -> "TorchStepper":
        """An optimizer at work."""
        return TorchStepper(self, task, settings, learning_rate)

    @contextmanager
    def unchanged(self, train: bool) -> Iterator[None]:
        """The mode asked for; modes and buffers are as before afterwards."""
        modes = [(module, module.training) for module in self.native.modules()]
        buffers = [(buffer, buffer.clone()) for buffer in self.native.buffers()]
        self.native.train(train)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, value in buffers:
                    buffer.copy_(value)

    @contextmanager
    def watching(self, dropout: Dropout, layers: bool = True) -> Iterator["_Seen"]:
        """Hooks on every module below the root, and dropout as it is asked for."""
        seen = _Seen()
        doubtful = {
            axes
            for axes, kind in ((3, nn.Conv1d), (5, nn.Conv3d))
            if any(isinstance(module, kind) for module in self.native.modules())
        }
        images = any(spec.axes == "HWC" for spec in self.model.network.inputs.values())
        if images and not makes_images(self.native, self.native):
            doubtful.add(4)  # functions alone may have seen images, with channels first
        hooks = []
        for name, module in self.native.named_modules():
            if not name:
                continue
            image = makes_images(module, self.native)
            if isinstance(module, nn.Dropout) and dropout != "own":
                hooks.append(module.register_forward_hook(_dropping(name, dropout, image)))
            if layers:
                hook = seen.hook(name, image, doubtful if _is_open(module) else set())
                hooks.append(module.register_forward_hook(hook))
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()


@contextmanager
def _seeded() -> Iterator[None]:
    """A context in which PyTorch draws the same each time; its generators are left as they were."""
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(0)
        yield


def _is_open(module: nn.Module) -> bool:
    """Whether a module takes channels first or last alike: nobody can tell which it was given."""
    own = any(True for _ in module.parameters())
    return not own and not isinstance(module, (*_OF_STEPS, *_OF_VOLUMES, nn.Dropout))


def _dropping(name: str, dropout: Dropout, image: bool) -> Any:
    """A hook that puts another output in place of a dropout layer's own."""

    def hook(module: nn.Module, arguments: tuple[Tensor, ...], _: Tensor) -> Tensor:
        x = arguments[0]
        if not module.training or not callable(dropout):
            return x
        four = image and x.ndim == 4
        shape = (x.shape[0], *x.shape[2:], x.shape[1]) if four else tuple(x.shape)
        kept = torch.from_numpy(dropout(name, shape)).to(x.device)
        return x * (kept.permute(0, 3, 1, 2) if four else kept) / (1 - module.p)  # type: ignore[operator]

    return hook


class _Seen:
    """Tensors by name, every call's."""

    def __init__(self) -> None:
        self._calls: dict[str, list[np.ndarray]] = {}

    def hook(self, name: str, image: bool, doubtful: Collection[int]) -> Any:
        """A forward hook that notes the first input and all outputs.

        Nothing is noted that has as many axes as are `doubtful`: its channels may be first or last.
        """

        def note(key: str, tensor: Any, moved: dict[int, bool]) -> None:
            if isinstance(tensor, Tensor) and tensor.ndim not in doubtful:
                last = moved.get(tensor.ndim, False)
                self._calls.setdefault(f"{name}:{key}", []).append(array(tensor, last))

        def hook(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            steps, volumes = isinstance(module, _OF_STEPS), isinstance(module, _OF_VOLUMES)
            moved = {3: steps, 4: image, 5: volumes}
            if not any(module.children()) and arguments:
                note("in", arguments[0], moved)
            for index, part in enumerate(output if isinstance(output, tuple) else (output,)):
                note(f"out{index or ''}", part, moved)

        return hook

    def arrays(self) -> dict[str, np.ndarray]:
        """One array a name; several calls stacked."""
        return {
            key: np.stack(calls) if len(calls) > 1 else calls[0]
            for key, calls in self._calls.items()
            if len({call.shape for call in calls}) == 1
        }


class TorchStepper:
    """An optimizer over the module's parameters."""

    def __init__(
        self, probe: TorchProbe, task: Task, settings: Settings | None, learning_rate: float
    ) -> None:
        self.probe, self.model, self.task = probe, probe.model, task
        self.settings = settings or Settings(learning_rate=learning_rate)
        module = probe.native
        self.optimizer = (
            training.make_optimizer(module, settings)
            if settings
            else torch.optim.Adam(module.parameters(), learning_rate)
        )
        self.schedule = training.make_schedule(self.optimizer, self.settings)

    def step(self, batch: Arrays) -> None:
        """One step without dropout."""
        network, native = self.model.network, self.probe.native
        inputs = self.model.inputs({name: batch[name] for name in network.inputs})
        native.train()
        with self.probe.watching("off", layers=False):
            outputs = by_name(network.outputs, native(*inputs))
        loss = training.total_loss(self.task, outputs, self.model.targets(self.task, batch))
        self.optimizer.zero_grad()
        loss.backward()
        training.clip(native, self.settings)
        self.optimizer.step()
        self.schedule.step()

    def slots(self) -> Slots:
        """The optimizer's state by parameter."""
        return {
            name: {
                slot: array(state[slot])
                for slot in _SLOTS
                if (state := self.optimizer.state.get(parameter, {})).get(slot) is not None
            }
            for name, parameter in self.probe.native.named_parameters()
        }

    def load_slots(self, slots: Slots, steps: int) -> None:
        """Take another optimizer's state."""
        for name, parameter in self.probe.native.named_parameters():
            state: dict[str, Any] = {
                slot: torch.tensor(value).to(parameter)  # a copy: it is changed in place
                for slot, value in slots.get(name, {}).items()
            }
            if "exp_avg" in state:
                state["step"] = torch.tensor(float(steps))
            self.optimizer.state[parameter] = state
        if self.settings.warmup_steps or self.settings.decay_steps:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the optimizer has made no step yet
                for _ in range(steps):
                    self.schedule.step()
