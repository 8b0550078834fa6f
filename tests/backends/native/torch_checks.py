"""The PyTorch panel as a PyTorch user has it: images NCHW, modes, `state_dict`, autograd."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from shared.boundary import by_name, construct
from shared.specs import Network, Task
from torch_impl import training
from torch_impl.attention import DecoderLayer, EncoderLayer, MultiHeadAttention
from torch_impl.branching import BranchingNet
from torch_impl.dense import DenseBlock, DenseNet, Transition
from torch_impl.early_exit import EarlyExitNet
from torch_impl.engine.backend import BACKEND
from torch_impl.inception import InceptionBlock, InceptionNet
from torch_impl.inference import InferenceModel
from torch_impl.mimo import MIMONet
from torch_impl.mlp import BasicNet
from torch_impl.mnist_cnn import MNISTClassifier
from torch_impl.recurrent import GRUCell, RowGRU
from torch_impl.residual import ResidualBlock, SimpleResNet
from torch_impl.seq2seq import Seq2Seq
from torch_impl.sequential import SequentialNet
from torch_impl.skip import SkipMLP
from torch_impl.unet import DoubleConv, Down, UNet, Up

Arrays = Mapping[str, np.ndarray]


def make(network: Network, weights: Arrays | None = None) -> Any:
    """A module, with PyTorch's own weights or those given."""
    module = construct("torch_impl", network)
    if weights is not None:
        state = {name: torch.from_numpy(array) for name, array in weights.items()}
        assert not module.load_state_dict(state, strict=False).unexpected_keys
    return module


def tensors(inputs: Arrays) -> tuple[Tensor, ...]:
    """Inputs as PyTorch takes them: images NCHW."""
    converted = map(torch.from_numpy, inputs.values())
    return tuple(x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x for x in converted)


def arrays(outputs: Any, network: Network) -> list[np.ndarray]:
    """A network's outputs in their order; feature maps NHWC."""
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    return [
        (x.permute(0, 2, 3, 1) if "H" in tensor.axes else x).detach().numpy().copy()
        for x, tensor in zip(several, network.outputs.values(), strict=True)
    ]


def state(module: nn.Module) -> dict[str, np.ndarray]:
    """The state dict as arrays, without batch norm's counters."""
    return {
        name: tensor.numpy().copy()
        for name, tensor in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def largest(module: nn.Module) -> dict[str, float]:
    """The size of every parameter's gradient; 0 where none arrived."""
    return {
        name: 0.0 if parameter.grad is None else float(parameter.grad.abs().max())
        for name, parameter in module.named_parameters()
    }


def names(network: Network) -> dict[str, tuple[int, ...]]:
    """The state dict's keys and shapes."""
    return {name: tuple(tensor.shape) for name, tensor in make(network).state_dict().items()}


def rebuild(network: Network) -> list[dict[str, Any]]:
    """What a network and its copy by `get_config` are."""
    first = make(network)
    second = type(first)(**first.get_config())
    return [
        {
            "class": type(module).__name__,
            "config": {
                key: type(value).__name__ if isinstance(value, nn.Module) else value
                for key, value in module.get_config().items()
            },
            "shapes": {name: tuple(t.shape) for name, t in module.state_dict().items()},
        }
        for module in (first, second)
    ]


def defaults() -> dict[str, dict[str, Any]]:
    """What constructors fill in."""
    modules: list[Any] = [
        BasicNet(),
        MIMONet(),
        SimpleResNet(),
        ResidualBlock(3, 5),
        BranchingNet(),
        MNISTClassifier(),
        SequentialNet(),
        SkipMLP(),
        InceptionNet(),
        InceptionBlock(3, 5),
        DenseNet(),
        DenseBlock(3, 5, 2),
        Transition(3, 5),
        UNet(),
        DoubleConv(3, 5),
        Down(3, 5),
        Up(3, 5),
        Seq2Seq(),
        MultiHeadAttention(6, 3),
        EncoderLayer(6, 3),
        DecoderLayer(6, 3),
        RowGRU(),
        GRUCell(3, 5),
        EarlyExitNet(),
    ]
    return {type(module).__name__: module.get_config() for module in modules}


def forward(network: Network, weights: Arrays, inputs: Arrays) -> dict[str, Any]:
    """Two calls in each mode, and the weights after them."""
    torch.manual_seed(0)
    module = make(network, weights)
    modes: dict[str, Any] = {}
    for mode in ("evaluation", "training"):
        module.train(mode == "training")
        calls = [arrays(module(*tensors(inputs)), network) for _ in range(2)]
        modes[mode] = {"calls": calls, "weights": state(module)}
    return modes


def save_and_load(
    network: Network, weights: Arrays, inputs: Arrays, folder: Path
) -> dict[str, list[np.ndarray]]:
    """Outputs before saving, of another network, and of that one after loading."""
    module, other = make(network, weights).eval(), make(network).eval()
    saved, fresh = (arrays(net(*tensors(inputs)), network) for net in (module, other))
    torch.save(module.state_dict(), folder / "model.pt")
    other.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    return {"saved": saved, "fresh": fresh, "loaded": arrays(other(*tensors(inputs)), network)}


def reach(network: Network, inputs: Arrays) -> None:
    """Both modes of a new network, its own methods and its configuration."""
    module, x = make(network), tensors(inputs)
    for mode in (False, True):
        module.train(mode)(*x)
    if "TK" in {tensor.axes for tensor in network.outputs.values()}:
        module.decode(*x[:-1])
    if isinstance(module, MNISTClassifier):
        module.extract_features(*x)
    type(module)(**module.get_config())


def features(weights: Arrays, images: np.ndarray) -> dict[str, Any]:
    """Extracted features, and the gradients that reach the network through them."""
    module = MNISTClassifier()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    (x,) = tensors({"image": images})
    extracted = module.extract_features(x)
    module.flat_features(x).sum().backward()
    through_flat = largest(module)
    module.zero_grad()
    if extracted.requires_grad:
        extracted.sum().backward()
    return {
        "features": extracted.detach().numpy(),
        "through_extracted": largest(module),
        "through_flat": through_flat,
    }


def log() -> list[dict[str, list[float]]]:
    """The classifier's log when new, and after two epochs; another's beside it."""
    module, other = MNISTClassifier(), MNISTClassifier()

    def lists(m: MNISTClassifier) -> dict[str, list[float]]:
        return {
            "losses": list(m.losses),
            "train_accuracy": list(m.train_accuracy),
            "val_accuracy": list(m.val_accuracy),
        }

    new = lists(module)
    module.record_epoch(0.5, 80.0, 79.0)
    module.record_epoch(0.25, 90.0, 88.0)
    return [new, lists(module), lists(other)]


def train(
    weights: Arrays, images: np.ndarray, labels: np.ndarray, steps: int, learning_rate: float
) -> dict[str, Any]:
    """Steps of gradient descent on a classifier whose log has entries."""
    module = MNISTClassifier()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    module.record_epoch(100.0, 10.0, 10.0)
    (x,), y = tensors({"image": images}), torch.from_numpy(labels).long()
    optimizer = torch.optim.SGD(module.parameters(), learning_rate)
    losses = []
    module.train()
    for _ in range(steps):
        loss = F.cross_entropy(module(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    module.eval()
    with torch.no_grad():
        evaluated = float(F.cross_entropy(module(x), y))
    return {
        "losses": losses,
        "evaluated": evaluated,
        "log": list(module.losses),
        "bias": state(module)["classifier.3.bias"],
    }


def wrap(network: Network, weights: Arrays, inputs: Arrays) -> dict[str, Any]:
    """What the wrapper does to the network in it, which is being trained meanwhile."""
    torch.manual_seed(0)
    base = make(network, weights)
    x = tensors(inputs)
    expected = arrays(base.eval()(*x), network)
    base.train()
    before = state(base)

    def status() -> list[bool]:
        return [m.training for m in base.modules()] + [p.requires_grad for p in base.parameters()]

    status_before = status()
    wrapper = InferenceModel(base)
    outputs = wrapper(*x)
    second = wrapper.train()(*x)
    status_after, in_training_mode = status(), wrapper.training
    after = state(base)

    several = outputs if isinstance(outputs, tuple) else (outputs,)
    if any(output.requires_grad for output in several):
        sum(output.sum() for output in several).backward()
    through_wrapper = largest(base)

    outside = base(*x)
    first = outside[0] if isinstance(outside, tuple) else outside
    first.square().mean().backward()
    through_base = largest(base)
    torch.optim.SGD(base.parameters(), 0.1).step()
    return {
        "expected": expected,
        "first": arrays(outputs, network),
        "second": arrays(second, network),
        "in_training_mode": in_training_mode,
        "status": [status_before, status_after],
        "weights": [before, after],
        "through_wrapper": through_wrapper,
        "through_base": through_base,
        "wrapper_trained": arrays(wrapper(*x), network),
        "base_trained": arrays(base.eval()(*x), network),
    }


def predictions(
    network: Network, weights: Arrays, batches: list[tuple[Arrays, np.ndarray]]
) -> dict[str, Any]:
    """Everything that the wrapper predicts, and what it says to no batches at all."""
    wrapper = InferenceModel(make(network, weights))
    pairs: list[tuple[Any, Tensor]] = []
    for inputs, labels in batches:
        x = tensors(inputs)
        pairs.append((x if len(x) > 1 else x[0], torch.from_numpy(labels).long()))
    classes, confidence = wrapper.predict(pairs[0][0], return_confidence=True)
    together, true = wrapper.predict_batch(iter(pairs))
    complaints = []
    for method in (wrapper.predict_batch, wrapper.evaluate):
        try:
            method([])
        except ValueError as error:
            complaints.append(str(error))
    return {
        "classes": wrapper.predict(pairs[0][0]).numpy(),
        "with_confidence": classes.numpy(),
        "confidence": confidence.numpy(),
        "together": together.numpy(),
        "true": true.numpy(),
        "evaluated": wrapper.evaluate(iter(pairs)),
        "complaints": complaints,
    }


def executions(
    network: Network, weights: Arrays, batches: list[np.ndarray]
) -> dict[str, list[dict[str, Any]]]:
    """Outputs for each batch and how often the second stage ran for it: eager and compiled."""
    module = make(network, weights).eval()
    second_stage, runs = module.second_stage, []

    def counted(x: Tensor) -> Tensor:
        runs.append(len(x))
        return second_stage(x)

    module.second_stage = counted
    executed: dict[str, list[dict[str, Any]]] = {}
    torch.compiler.reset()
    for variant, call in (("eager", module), ("compiled", torch.compile(module, backend="eager"))):
        executed[variant] = []
        for images in batches:
            runs.clear()
            outputs = arrays(call(*tensors({"image": images})), network)
            executed[variant].append({"outputs": outputs, "runs": len(runs)})
    return executed


def complaints() -> dict[str, str]:
    """What is said to arguments and to inputs that do not fit."""
    unet, attention = UNet(base_width=2), MultiHeadAttention(6, 3)
    seq2seq = Seq2Seq(embed_dim=4, num_heads=1, num_layers=1)
    lengths = torch.tensor([8, 8])

    def tokens(count: int) -> Tensor:
        return torch.zeros(2, count, dtype=torch.int32)

    calls = {
        "high image": lambda: unet(torch.zeros(2, 1, 20, 16)),
        "wide image": lambda: unet(torch.zeros(2, 1, 16, 20)),
        "columns": lambda: seq2seq(torch.zeros(2, 172, 28), lengths, tokens(7)),
        "part of a step": lambda: seq2seq(torch.zeros(2, 10, 28), lengths, tokens(7)),
        "tokens": lambda: seq2seq(torch.zeros(2, 168, 28), lengths, tokens(8)),
        "mask": lambda: attention(
            torch.zeros(2, 5, 6), torch.zeros(2, 7, 6), torch.ones(2, 7, 5, dtype=torch.bool)
        ),
        "flat mask": lambda: attention(
            torch.zeros(2, 5, 6), torch.zeros(2, 7, 6), torch.ones(5, 7, dtype=torch.bool)
        ),
        "heads": lambda: MultiHeadAttention(10, 3),
        "threshold": lambda: EarlyExitNet(1.5),
        "threshold 0": lambda: EarlyExitNet(0.0),
        "threshold as text": lambda: EarlyExitNet("0.5"),  # type: ignore[arg-type]
        "block": lambda: DenseBlock(3, 0, 2),
        "half a channel": lambda: DenseBlock(3, 1.5, 2),  # type: ignore[arg-type]
        "network": lambda: DenseNet(growth_rate=0),
    }
    messages = {}
    for name, call in calls.items():
        try:
            call()
        except ValueError as error:
            messages[name] = str(error)
    return messages


def own_file(network: Network, weights: Arrays, path: Path) -> list[str]:
    """Save a module's whole state dict as PyTorch users do; its keys."""
    whole = make(network, weights).state_dict()
    save_file(whole, path)
    return list(whole)


def plain_load(network: Network, path: Path) -> tuple[list[str], list[str], Arrays]:
    """Load a file into a plain module: missing keys, unexpected keys, and its state then."""
    module = make(network)
    keys = module.load_state_dict(load_file(path), strict=False)
    return keys.missing_keys, keys.unexpected_keys, state(module)


def stock_gru(network: Network, weights: Arrays, images: np.ndarray) -> list[list[np.ndarray]]:
    """A RowGRU's outputs, and those with PyTorch's own GRU in place of its cell and loop."""
    module = make(network, weights)
    (x,) = tensors({"image": images})
    rnn = nn.GRU(module.input_size, module.hidden_size, batch_first=True)
    parts = {"ih": module.cell.input_gates, "hh": module.cell.hidden_gates}
    rnn.load_state_dict(
        {
            f"{kind}_{name}_l0": tensor
            for name, layer in parts.items()
            for kind, tensor in layer.state_dict().items()
        }
    )
    _, state = rnn(x.transpose(1, 2).flatten(2))
    return [arrays(module(x), network), arrays(module.fc(state[0]), network)]


def flops(network: Network, task: Task | None, batch: Arrays) -> dict[str, int]:
    """What PyTorch counts for a batch: a pass in evaluation mode and, with a task, in training."""
    model: Any = BACKEND.build(network)
    x = model.inputs({name: batch[name] for name in network.inputs})
    with torch.no_grad(), FlopCounterMode(display=False) as forward:
        model.native.eval()(*x)
    counts = {"forward": forward.get_total_flops()}
    if task is not None:
        targets = model.targets(task, batch)
        with FlopCounterMode(display=False) as whole:
            outputs = by_name(network.outputs, model.native.train()(*x))
            training.total_loss(task, outputs, targets).backward()
        counts["training"] = whole.get_total_flops()
    return counts
