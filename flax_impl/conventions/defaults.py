"""What JAX, Flax and optax take for granted: default values and meanings, asked of them.

Its twins in the other panels measure the same under the same keys. What a signature or a fresh
layer tells is read there; where neither does, a few numbers are put through and the answer is seen.
`shared.conventions.table` says what each key means, and holds the panels against each other.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax import Array

from flax_impl.engine import compiling
from shared.asking import Drawn, axes, default, number, refused

KEY = jax.random.key(0)


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
    return {key: value for group in groups for key, value in group().items()}


def initial_values() -> dict[str, Drawn]:
    """New weights with out and in first, by key; each with the fan-in and fan-out of its layer."""
    dense = params(nn.Dense(200), jnp.zeros((1, 300)))
    conv = params(nn.Conv(60, (3, 3)), jnp.zeros((1, 3, 3, 40)))
    embedding = params(nn.Embed(400, 60), jnp.zeros(1, int))["embedding"]
    values = {
        "initial.dense_kernel": (dense["kernel"].T, 300, 200),
        "initial.dense_bias": (dense["bias"], 300, 200),
        "initial.conv_kernel": (conv["kernel"].transpose(3, 2, 0, 1), 360, 540),
        "initial.conv_bias": (conv["bias"], 360, 540),
        "initial.embedding": (embedding, 60, 400),
    }
    return {key: (np.asarray(array), a, b) for key, (array, a, b) in values.items()}


# What every group asks


def numbers(values: Any) -> str:
    """Several numbers."""
    return ", ".join(number(value) for value in np.ravel(values))


def slope(function: Callable[[Array], Array], *point: float) -> str:
    """The gradient of a function's sum at a point."""
    return numbers(jax.grad(lambda x: function(x).sum())(jnp.array(point, jnp.float32)))


def params(module: nn.Module, *inputs: Any) -> Any:
    """A module's new parameters; compiled as a whole and little optimised, which is sooner done."""
    init = jax.jit(module.init, compiler_options=compiling.quickly())
    return init(KEY, *inputs)["params"]


def kernel(module: nn.Module, image: Array, names: dict[int, str]) -> str:
    """The axes of a layer's kernel, each called by its size."""
    return axes(jax.eval_shape(module.init, KEY, image)["params"]["kernel"].shape, names)


# Normalisation


def batch_norm() -> dict[str, str]:
    """Batch norm of the values 0 and 2: mean 1, variance 1 over n and 2 over n - 1."""
    layer, x = nn.BatchNorm(use_running_average=False), jnp.array([[0.0], [2.0]])
    state = layer.init(KEY, x)
    _, changed = layer.apply(state, x, mutable="batch_stats")
    moved = changed["batch_stats"]
    new = moved["mean"].item()
    kind = "new" if math.isclose(new, layer.momentum, rel_tol=1e-3) else "old"
    variance = round(1 + (moved["var"].item() - 1) / new)
    alone, _ = layer.apply(state, jnp.ones((1, 1)), mutable="batch_stats")
    with jax.enable_x64(True):
        double = nn.BatchNorm(use_running_average=False, param_dtype=jnp.float64)
        kept = double.init(KEY, x.astype(jnp.float64))["batch_stats"]["mean"].dtype
    return {
        "batch_norm.epsilon": number(layer.epsilon),
        "batch_norm.momentum": f"{number(layer.momentum)}, the weight of the {kind}",
        "batch_norm.running_variance": {1: "biased, over n", 2: "unbiased, over n - 1"}[variance],
        "batch_norm.one_value": number(alone.item()),
        "batch_norm.frozen": "none",  # what is trained is the optimizer's affair
        "batch_norm.float64": str(kept),
        "batch_norm.tensors": ", ".join([*state["params"], *state["batch_stats"]]),
    }


def other_norms() -> dict[str, str]:
    """Layer norm, group norm and RMS norm."""
    signs = jnp.array([[-1.0, 1.0] * 8])
    normed, _ = nn.LayerNorm().init_with_output(KEY, 1000 + 0.1 * signs)
    small = 1e-4
    shrunk = nn.RMSNorm().init_with_output(KEY, jnp.full((1, 2), small))[0][0, 0].item()
    return {
        "layer_norm.epsilon": number(nn.LayerNorm().epsilon),
        "layer_norm.large_mean": "accurate" if abs(normed - signs).max() < 0.05 else "loses digits",
        "group_norm.epsilon": number(nn.GroupNorm().epsilon),
        "group_norm.groups": default(nn.GroupNorm, "num_groups"),
        "rms_norm.epsilon": f"{(small / shrunk) ** 2 - small**2:.1e}",
    }


# Convolution, pooling, resizing


def reads(padding: Any) -> str:
    """How many zeros a kernel of 3 with stride 2 reads on either side of 4 values."""
    conv = nn.Conv(1, 3, 2, padding=padding)
    ones = {"kernel": jnp.ones((3, 1, 1)), "bias": jnp.zeros(1)}
    if refused(lambda: conv.apply({"params": ones}, jnp.ones((1, 4, 1)))):
        return "refused"
    sums: Any = conv.apply({"params": ones}, jnp.ones((1, 4, 1)))
    first, *_, last = sums.ravel()
    return f"{3 - first:.0f} before, {3 - last:.0f} after"


def convolution() -> dict[str, str]:
    """Paddings, and the order of the kernels' axes."""
    names, image = {2: "out", 3: "in", 4: "height", 5: "width"}, jnp.zeros((1, 9, 9, 3))
    separate = {4: "height", 5: "width", 1: "1", 6: "in * multiplier"}
    depthwise = nn.Conv(6, (4, 5), feature_group_count=3)
    return {
        "dense.kernel": kernel(nn.Dense(2), image, names),
        "conv.kernel": kernel(nn.Conv(2, (4, 5)), image, names),
        "conv.padding": default(nn.Conv, "padding"),
        "conv.same_stride_2": reads("SAME"),
        "conv.padding_1_stride_2": reads(1),
        "depthwise.kernel": kernel(depthwise, image, separate),
    }


def transposed_convolution() -> dict[str, str]:
    """A transposed convolution of a single 1: what comes out is the kernel, as it is or turned."""
    weights = {"kernel": jnp.array([1.0, 2.0, 3.0])[:, None, None]}
    one = jnp.array([0.0, 1.0, 0.0])[None, :, None]
    spread = nn.ConvTranspose(1, (3,), use_bias=False).apply({"params": weights}, one)
    image, names = jnp.zeros((1, 9, 9, 3)), {2: "out", 3: "in", 4: "height", 5: "width"}
    return {
        "conv_transpose.kernel": kernel(nn.ConvTranspose(2, (4, 5)), image, names),
        "conv_transpose.flipped": number(numbers(spread) != "1, 2, 3"),
        "conv_transpose.padding": default(nn.ConvTranspose, "padding"),
    }


def pooling_and_resizing() -> dict[str, str]:
    """Windows of 3 over 6 values; ones of which one window sees padding; 5 pixels made 3."""
    length = nn.max_pool(jnp.zeros((1, 6, 1)), (3,)).shape[1]
    average = nn.avg_pool(jnp.ones((1, 3, 1)), (2,), strides=(2,), padding="SAME")
    near = jax.image.resize(jnp.arange(5.0), (3,), "nearest")
    return {
        "pool.stride": {2: "the window", 4: "1"}[length],
        "avg_pool.counts_padding": number(bool(average.min() < 1)),
        "max_pool.tie_gradient": slope(lambda x: nn.max_pool(x[None, :, None], (4,)), 1, 2, 2, 2),
        "max.tie_gradient": slope(jnp.max, 1, 2, 2, 2),
        "resize.antialias": default(jax.image.resize, "antialias"),
        "resize.nearest": numbers(near),
    }


# Activations and kinks


def activations() -> dict[str, str]:
    """GELU, exact or by its approximation with tanh; leaky ReLU; the deviation of 0 and 2."""
    points = (0.5, 1.0, 2.0)
    exact = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in points]
    with jax.enable_x64(True):
        actual = nn.gelu(jnp.array(points, jnp.float64), approximate=False).tolist()
    error = max(abs(a - b) for a, b in zip(exact, actual, strict=True))
    one = jnp.array(1.0)
    return {
        "gelu.activation": "exact" if abs(nn.gelu(one).item() - exact[1]) < 1e-5 else "tanh",
        "gelu.function": "exact" if abs(jax.nn.gelu(one).item() - exact[1]) < 1e-5 else "tanh",
        "gelu.float64": "to rounding" if error < 1e-14 else "short of rounding",
        "leaky_relu.function": number(-nn.leaky_relu(jnp.array(-1.0)).item()),
        "leaky_relu.layer": "none",  # activations are functions here
        "dropout.rate": default(nn.Dropout, "rate"),
        "std.divisor": "n" if jnp.std(jnp.array([0.0, 2.0])) == 1 else "n - 1",
    }


def kinks() -> dict[str, str]:
    """Gradients where there is none."""
    return {
        "relu.gradient_at_0": slope(nn.relu, 0),
        "maximum.gradient_at_0": slope(lambda x: jnp.maximum(x, jnp.zeros(1)), 0),
        "clip.gradient_at_bound": slope(lambda x: jnp.clip(x, -1, 0), 0),
        "abs.gradient_at_0": slope(jnp.abs, 0),
        "norm.gradient_at_0": slope(jnp.linalg.norm, 0),
    }


# Recurrent cells and attention


def recurrent_cells() -> dict[str, str]:
    """Cells from 3 inputs to 4 units; every gate is a layer with a name, so they have no order."""
    lstm, gru, h = nn.OptimizedLSTMCell(4), nn.GRUCell(4), jnp.zeros((1, 4))
    parameters = params(lstm, (h, h), jnp.zeros((1, 3)))
    shapes = jax.eval_shape(gru.init, KEY, h, jnp.zeros((1, 3)))["params"]
    forget = {round(value, 6) for value in parameters["hf"]["bias"].tolist()}
    return {
        "lstm.parameters": str(sum(leaf.size for leaf in jax.tree.leaves(parameters))),
        "lstm.gates": f"named {', '.join(parameters)}",
        "lstm.forget_bias": number(forget.pop()) if len(forget) == 1 else "drawn",
        "gru.parameters": str(sum(leaf.size for leaf in jax.tree.leaves(shapes))),
        "gru.gates": f"named {', '.join(shapes)}",
        "rnn.batch_axis": "second" if nn.RNN(lstm).time_major else "first",
    }


def attention() -> dict[str, str]:
    """Attention in 2 heads of width 3 to two steps, of which the mask's True is on the first."""
    layer = nn.MultiHeadDotProductAttention(2, deterministic=True)
    apply, function = jax.jit(layer.apply), jax.jit(nn.dot_product_attention)
    x, context = jnp.ones((3, 1, 6)), jnp.ones((3, 2, 6))
    state = {"params": params(layer, x, context)}
    mask, nothing = jnp.array([[[[True, False]]]]), jnp.zeros((1, 1, 1, 2), bool)
    outputs = [apply(state, x, c, mask=mask) for c in (context, context.at[:, 0].set(9))]
    alone = apply(state, x, context.at[0].set(9), mask=mask)
    q, v = jnp.zeros((1, 1, 1, 1)), jnp.array([1.0, 0.0])[None, :, None, None]
    lost, empty = apply(state, x, context, mask=nothing), function(q, v * 0, v, mask=nothing)
    dropped = nn.MultiHeadDotProductAttention(2, dropout_rate=0.5, deterministic=False)
    many = jax.jit(dropped.apply)(state, jnp.ones((8, 6, 6)), rngs={"dropout": KEY})
    narrow = nn.MultiHeadDotProductAttention(2, qkv_features=8)
    shapes = jax.eval_shape(narrow.init, KEY, x)["params"]["query"]["kernel"].shape
    names = {6: "width", 2: "head", 3: "width of a head"}
    return {
        "attention.batch_axis": "first" if jnp.array_equal(alone[1:], outputs[0][1:]) else "second",
        "attention.kernel": axes(state["params"]["query"]["kernel"].shape, names),
        "attention.width": {8: "of a head", 4: "of all heads"}[shapes[-1]],
        "attention.layer_true": "masked" if jnp.array_equal(*outputs) else "attended",
        "attention.function_true": "attended"
        if function(q, v * 0, v, mask=mask).item() == 1
        else "masked",
        "attention.layer_masked_row": "finite" if jnp.isfinite(lost).all() else "NaN",
        "attention.function_masked_row": "finite" if jnp.isfinite(empty).all() else "NaN",
        "attention.dropout": "one for the batch"
        if jnp.array_equal(many, many[:1].repeat(8, axis=0))
        else "each example's own",
    }


# Losses


def cross_entropy() -> dict[str, str]:
    """Two examples with two classes."""
    function = optax.softmax_cross_entropy_with_integer_labels
    logits = jnp.array([[2.0, 0.0], [0.0, 0.0]])
    loss = function(logits, jnp.array([0, 1]))
    ignored = function(logits, jnp.array([0, -100]))[1].item()
    return {
        "cross_entropy.arguments": ", ".join([*inspect.signature(function).parameters][:2]),
        "cross_entropy.reduction": "per example" if loss.ndim else "mean",
        "cross_entropy.takes": "logits" if loss[1] > 0.69 else "probabilities",
        "cross_entropy.weights": "none",
        "cross_entropy.label_-100": "left out" if ignored == 0 else number(ignored),
    }


def other_losses() -> dict[str, str]:
    """Errors of 2 in two values."""
    half = optax.sigmoid_binary_cross_entropy(jnp.array([0.5]), jnp.array([1.0])).item()
    with jax.enable_x64(True):
        double = optax.l2_loss(jnp.ones(2, jnp.float64)).dtype
    return {
        "binary_cross_entropy.takes": "probabilities" if half > 0.6 else "logits",
        "squared_error.of_2": numbers(optax.l2_loss(jnp.full(2, 2.0))),
        "loss.float64": str(double),
    }


# Optimizers


def stepped(
    optimizer: optax.GradientTransformation,
    *gradients: float,
    start: float = 0.0,
    dtype: Any = jnp.float32,
) -> float:
    """Where an optimizer takes one number by these gradients."""
    weight = jnp.array(start, dtype)
    state = optimizer.init(weight)
    for gradient in gradients:
        update, state = optimizer.update(jnp.array(gradient, dtype), state, weight)
        weight = optax.apply_updates(weight, update)
    return float(weight)


def adam() -> dict[str, str]:
    """Adam and AdamW. A gradient as small as epsilon halves the first step, if epsilon is whole."""
    epsilon = float(default(optax.adam, "eps"))
    step = -stepped(optax.adam(0.5), epsilon)
    return {
        "adam.learning_rate": default(optax.adam, "learning_rate"),
        "adam.epsilon": number(epsilon),
        "adam.epsilon_at_step_1": f"{0.5 / step - 1:.3g} times",
        "adam.weight_decay": "none",
        "adamw.weight_decay": default(optax.adamw, "weight_decay"),
    }


def sgd() -> dict[str, str]:
    """Stochastic gradient descent."""
    moved = stepped(optax.sgd(lambda count: 1.0 / (count + 1), momentum=0.5), 1.0, 0.0)
    with jax.enable_x64(True):
        rate = -stepped(optax.sgd(0.1), 1.0, dtype=jnp.float64)
    return {
        "sgd.learning_rate": default(optax.sgd, "learning_rate"),
        "sgd.learning_rate_kept": "float64" if rate == 0.1 else "float32",
        "sgd.momentum_of": {-1.25: "gradients", -1.5: "steps"}[moved],
        "sgd.weight_decay": "none",
    }


def other_optimizers() -> dict[str, str]:
    """RMSprop, with an epsilon of 1 that shows where it stands, and Adagrad."""
    step = -stepped(optax.rmsprop(1.0, decay=0.75, eps=1.0), 2.0)
    return {
        "rmsprop.learning_rate": default(optax.rmsprop, "learning_rate"),
        "rmsprop.decay": default(optax.rmsprop, "decay"),
        "rmsprop.epsilon": default(optax.rmsprop, "eps"),
        "rmsprop.epsilon_place": "outside the root" if step == 1 else "inside the root",
        "adagrad.start": default(optax.adagrad, "initial_accumulator_value"),
        "adagrad.epsilon": default(optax.adagrad, "eps"),
    }


def clipping() -> dict[str, str]:
    """Gradients of 3 and 4, norm 5, clipped to a norm of 1."""
    with jax.enable_x64(True):
        gradients = [jnp.array(value, jnp.float64) for value in (3.0, 4.0)]
        clip = optax.clip_by_global_norm(1.0)
        first = clip.update(gradients, clip.init(gradients))[0][0].item()
    return {
        "clipping.norm": "of all together" if first < 0.9 else "of each variable",
        "clipping.added_to_norm": f"{max(3 / first - 5, 0):.1g}",
    }


# Counting and precision


def counting() -> dict[str, str]:
    """What counts as a parameter, and when."""
    layer = params(nn.BatchNorm(use_running_average=True), jnp.zeros((1, 5)))
    dropped = nn.Dropout(0.5, deterministic=True).init(KEY, jnp.zeros(1))
    first = jax.tree.leaves({"Conv_2": 2, "Conv_10": 10})[0]
    return {
        "count.batch_norm": f"{sum(leaf.size for leaf in jax.tree.leaves(layer))} of 5 channels",
        "count.before_input": "refused" if refused(lambda: nn.Dense(2).variables) else "counted",
        "count.dropout": str(len(jax.tree.leaves(dropped))),
        "order.of_tensors": "as made" if first == 2 else "by name",
    }


def precision() -> dict[str, str]:
    """What a number is kept in."""
    with jax.enable_x64(True):
        weights = {"params": {"kernel": jnp.zeros((3, 2), jnp.float32)}}
        layer = nn.Dense(2, use_bias=False)
        into: Any = layer.apply(weights, jnp.zeros((1, 3), jnp.float64))
    products = jax.config.values["jax_default_matmul_precision"] or "left to XLA"
    return {
        "precision.integers": str(jnp.arange(3).dtype),
        "precision.float64_array": str(jnp.asarray(np.zeros(1)).dtype),
        "precision.float64_into_layer": str(into.dtype),
        "precision.product_tf32": products,
        "precision.conv_tf32": products,
    }
