"""What PyTorch takes for granted: default values and meanings, asked of the library itself.

Its twins in the other panels measure the same under the same keys. What a signature or a fresh
layer tells is read there; where neither does, a few numbers are put through and the answer is seen.
`shared.conventions.table` says what each key means, and holds the panels against each other.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from shared.asking import Drawn, axes, default, number, refused


def measure() -> dict[str, str]:
    """Every convention that a text can tell, by its key."""
    groups = (
        batch_norm,
        other_norms,
        convolution,
        transposed_convolution,
        pooling_and_resizing,
        activations,
        kinks,
        recurrent_cells,
        attention,
        cross_entropy,
        other_losses,
        adam,
        sgd,
        other_optimizers,
        clipping,
        counting,
        precision,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {key: value for group in groups for key, value in group().items()}


def initial_values() -> dict[str, Drawn]:
    """New weights with out and in first, by key; each with the fan-in and fan-out of its layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dense, conv = nn.Linear(300, 200), nn.Conv2d(40, 60, 3)
        embedding = nn.Embedding(400, 60)
    values: dict[str, tuple[Any, int, int]] = {
        "initial.dense_kernel": (dense.weight, 300, 200),
        "initial.dense_bias": (dense.bias, 300, 200),
        "initial.conv_kernel": (conv.weight, 360, 540),
        "initial.conv_bias": (conv.bias, 360, 540),
        "initial.embedding": (embedding.weight, 60, 400),
    }
    return {key: (t.detach().numpy(), a, b) for key, (t, a, b) in values.items()}


# What every group asks


def numbers(values: Tensor) -> str:
    """Several numbers."""
    return ", ".join(number(value) for value in values.flatten().tolist())


def dtype(tensor: Tensor) -> str:
    """What a tensor's numbers are kept in."""
    return str(tensor.dtype).removeprefix("torch.")


def slope(function: Callable[[Tensor], Tensor], *point: float) -> str:
    """The gradient of a function's sum at a point."""
    x = torch.tensor(point, dtype=torch.float32, requires_grad=True)
    return numbers(torch.autograd.grad(function(x).sum(), x)[0])


# Normalisation


def batch_norm() -> dict[str, str]:
    """Batch norm of the values 0 and 2: mean 1, variance 1 over n and 2 over n - 1."""
    layer, frozen = nn.BatchNorm1d(1), nn.BatchNorm1d(1).requires_grad_(False)
    for each in (layer, frozen):
        each(torch.tensor([[0.0], [2.0]]))
    moved = layer.state_dict()
    new = moved["running_mean"].item()
    kind = "new" if math.isclose(new, layer.momentum or 0, rel_tol=1e-3) else "old"
    variance = round(1 + (moved["running_var"].item() - 1) / new)
    double = nn.BatchNorm1d(1, dtype=torch.float64)
    return {
        "batch_norm.epsilon": number(layer.eps),
        "batch_norm.momentum": f"{number(layer.momentum)}, the weight of the {kind}",
        "batch_norm.running_variance": {1: "biased, over n", 2: "unbiased, over n - 1"}[variance],
        "batch_norm.one_value": "refused"
        if refused(lambda: layer(torch.ones(1, 1)))
        else numbers(layer(torch.ones(1, 1))),
        "batch_norm.frozen": "goes on" if frozen.state_dict()["running_mean"].item() else "stops",
        "batch_norm.float64": dtype(double.state_dict()["running_mean"]),
        "batch_norm.tensors": ", ".join(moved),
    }


def other_norms() -> dict[str, str]:
    """Layer norm, group norm and RMS norm."""
    x = 1000 + torch.tensor([[-0.1, 0.1] * 8])
    error = (nn.LayerNorm(16)(x) - torch.tensor([[-1.0, 1.0] * 8])).abs().max().item()
    small = 1e-4
    shrunk = nn.RMSNorm(2)(torch.full((1, 2), small))[0, 0].item()
    return {
        "layer_norm.epsilon": number(nn.LayerNorm(1).eps),
        "layer_norm.large_mean": "accurate" if error < 0.05 else "loses digits",
        "group_norm.epsilon": number(nn.GroupNorm(1, 1).eps),
        "group_norm.groups": default(nn.GroupNorm, "num_groups"),
        "rms_norm.epsilon": f"{(small / shrunk) ** 2 - small**2:.1e}",
    }


# Convolution, pooling, resizing


def reads(padding: Any) -> str:
    """How many zeros a kernel of 3 with stride 2 reads on either side of 4 values."""
    if refused(lambda: nn.Conv1d(1, 1, 3, 2, padding)):
        return "refused"
    conv = nn.Conv1d(1, 1, 3, 2, padding, bias=False)
    nn.init.ones_(conv.weight)
    first, *_, last = conv(torch.ones(1, 1, 4)).flatten().tolist()
    return f"{3 - first:.0f} before, {3 - last:.0f} after"


def convolution() -> dict[str, str]:
    """Paddings, and the order of the kernels' axes."""
    names = {2: "out", 3: "in", 4: "height", 5: "width"}
    separate = {6: "in * multiplier", 1: "1", 4: "height", 5: "width"}
    return {
        "dense.kernel": axes(nn.Linear(3, 2).weight.shape, names),
        "conv.kernel": axes(nn.Conv2d(3, 2, (4, 5)).weight.shape, names),
        "conv.padding": default(nn.Conv2d, "padding"),
        "conv.same_stride_2": reads("same"),
        "conv.padding_1_stride_2": reads(1),
        "depthwise.kernel": axes(nn.Conv2d(3, 6, (4, 5), groups=3).weight.shape, separate),
    }


def transposed_convolution() -> dict[str, str]:
    """A transposed convolution of a single 1: what comes out is the kernel, as it is or turned."""
    kernel, one = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[0.0, 1.0, 0.0]]])
    spread = F.conv_transpose1d(one, kernel, padding=1)
    names = {2: "out", 3: "in", 4: "height", 5: "width"}
    return {
        "conv_transpose.kernel": axes(nn.ConvTranspose2d(3, 2, (4, 5)).weight.shape, names),
        "conv_transpose.flipped": number(numbers(spread) != "1, 2, 3"),
        "conv_transpose.padding": default(nn.ConvTranspose2d, "padding"),
    }


def pooling_and_resizing() -> dict[str, str]:
    """Windows of 3 over 6 values; ones of which one window sees padding; 5 pixels made 3."""
    length = F.max_pool1d(torch.zeros(1, 1, 6), 3).shape[2]
    average = F.avg_pool1d(torch.ones(1, 1, 3), 2, padding=1)
    near = F.interpolate(torch.arange(5.0)[None, None, None], (1, 3))
    return {
        "pool.stride": {2: "the window", 4: "1"}[length],
        "avg_pool.counts_padding": number(bool(average.min() < 1)),
        "max_pool.tie_gradient": slope(lambda x: F.max_pool1d(x[None], 4), 1, 2, 2, 2),
        "max.tie_gradient": slope(torch.amax, 1, 2, 2, 2),
        "resize.antialias": default(F.interpolate, "antialias"),
        "resize.nearest": numbers(near),
    }


# Activations and kinks


def activations() -> dict[str, str]:
    """GELU, exact or by its approximation with tanh; leaky ReLU; the deviation of 0 and 2."""
    points = (0.5, 1.0, 2.0)
    exact = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in points]
    actual = F.gelu(torch.tensor(points, dtype=torch.float64)).tolist()
    error = max(abs(a - b) for a, b in zip(exact, actual, strict=True))
    one = torch.tensor(1.0)
    return {
        "gelu.activation": "exact" if abs(nn.GELU()(one).item() - exact[1]) < 1e-5 else "tanh",
        "gelu.function": "exact" if abs(F.gelu(one).item() - exact[1]) < 1e-5 else "tanh",
        "gelu.float64": "to rounding" if error < 1e-14 else "short of rounding",
        "leaky_relu.function": number(-F.leaky_relu(torch.tensor(-1.0)).item()),
        "leaky_relu.layer": number(-nn.LeakyReLU()(torch.tensor(-1.0)).item()),
        "dropout.rate": default(nn.Dropout, "p"),
        "std.divisor": "n" if torch.tensor([0.0, 2.0]).std() == 1 else "n - 1",
    }


def kinks() -> dict[str, str]:
    """Gradients where there is none."""
    return {
        "relu.gradient_at_0": slope(torch.relu, 0),
        "maximum.gradient_at_0": slope(lambda x: torch.maximum(x, torch.zeros(1)), 0),
        "clip.gradient_at_bound": slope(lambda x: torch.clip(x, -1, 0), 0),
        "abs.gradient_at_0": slope(torch.abs, 0),
        "norm.gradient_at_0": slope(torch.linalg.vector_norm, 0),
    }


# Recurrent cells and attention


def lstm_gates() -> str:
    """The gates' order: each one's bias alone is large, from the states c = 2 and h = 0."""
    cell, names = nn.LSTMCell(1, 1), []
    for gate in range(4):
        for parameter in cell.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            cell.bias_ih[gate] = 50.0
            h, c = cell(torch.zeros(1, 1), (torch.zeros(1, 1), torch.full((1, 1), 2.0)))
        known = {2.0: "f", 1.5: "g"}
        opened = h.item() > 0.6  # tanh(1), not half of it
        names.append(known.get(round(c.item(), 3), "o" if opened else "i"))
    return ", ".join(names)


def gru_gates() -> str:
    """The gates' order: each one's bias alone is large, from the state h = 2."""
    cell, names = nn.GRUCell(1, 1), []
    for gate in range(3):
        for parameter in cell.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            cell.bias_ih[gate] = 50.0
            h = cell(torch.zeros(1, 1), torch.full((1, 1), 2.0))
        names.append({2.0: "z", 1.5: "n", 1.0: "r"}[round(h.item(), 3)])
    return ", ".join(names)


def recurrent_cells() -> dict[str, str]:
    """Cells from 3 inputs to 4 units."""
    lstm, gru = nn.LSTMCell(3, 4), nn.GRUCell(3, 4)
    forget = {round(value, 6) for value in lstm.bias_ih[4:8].tolist()}
    return {
        "lstm.parameters": str(sum(p.numel() for p in lstm.parameters())),
        "lstm.gates": lstm_gates(),
        "lstm.forget_bias": number(forget.pop()) if len(forget) == 1 else "drawn",
        "gru.parameters": str(sum(p.numel() for p in gru.parameters())),
        "gru.gates": gru_gates(),
        "rnn.batch_axis": "first" if nn.LSTM(3, 4).batch_first else "second",
    }


def attention() -> dict[str, str]:
    """Attention in 2 heads of width 3 to two steps, of which the mask's True is on the first."""
    layer = nn.MultiheadAttention(6, 2, batch_first=True).eval()
    x, context = torch.randn(1, 1, 6), torch.randn(1, 2, 6)
    other = context + torch.tensor([[1.0], [0.0]])
    mask = torch.tensor([[True, False]])
    same = torch.allclose(*(layer(x, c, c, attn_mask=mask)[0] for c in (context, other)))
    q, v = torch.zeros(1, 1, 1), torch.tensor([[[1.0], [0.0]]])
    attended = F.scaled_dot_product_attention(q, v * 0, v, attn_mask=mask[None]).item() == 1
    nowhere = layer(x, context, context, attn_mask=torch.ones(1, 2, dtype=torch.bool))[0]
    none = torch.zeros(1, 1, 2, dtype=torch.bool)
    empty = F.scaled_dot_product_attention(q, v * 0, v, attn_mask=none)
    dropped = nn.MultiheadAttention(6, 2, dropout=0.5, batch_first=True)
    many = torch.ones(8, 6, 6)
    outputs = dropped(many, many, many)[0]
    return {
        "attention.batch_axis": "first" if nn.MultiheadAttention(6, 2).batch_first else "second",
        "attention.kernel": axes(layer.in_proj_weight.shape, {18: "3 * width", 6: "width"}),
        "attention.width": {3: "of all heads", 6: "of a head"}[layer.head_dim],
        "attention.layer_true": "masked" if same else "attended",
        "attention.function_true": "attended" if attended else "masked",
        "attention.layer_masked_row": "finite" if nowhere.isfinite().all() else "NaN",
        "attention.function_masked_row": "finite" if empty.isfinite().all() else "NaN",
        "attention.dropout": "one for the batch"
        if torch.equal(outputs[:1].expand_as(outputs), outputs)
        else "each example's own",
    }


# Losses


def cross_entropy() -> dict[str, str]:
    """Two examples with two classes."""
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])
    loss = F.cross_entropy(logits, labels)
    each = F.cross_entropy(logits, labels, reduction="none")
    kinds = {each.mean().item(): "mean", each.sum().item(): "sum"}
    weighted = F.cross_entropy(logits * 0, labels, torch.tensor([1.0, 3.0])).item()
    ignored = F.cross_entropy(logits, torch.tensor([0, -100]))
    arguments = [*inspect.signature(F.cross_entropy).parameters][:2]
    return {
        "cross_entropy.arguments": ", ".join(arguments),
        "cross_entropy.reduction": kinds[loss.item()],
        "cross_entropy.takes": "logits" if each[1].item() > 0.69 else "probabilities",
        "cross_entropy.weights": "their sum" if weighted < 0.7 else "the batch",
        "cross_entropy.label_-100": "left out" if ignored == each[0] else number(ignored.item()),
    }


def other_losses() -> dict[str, str]:
    """Errors of 2 in two values."""
    half = F.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0])).item()
    squared = F.mse_loss(torch.full((2,), 2.0), torch.zeros(2))
    double = F.mse_loss(torch.ones(2).double(), torch.zeros(2).double())
    return {
        "binary_cross_entropy.takes": "probabilities" if half > 0.6 else "logits",
        "squared_error.of_2": numbers(squared),
        "loss.float64": dtype(double),
    }


# Optimizers


def stepped(
    make: Callable[[list[Tensor]], optim.Optimizer],
    *gradients: float,
    start: float = 0.0,
    rates: Sequence[float] = (),
    kept: torch.dtype = torch.float32,
) -> float:
    """Where an optimizer takes one number by these gradients, at these learning rates."""
    weight = torch.tensor(start, dtype=kept, requires_grad=True)
    optimizer = make([weight])
    for i, gradient in enumerate(gradients):
        for group in optimizer.param_groups:
            group["lr"] = rates[i] if rates else group["lr"]
        weight.grad = torch.tensor(gradient, dtype=kept)
        optimizer.step()
    return weight.item()


def adam() -> dict[str, str]:
    """Adam and AdamW. A gradient as small as epsilon halves the first step, if epsilon is whole."""
    epsilon = float(default(optim.Adam, "eps"))
    step = -stepped(lambda p: optim.Adam(p, 0.5), epsilon)
    decayed = 1 - stepped(lambda p: optim.Adam(p, 0.5, weight_decay=0.25), 0.0, start=1.0)
    return {
        "adam.learning_rate": default(optim.Adam, "lr"),
        "adam.epsilon": number(epsilon),
        "adam.epsilon_at_step_1": f"{0.5 / step - 1:.3g} times",
        "adam.weight_decay": "L2" if decayed > 0.25 else "decoupled",
        "adamw.weight_decay": default(optim.AdamW, "weight_decay"),
    }


def sgd() -> dict[str, str]:
    """Stochastic gradient descent."""
    decayed = stepped(
        lambda p: optim.SGD(p, 0.5, momentum=0.5, weight_decay=0.5), 0.0, 0.0, start=1.0
    )
    moved = stepped(lambda p: optim.SGD(p, momentum=0.5), 1.0, 0.0, rates=(1.0, 0.5))
    rate = -stepped(lambda p: optim.SGD(p, 0.1), 1.0, kept=torch.float64)
    return {
        "sgd.learning_rate": default(optim.SGD, "lr"),
        "sgd.learning_rate_kept": "float64" if rate == 0.1 else "float32",
        "sgd.momentum_of": {-1.25: "gradients", -1.5: "steps"}[moved],
        "sgd.weight_decay": {0.4375: "L2", 0.5625: "decoupled"}[decayed],
    }


def other_optimizers() -> dict[str, str]:
    """RMSprop, with an epsilon of 1 that shows where it stands, and Adagrad."""
    step = -stepped(lambda p: optim.RMSprop(p, 1.0, alpha=0.75, eps=1.0), 2.0)
    return {
        "rmsprop.learning_rate": default(optim.RMSprop, "lr"),
        "rmsprop.decay": default(optim.RMSprop, "alpha"),
        "rmsprop.epsilon": default(optim.RMSprop, "eps"),
        "rmsprop.epsilon_place": "outside the root" if step == 1 else "inside the root",
        "adagrad.start": default(optim.Adagrad, "initial_accumulator_value"),
        "adagrad.epsilon": default(optim.Adagrad, "eps"),
    }


def clipping() -> dict[str, str]:
    """Gradients of 3 and 4, norm 5, clipped to a norm of 1."""
    weights = [torch.zeros(1).double() for _ in range(2)]
    weights[0].grad, weights[1].grad = torch.tensor([3.0]).double(), torch.tensor([4.0]).double()
    nn.utils.clip_grad_norm_(weights, 1.0)
    first = weights[0].grad.item()
    return {
        "clipping.norm": "of all together" if first < 0.9 else "of each variable",
        "clipping.added_to_norm": f"{max(3 / first - 5, 0):.1g}",
    }


# Counting and precision


def counting() -> dict[str, str]:
    """What counts as a parameter, and when."""
    layer = nn.BatchNorm1d(5)
    named = nn.ModuleDict({f"Conv_{i}": nn.Linear(1, 1) for i in (2, 10)})
    return {
        "count.batch_norm": f"{sum(p.numel() for p in layer.parameters())} of 5 channels",
        "count.before_input": "refused"
        if refused(lambda: sum(p.numel() for p in nn.Linear(3, 2).parameters()))
        else "counted",
        "count.dropout": str(len(nn.Dropout(0.5).state_dict())),
        "order.of_tensors": "as made" if next(iter(named)) == "Conv_2" else "by name",
    }


def precision() -> dict[str, str]:
    """What a number is kept in."""
    double = torch.zeros(1, 3, dtype=torch.float64)
    return {
        "precision.integers": dtype(torch.arange(3)),
        "precision.float64_array": dtype(torch.as_tensor(np.zeros(1))),
        "precision.float64_into_layer": "refused"
        if refused(lambda: nn.Linear(3, 2)(double))
        else dtype(nn.Linear(3, 2)(double)),
        "precision.product_tf32": number(torch.backends.cuda.matmul.allow_tf32),
        "precision.conv_tf32": number(torch.backends.cudnn.allow_tf32),
    }
