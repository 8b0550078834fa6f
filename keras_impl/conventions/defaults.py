"""What Keras takes for granted: default values and meanings, asked of the library itself.

Its twins in the other panels measure the same under the same keys. What a signature or a fresh
layer tells is read there; where neither does, a few numbers are put through and the answer is seen.
`shared.conventions.table` says what each key means, and holds the panels against each other. Keras
has no gradients of its own: they are measured where it runs on TensorFlow.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, losses, ops, optimizers

from shared.asking import NOT_MEASURED, Drawn, axes, default, number, refused


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
    # One seed for all layers, as for one: two of a model's own would draw different numbers.
    keras.utils.set_random_seed(0)
    dense = built(layers.Dense(200), np.zeros((1, 300)))
    conv = built(layers.Conv2D(60, 3), np.zeros((1, 3, 3, 40)))
    embedding = built(layers.Embedding(400, 60), np.zeros(1, int)).embeddings
    values = {
        "initial.dense_kernel": (ops.transpose(dense.kernel), 300, 200),
        "initial.dense_bias": (dense.bias, 300, 200),
        "initial.conv_kernel": (ops.transpose(conv.kernel, (3, 2, 0, 1)), 360, 540),
        "initial.conv_bias": (conv.bias, 360, 540),
        "initial.embedding": (embedding, 60, 400),
    }
    return {key: (array_of(array), a, b) for key, (array, a, b) in values.items()}


# What every group asks


def numbers(values: Any) -> str:
    """Several numbers."""
    return ", ".join(number(value) for value in np.ravel(array_of(values)))


def array_of(values: Any) -> np.ndarray:
    """A tensor or variable of whatever framework Keras runs on, as a copy."""
    return np.array(ops.convert_to_numpy(values))


def slope(function: Callable[[Any], Any], *point: float) -> str:
    """The gradient of a function's sum at a point."""
    if keras.backend.backend() != "tensorflow":
        return NOT_MEASURED
    import tensorflow as tf

    x = tf.constant(point, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(function(x))
    return numbers(tape.gradient(total, x))


def built(layer: Any, *inputs: Any) -> Any:
    """A layer with its variables, which it makes when it first sees an input."""
    layer(*inputs)
    return layer


# Normalisation


def batch_norm() -> dict[str, str]:
    """Batch norm of the values 0 and 2: mean 1, variance 1 over n and 2 over n - 1."""
    layer, frozen = layers.BatchNormalization(), layers.BatchNormalization(trainable=False)
    for each in (layer, frozen):
        each(np.array([[0.0], [2.0]]), training=True)
    new = array_of(layer.moving_mean).item()
    kind = "new" if math.isclose(new, layer.momentum, rel_tol=1e-3) else "old"
    variance = round(1 + (array_of(layer.moving_variance).item() - 1) / new)
    double = built(layers.BatchNormalization(dtype="float64"), np.ones((1, 1)))
    return {
        "batch_norm.epsilon": number(layer.epsilon),
        "batch_norm.momentum": f"{number(layer.momentum)}, the weight of the {kind}",
        "batch_norm.running_variance": {1: "biased, over n", 2: "unbiased, over n - 1"}[variance],
        "batch_norm.one_value": numbers(layer(np.ones((1, 1)), training=True)),
        "batch_norm.frozen": "goes on" if array_of(frozen.moving_mean).item() else "stops",
        "batch_norm.float64": double.moving_mean.dtype,
        "batch_norm.tensors": ", ".join(variable.name for variable in layer.variables),
    }


def other_norms() -> dict[str, str]:
    """Layer norm, group norm and RMS norm."""
    signs = np.array([[-1.0, 1.0] * 8], "float32")
    normed = array_of(layers.LayerNormalization()(1000 + signs / 10))
    # Keras's own epsilon is a tenth of this variance.
    error = abs(normed - signs / math.sqrt(1 + 100 * layers.LayerNormalization().epsilon)).max()
    small = 1e-4
    shrunk = array_of(layers.RMSNormalization()(np.full((1, 2), small, "float32")))[0, 0].item()
    return {
        "layer_norm.epsilon": number(layers.LayerNormalization().epsilon),
        "layer_norm.large_mean": "accurate" if error < 0.05 else "loses digits",
        "group_norm.epsilon": number(layers.GroupNormalization().epsilon),
        "group_norm.groups": default(layers.GroupNormalization, "groups"),
        "rms_norm.epsilon": f"{(small / shrunk) ** 2 - small**2:.1e}",
    }


# Convolution, pooling, resizing


def reads(padding: Any) -> str:
    """How many zeros a kernel of 3 with stride 2 reads on either side of 4 values."""
    if refused(lambda: layers.Conv1D(1, 3, 2, padding=padding)):
        return "refused"
    conv = layers.Conv1D(1, 3, 2, padding=padding, kernel_initializer="ones")
    first, *_, last = array_of(conv(np.ones((1, 4, 1)))).ravel()
    return f"{3 - first:.0f} before, {3 - last:.0f} after"


def convolution() -> dict[str, str]:
    """Paddings, and the order of the kernels' axes."""
    names, image = {2: "out", 3: "in", 4: "height", 5: "width"}, np.zeros((1, 9, 9, 3))
    separate = {2: "multiplier", 3: "in", 4: "height", 5: "width"}
    depthwise = layers.DepthwiseConv2D((4, 5), depth_multiplier=2)
    return {
        "dense.kernel": axes(built(layers.Dense(2), image).kernel.shape, names),
        "conv.kernel": axes(built(layers.Conv2D(2, (4, 5)), image).kernel.shape, names),
        "conv.padding": default(layers.Conv2D, "padding"),
        "conv.same_stride_2": reads("same"),
        "conv.padding_1_stride_2": reads(1),
        "depthwise.kernel": axes(built(depthwise, image).kernel.shape, separate),
    }


def transposed_convolution() -> dict[str, str]:
    """A transposed convolution of a single 1: what comes out is the kernel, as it is or turned."""
    kernel, one = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0])
    spread = ops.conv_transpose(one[None, :, None], kernel[:, None, None], padding="same")
    names, image = {2: "out", 3: "in", 4: "height", 5: "width"}, np.zeros((1, 9, 9, 3))
    layer = built(layers.Conv2DTranspose(2, (4, 5)), image)
    return {
        "conv_transpose.kernel": axes(layer.kernel.shape, names),
        "conv_transpose.flipped": number(numbers(spread) != "1, 2, 3"),
        "conv_transpose.padding": default(layers.Conv2DTranspose, "padding"),
    }


def pooling_and_resizing() -> dict[str, str]:
    """Windows of 3 over 6 values; ones of which one window sees padding; 5 pixels made 3."""
    length = layers.MaxPooling1D(3)(np.zeros((1, 6, 1))).shape[1]
    average = layers.AveragePooling1D(2, padding="same")(np.ones((1, 3, 1)))
    near = ops.image.resize(np.arange(5.0)[None, :, None], (1, 3), interpolation="nearest")
    return {
        "pool.stride": {2: "the window", 4: "1"}[length],
        "avg_pool.counts_padding": number(bool(array_of(average).min() < 1)),
        "max_pool.tie_gradient": slope(lambda x: ops.max_pool(x[None, :, None], 4), 1, 2, 2, 2),
        "max.tie_gradient": slope(ops.max, 1, 2, 2, 2),
        "resize.antialias": default(ops.image.resize, "antialias"),
        "resize.nearest": numbers(near),
    }


# Activations and kinks


def activations() -> dict[str, str]:
    """GELU, exact or by its approximation with tanh; leaky ReLU; the deviation of 0 and 2."""
    points = (0.5, 1.0, 2.0)
    exact = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in points]
    double = ops.convert_to_tensor(np.array(points), "float64")
    error = abs(array_of(ops.gelu(double, approximate=False)) - exact).max()
    one, minus_one = ops.ones(1), -ops.ones(1)
    named, function = array_of(keras.activations.gelu(one)), array_of(ops.gelu(one))
    return {
        "gelu.activation": "exact" if abs(named.item() - exact[1]) < 1e-5 else "tanh",
        "gelu.function": "exact" if abs(function.item() - exact[1]) < 1e-5 else "tanh",
        "gelu.float64": "to rounding" if error < 1e-14 else "short of rounding",
        "leaky_relu.function": numbers(-ops.leaky_relu(minus_one)),
        "leaky_relu.layer": numbers(-layers.LeakyReLU()(minus_one)),
        "dropout.rate": default(layers.Dropout, "rate"),
        "std.divisor": "n" if array_of(ops.std(np.array([0.0, 2.0]))) == 1 else "n - 1",
    }


def kinks() -> dict[str, str]:
    """Gradients where there is none."""
    return {
        "relu.gradient_at_0": slope(ops.relu, 0),
        "maximum.gradient_at_0": slope(lambda x: ops.maximum(x, ops.zeros(1)), 0),
        "clip.gradient_at_bound": slope(lambda x: ops.clip(x, -1, 0), 0),
        "abs.gradient_at_0": slope(ops.abs, 0),
        "norm.gradient_at_0": slope(ops.norm, 0),
    }


# Recurrent cells and attention


def opened(cell: Any, gate: int, states: list[Any]) -> list[float]:
    """The states after a step of one unit in which one gate's bias alone is large."""
    cell.build((1, 1))
    for variable in cell.variables:
        variable.assign(np.zeros(variable.shape))
    bias = np.zeros(cell.bias.shape)
    bias[(0, gate) if bias.ndim == 2 else gate] = 50  # GRU: the inputs' bias, then the state's
    cell.bias.assign(bias)
    return [round(array_of(state).item(), 3) for state in cell(np.zeros((1, 1)), states)[1]]


def lstm_gates() -> str:
    """The gates' order, seen from the states c = 2 and h = 0."""
    names = []
    for gate in range(4):
        h, c = opened(layers.LSTMCell(1), gate, [np.zeros((1, 1)), np.full((1, 1), 2.0)])
        names.append({2.0: "f", 1.5: "g"}.get(c, "o" if h > 0.6 else "i"))
    return ", ".join(names)


def gru_gates() -> str:
    """The gates' order, seen from the state h = 2."""
    known = {2.0: "z", 1.5: "n", 1.0: "r"}
    states = [opened(layers.GRUCell(1), gate, [np.full((1, 1), 2.0)])[0] for gate in range(3)]
    return ", ".join(known[h] for h in states)


def recurrent_cells() -> dict[str, str]:
    """Cells from 3 inputs to 4 units."""
    lstm, gru = layers.LSTMCell(4), layers.GRUCell(4)
    for cell in (lstm, gru):
        cell.build((1, 3))
    forget = {round(value, 6) for value in array_of(lstm.bias)[4:8].tolist()}
    second = np.zeros((3, 2, 1))  # 3 steps of 2 sequences, or 2 steps of 3
    return {
        "lstm.parameters": str(lstm.count_params()),
        "lstm.gates": lstm_gates(),
        "lstm.forget_bias": number(forget.pop()) if len(forget) == 1 else "drawn",
        "gru.parameters": str(gru.count_params()),
        "gru.gates": gru_gates(),
        "rnn.batch_axis": {2: "second", 3: "first"}[layers.LSTM(4)(second).shape[0]],
    }


def attention() -> dict[str, str]:
    """Attention in 2 heads of width 3 to two steps, of which the mask's True is on the first."""
    layer, x, context = layers.MultiHeadAttention(2, 3), np.ones((3, 1, 6)), np.ones((3, 2, 6))
    mask, nothing = np.tile([[[True, False]]], (3, 1, 1)), np.zeros((3, 1, 2), bool)
    step, example = context.copy(), context.copy()
    step[:, 0], example[0] = 9, 9
    kept, other, alone = (
        array_of(layer(x, c, attention_mask=mask)) for c in (context, step, example)
    )
    q, v = np.zeros((1, 1, 1, 1), "float32"), np.array([1.0, 0.0], "float32")[None, :, None, None]
    function = ops.dot_product_attention(q, v * 0, v, mask=mask[:1, None])
    empty = ops.dot_product_attention(q, v * 0, v, mask=nothing[:1, None])
    lost = layer(x, context, attention_mask=nothing)
    many = np.ones((8, 6, 6))
    dropped = array_of(layers.MultiHeadAttention(2, 3, dropout=0.5)(many, many, training=True))
    narrow = layers.MultiHeadAttention(2, 8)
    narrow.build((1, 1, 6), (1, 1, 6))
    names = {6: "width", 2: "head", 3: "width of a head"}
    return {
        "attention.batch_axis": "first" if np.array_equal(alone[1:], kept[1:]) else "second",
        "attention.kernel": axes(layer.query_dense.kernel.shape, names),
        "attention.width": {8: "of a head", 4: "of all heads"}[narrow.query_dense.kernel.shape[-1]],
        "attention.layer_true": "masked" if np.array_equal(kept, other) else "attended",
        "attention.function_true": "attended" if array_of(function).item() == 1 else "masked",
        "attention.layer_masked_row": "finite" if np.isfinite(array_of(lost)).all() else "NaN",
        "attention.function_masked_row": "finite" if np.isfinite(array_of(empty)).all() else "NaN",
        "attention.dropout": "one for the batch"
        if np.array_equal(dropped, dropped[:1].repeat(8, axis=0))
        else "each example's own",
    }


# Losses


def cross_entropy() -> dict[str, str]:
    """Two examples with two classes: logits that are probabilities too."""
    kind = losses.SparseCategoricalCrossentropy
    values, labels = np.array([[0.9, 0.1], [0.5, 0.5]], "float32"), np.array([0, 1])
    loss, each = kind()(labels, values), kind(reduction=None)(labels, values)
    level = np.full((2, 2), 0.5, "float32")
    weighted = array_of(kind()(labels, level, sample_weight=np.array([1.0, 3.0], "float32")))

    def ignored() -> str:
        per_example = kind(reduction=None)(np.array([0, -100]), values)
        return "left out" if array_of(per_example)[1] == 0 else number(array_of(per_example)[1])

    kinds = {f"{array_of(each).mean():.5f}": "mean", f"{array_of(each).sum():.5f}": "sum"}
    return {
        "cross_entropy.arguments": ", ".join([*inspect.signature(kind.call).parameters][1:3]),
        "cross_entropy.reduction": kinds[f"{array_of(loss).item():.5f}"],
        "cross_entropy.takes": "probabilities" if array_of(each)[0] < 0.2 else "logits",
        "cross_entropy.weights": "their sum" if weighted < 0.7 else "the batch",
        "cross_entropy.label_-100": "refused" if refused(ignored) else ignored(),
    }


def other_losses() -> dict[str, str]:
    """Errors of 2 in two values."""
    half = losses.BinaryCrossentropy()(np.array([[1.0]]), np.array([[0.5]]))
    squared = losses.MeanSquaredError()(np.zeros((1, 2)), np.full((1, 2), 2.0))
    ones = ops.convert_to_tensor(np.ones((1, 2)), "float64")
    return {
        "binary_cross_entropy.takes": "probabilities" if array_of(half) > 0.6 else "logits",
        "squared_error.of_2": numbers(squared),
        "loss.float64": str(array_of(losses.MeanSquaredError()(ones, ones)).dtype),
    }


# Optimizers


def stepped(
    optimizer: optimizers.Optimizer,
    *gradients: float,
    start: float = 0.0,
    rates: Sequence[float] = (),
    dtype: str = "float32",
) -> float:
    """Where an optimizer takes one number by these gradients, at these learning rates."""
    weight = keras.Variable(np.array(start), dtype=dtype)
    for i, gradient in enumerate(gradients):
        if rates:
            optimizer.learning_rate = rates[i]
        optimizer.apply([ops.convert_to_tensor(gradient, dtype)], [weight])
    return array_of(weight).item()


def adam() -> dict[str, str]:
    """Adam and AdamW. A gradient as small as epsilon halves the first step, if epsilon is whole."""
    epsilon = float(default(optimizers.Adam, "epsilon"))
    step = -stepped(optimizers.Adam(0.5), epsilon)
    decayed = 1 - stepped(optimizers.Adam(0.5, weight_decay=0.25), 0.0, start=1.0)
    return {
        "adam.learning_rate": default(optimizers.Adam, "learning_rate"),
        "adam.epsilon": number(epsilon),
        "adam.epsilon_at_step_1": f"{0.5 / step - 1:.3g} times",
        "adam.weight_decay": "L2" if decayed > 0.25 else "decoupled",
        "adamw.weight_decay": default(optimizers.AdamW, "weight_decay"),
    }


def sgd() -> dict[str, str]:
    """Stochastic gradient descent."""
    decaying = optimizers.SGD(0.5, momentum=0.5, weight_decay=0.5)
    decayed = stepped(decaying, 0.0, 0.0, start=1.0)
    moved = stepped(optimizers.SGD(momentum=0.5), 1.0, 0.0, rates=(1.0, 0.5))
    rate = -stepped(optimizers.SGD(0.1), 1.0, dtype="float64")
    return {
        "sgd.learning_rate": default(optimizers.SGD, "learning_rate"),
        "sgd.learning_rate_kept": "float64" if rate == 0.1 else "float32",
        "sgd.momentum_of": {-1.25: "gradients", -1.5: "steps"}[moved],
        "sgd.weight_decay": {0.4375: "L2", 0.5625: "decoupled"}[decayed],
    }


def other_optimizers() -> dict[str, str]:
    """RMSprop, with an epsilon of 1 that shows where it stands, and Adagrad."""
    step = -stepped(optimizers.RMSprop(1.0, rho=0.75, epsilon=1.0), 2.0)
    return {
        "rmsprop.learning_rate": default(optimizers.RMSprop, "learning_rate"),
        "rmsprop.decay": default(optimizers.RMSprop, "rho"),
        "rmsprop.epsilon": default(optimizers.RMSprop, "epsilon"),
        "rmsprop.epsilon_place": "outside the root" if step == 1 else "inside the root",
        "adagrad.start": default(optimizers.Adagrad, "initial_accumulator_value"),
        "adagrad.epsilon": default(optimizers.Adagrad, "epsilon"),
    }


def clipping() -> dict[str, str]:
    """Gradients of 3 and 4, norm 5, clipped to a norm of 1."""
    clipped = {}
    for argument in ("clipnorm", "global_clipnorm"):
        weights = [keras.Variable(np.zeros(1), dtype="float64") for _ in range(2)]
        gradients = [ops.convert_to_tensor(np.array([g]), "float64") for g in (3.0, 4.0)]
        optimizers.SGD(1.0, **{argument: 1.0}).apply(gradients, weights)
        clipped[argument] = -array_of(weights[0]).item()
    added = max(3 / clipped["global_clipnorm"] - 5, 0)
    return {
        "clipping.norm": "of all together" if clipped["clipnorm"] < 0.9 else "of each variable",
        "clipping.added_to_norm": f"{added:.1g}",
    }


# Counting and precision


def counting() -> dict[str, str]:
    """What counts as a parameter, and when."""
    layer = built(layers.BatchNormalization(), np.zeros((1, 5)))
    model = keras.Sequential([layers.Dense(1, name=f"conv_{i}") for i in (2, 10)])
    first = built(model, np.zeros((1, 1))).variables[0].path
    return {
        "count.batch_norm": f"{layer.count_params()} of 5 channels",
        "count.before_input": "refused" if refused(layers.Dense(2).count_params) else "counted",
        "count.dropout": str(len(layers.Dropout(0.5).variables)),
        "order.of_tensors": "as made" if "conv_2" in first else "by name",
    }


def precision() -> dict[str, str]:
    """What a number is kept in."""
    layer = layers.Dense(2)
    tf32 = NOT_MEASURED
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf32 = number(tf.config.experimental.tensor_float_32_execution_enabled())
    into = layer(ops.convert_to_tensor(np.zeros((1, 3)), "float64"))
    return {
        "precision.integers": str(array_of(ops.arange(3)).dtype),
        "precision.float64_array": str(array_of(ops.convert_to_tensor(np.zeros(1))).dtype),
        "precision.float64_into_layer": str(array_of(into).dtype),
        "precision.product_tf32": tf32,
        "precision.conv_tf32": tf32,
    }
