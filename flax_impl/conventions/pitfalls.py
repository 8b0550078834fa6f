"""Where Flax's word is taken: short code that rests on a default or a meaning of the library.

Its twins in the other panels do the same under the same names with the same arrays, and what comes
out differs: `shared.conventions.pitfalls` gives the arrays and measures by how much. Images are
(B, H, W, C) and kernels (H, W, in, out) or (in, out), as Flax and Keras have them, unless a
function copies them without a thought for the order of axes.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.flatten_util import ravel_pytree

KEY = jax.random.key(0)


# Normalisation


def batch_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Batch norm in training."""
    layer = nn.BatchNorm(use_running_average=False)
    y, _ = layer.init_with_output(KEY, x)
    return np.asarray(y)


def batch_norm_momentum(batches: np.ndarray) -> np.ndarray:
    """The running mean after some batches."""
    layer = nn.BatchNorm(use_running_average=False)
    state = layer.init(KEY, batches[0])
    for x in batches:
        _, state = layer.apply(state, x, mutable=True)
    return np.asarray(state["batch_stats"]["mean"])


def batch_norm_running_variance(x: np.ndarray) -> np.ndarray:
    """The running variance that is wholly the last batch's."""
    layer = nn.BatchNorm(use_running_average=False, momentum=0.0)
    _, state = layer.apply(layer.init(KEY, x), x, mutable=True)
    return np.asarray(state["batch_stats"]["var"])


def batch_norm_one_value(x: np.ndarray) -> np.ndarray:
    """Batch norm in training, of a batch of one."""
    layer = nn.BatchNorm(use_running_average=False)
    y, _ = layer.init_with_output(KEY, x)
    return np.asarray(y)


def batch_norm_frozen(x: np.ndarray) -> np.ndarray:
    """The running mean after a training batch, while the parameters are frozen."""
    layer = nn.BatchNorm(use_running_average=False, momentum=0.9)
    state = jax.lax.stop_gradient(layer.init(KEY, x))
    _, state = layer.apply(state, x, mutable=True)
    return np.asarray(state["batch_stats"]["mean"])


def layer_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Layer norm."""
    layer = nn.LayerNorm()
    y, _ = layer.init_with_output(KEY, x)
    return np.asarray(y)


def layer_norm_large_mean(x: np.ndarray) -> np.ndarray:
    """Layer norm of values far from 0."""
    layer = nn.LayerNorm(epsilon=1e-5)
    y, _ = layer.init_with_output(KEY, x)
    return np.asarray(y)


def group_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Group norm in two groups."""
    layer = nn.GroupNorm(num_groups=2)
    y, _ = layer.init_with_output(KEY, x)
    return np.asarray(y)


def group_norm_groups(x: np.ndarray) -> np.ndarray:
    """Group norm in as many groups as there are by default."""
    layer = nn.GroupNorm(epsilon=1e-5)
    y, _ = layer.init_with_output(KEY, x)
    return np.asarray(y)


def rms_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """RMS norm."""
    layer = nn.RMSNorm()
    y, _ = layer.init_with_output(KEY, x)
    return np.asarray(y)


# Convolution, pooling, resizing


def dense_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A dense layer whose square kernel is copied as it is."""
    layer = nn.Dense(4, use_bias=False)
    return np.asarray(layer.apply({"params": {"kernel": kernel}}, x))


def conv_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution whose kernel, 3 along every axis, is copied as it is."""
    conv = nn.Conv(3, (3, 3), padding="VALID", use_bias=False)
    return np.asarray(conv.apply({"params": {"kernel": kernel}}, x))


def conv_padding(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution and the mean of each channel, in which shapes agree whatever the padding."""
    conv = nn.Conv(4, (3, 3), use_bias=False)
    y = conv.apply({"params": {"kernel": kernel}}, x)
    return np.asarray(y).mean((1, 2))


def conv_same_stride_2(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution that halves an image."""
    conv = nn.Conv(4, (3, 3), strides=2, padding="SAME", use_bias=False)
    return np.asarray(conv.apply({"params": {"kernel": kernel}}, x))


def conv_padding_1_stride_2(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution that halves an image with a padding of 1."""
    conv = nn.Conv(4, (3, 3), strides=2, padding=1, use_bias=False)
    return np.asarray(conv.apply({"params": {"kernel": kernel}}, x))


def depthwise_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A depthwise convolution, two filters a channel, whose kernel is made to fit."""
    conv = nn.Conv(6, (3, 3), feature_group_count=3, padding="VALID", use_bias=False)
    return np.asarray(conv.apply({"params": {"kernel": kernel.reshape(3, 3, 1, 6)}}, x))


def conv_transpose_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution whose kernel has its axes as a convolution's would be."""
    conv = nn.ConvTranspose(3, (3, 3), padding="VALID", use_bias=False)
    return np.asarray(conv.apply({"params": {"kernel": kernel}}, x))


def conv_transpose_flipped(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution whose kernel has the right axes."""
    conv = nn.ConvTranspose(4, (3, 3), padding="VALID", use_bias=False)
    return np.asarray(conv.apply({"params": {"kernel": kernel}}, x))


def conv_transpose_padding(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution with a stride of 2, and the mean of each channel."""
    conv = nn.ConvTranspose(4, (3, 3), strides=(2, 2), use_bias=False)
    y = conv.apply({"params": {"kernel": kernel}}, x)
    return np.asarray(y).mean((1, 2))


def pool_stride(x: np.ndarray) -> np.ndarray:
    """The largest values in windows of 2 by 2."""
    return np.asarray(nn.max_pool(x, (2, 2)))


def avg_pool_counts_padding(x: np.ndarray) -> np.ndarray:
    """The mean around every pixel."""
    return np.asarray(nn.avg_pool(x, (3, 3), strides=(1, 1), padding="SAME"))


def resize_antialias(x: np.ndarray) -> np.ndarray:
    """An image made smaller, bilinear."""
    batch, _, _, channels = x.shape
    return np.asarray(jax.image.resize(x, (batch, 3, 3, channels), "bilinear"))


def resize_nearest(x: np.ndarray) -> np.ndarray:
    """An image made smaller, each pixel the nearest."""
    batch, _, _, channels = x.shape
    return np.asarray(jax.image.resize(x, (batch, 3, 3, channels), "nearest"))


# Activations and kinks


def gelu_activation(x: np.ndarray) -> np.ndarray:
    """GELU by its name among the activations."""
    return np.asarray(nn.gelu(x))


def gelu_function(x: np.ndarray) -> np.ndarray:
    """GELU by its name among the operations."""
    return np.asarray(jax.nn.gelu(x))


def gelu_float64(x: np.ndarray) -> np.ndarray:
    """The exact GELU in float64."""
    with jax.enable_x64(True):
        return np.asarray(nn.gelu(x, approximate=False))


def leaky_relu_function(x: np.ndarray) -> np.ndarray:
    """Leaky ReLU by its name among the functions."""
    return np.asarray(nn.leaky_relu(x))


def leaky_relu_layer(x: np.ndarray) -> np.ndarray:
    """Leaky ReLU by its name among the layers, where it has one."""
    return np.asarray(nn.leaky_relu(x))  # activations are functions here


def std_divisor(x: np.ndarray) -> np.ndarray:
    """The standard deviation of each feature in a batch."""
    return np.asarray(jnp.std(x, 0))


def maximum_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of a ReLU that is written as a maximum."""
    return np.asarray(jax.grad(lambda x: jnp.maximum(x, 0.0).sum())(x))


def clip_gradient_at_bound(x: np.ndarray) -> np.ndarray:
    """The gradient of pixels clipped to [0, 1]."""
    return np.asarray(jax.grad(lambda x: jnp.clip(x, 0.0, 1.0).sum())(x))


def abs_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of the magnitudes."""
    return np.asarray(jax.grad(lambda x: jnp.abs(x).sum())(x))


def norm_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of a vector's length."""
    return np.asarray(jax.grad(jnp.linalg.norm)(x))


# Recurrent cells and attention


def lstm_parameters(x: np.ndarray) -> np.ndarray:
    """How many parameters an LSTM of four units has."""
    cell = nn.OptimizedLSTMCell(4)
    params = cell.init(KEY, cell.initialize_carry(KEY, x.shape), x)["params"]
    return np.array([sum(leaf.size for leaf in jax.tree.leaves(params))])


def lstm_gates(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray
) -> np.ndarray:
    """A step of an LSTM whose kernels are four gates' side by side: input, forget, new, output."""
    cell = nn.OptimizedLSTMCell(4)
    params = cell.init(KEY, (c, h), x)["params"]
    gates = zip("fgio", np.split(kernel, 4, 1), np.split(recurrent, 4, 1), strict=True)
    for gate, i, r in gates:  # in the order in which Flax lists them
        params[f"i{gate}"]["kernel"], params[f"h{gate}"]["kernel"] = i, r
    return np.asarray(cell.apply({"params": params}, (c, h), x)[1])


def lstm_forget_bias(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What a new LSTM keeps of its state in a step where the inputs are 0."""
    cell = nn.OptimizedLSTMCell(4)
    (states, _), _ = cell.init_with_output(KEY, (c, h), x)
    return np.asarray(states[0])


def gru_parameters(x: np.ndarray) -> np.ndarray:
    """How many parameters a GRU of four units has."""
    cell = nn.GRUCell(4)
    params = cell.init(KEY, cell.initialize_carry(KEY, x.shape), x)["params"]
    return np.array([sum(leaf.size for leaf in jax.tree.leaves(params))])


def gru_gates(
    x: np.ndarray, h: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray
) -> np.ndarray:
    """A step of a GRU whose kernels are three gates' side by side: reset, update, new."""
    cell = nn.GRUCell(4)
    params = cell.init(KEY, h, x)["params"]
    gates = zip("nrz", np.split(kernel, 3, 1), np.split(recurrent, 3, 1), strict=True)
    for gate, i, r in gates:  # in the order in which Flax lists them
        params[f"i{gate}"]["kernel"], params[f"h{gate}"]["kernel"] = i, r
    return np.asarray(cell.apply({"params": params}, h, x)[1])


def rnn_batch_axis(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray) -> np.ndarray:
    """A recurrent network over a batch of sequences."""
    rnn = nn.RNN(nn.SimpleCell(4))
    weights = {"i": {"kernel": kernel, "bias": np.zeros(4)}, "h": {"kernel": recurrent}}
    return np.asarray(rnn.apply({"params": {"cell": weights}}, x))


def attention_batch_axis(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention in a batch of sequences."""
    layer = nn.MultiHeadDotProductAttention(2, use_bias=False)
    names, shapes = ("query", "key", "value", "out"), [(6, 2, 3)] * 3 + [(2, 3, 6)]
    params = {n: {"kernel": k.reshape(s)} for n, k, s in zip(names, kernels, shapes, strict=True)}
    return np.asarray(layer.apply({"params": params}, x))


def attention_kernel(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention whose kernels are reshaped until they fit."""
    layer = nn.MultiHeadDotProductAttention(2, use_bias=False)
    names, shapes = ("query", "key", "value", "out"), [(6, 2, 3)] * 3 + [(2, 3, 6)]
    params = {n: {"kernel": k.reshape(s)} for n, k, s in zip(names, kernels, shapes, strict=True)}
    return np.asarray(layer.apply({"params": params}, x))


def attention_width(x: np.ndarray) -> np.ndarray:
    """How many parameters attention in two heads of the width 6 has."""
    layer = nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=6)
    params = layer.init(KEY, x)["params"]
    return np.array([sum(leaf.size for leaf in jax.tree.leaves(params))])


def attention_layer_true(x: np.ndarray, mask: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention with a mask that is True where a sequence has a step."""
    layer = nn.MultiHeadDotProductAttention(2, use_bias=False)
    names, shapes = ("query", "key", "value", "out"), [(6, 2, 3)] * 3 + [(2, 3, 6)]
    params = {n: {"kernel": k.reshape(s)} for n, k, s in zip(names, kernels, shapes, strict=True)}
    return np.asarray(layer.apply({"params": params}, x, mask=mask[:, None, None]))


def attention_layer_masked_row(x: np.ndarray, mask: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention with the mask as the layer means it, where one sequence has no step."""
    layer = nn.MultiHeadDotProductAttention(2, use_bias=False)
    names, shapes = ("query", "key", "value", "out"), [(6, 2, 3)] * 3 + [(2, 3, 6)]
    params = {n: {"kernel": k.reshape(s)} for n, k, s in zip(names, kernels, shapes, strict=True)}
    return np.asarray(layer.apply({"params": params}, x, mask=mask[:, None, None]))


def attention_dropout(x: np.ndarray) -> np.ndarray:
    """How many outputs in training a batch of equal examples has."""
    layer = nn.MultiHeadDotProductAttention(2, dropout_rate=0.5, deterministic=False)
    y, _ = layer.init_with_output({"params": KEY, "dropout": KEY}, x)
    return np.array([len(np.unique(np.asarray(y).round(4), axis=0))])


# Losses


def cross_entropy_arguments(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss, the predictions given before the targets."""
    return np.asarray(optax.softmax_cross_entropy(predictions, targets).mean())


def cross_entropy_reduction(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The loss of a batch."""
    return np.asarray(optax.softmax_cross_entropy_with_integer_labels(logits, labels))


def cross_entropy_takes(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean loss of a batch of logits."""
    return np.asarray(optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean())


def cross_entropy_weights(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The mean loss of a batch in which every class has a weight."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return np.asarray((weights[labels] * losses).mean())


def cross_entropy_label_minus_100(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean loss of a batch in which a label of -100 says that there is none."""
    return np.asarray(optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean())


def binary_cross_entropy_takes(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss of a batch of probabilities."""
    return np.asarray(optax.sigmoid_binary_cross_entropy(predictions, targets).mean())


def squared_error_of_2(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss of a batch."""
    return np.asarray(optax.l2_loss(predictions, targets).mean())


def loss_float64(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean squared error of float64 values."""
    with jax.enable_x64(True):
        return np.asarray(optax.squared_error(predictions, targets).mean())


# Optimizers


def adam_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam."""
    optimizer = optax.adam()
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def adam_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam by small gradients."""
    optimizer = optax.adam(0.001)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def adam_epsilon_at_step_1(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The first step of Adam by a small gradient."""
    optimizer = optax.adam(0.001, eps=1e-8)
    updates, _ = optimizer.update(gradient, optimizer.init(weight), weight)
    return np.asarray(optax.apply_updates(weight, updates))


def adam_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam with a weight decay."""
    optimizer = optax.adam(0.001, weight_decay=0.01)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def adamw_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of AdamW."""
    optimizer = optax.adamw(0.001)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def sgd_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of stochastic gradient descent."""
    optimizer = optax.sgd()
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def sgd_learning_rate_kept(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of stochastic gradient descent in float64."""
    with jax.enable_x64(True):
        optimizer = optax.sgd(0.1)
        state = optimizer.init(weight)
        for gradient in gradients:
            updates, state = optimizer.update(gradient, state, weight)
            weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def sgd_momentum_of(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps with momentum, of which the later ones have a tenth of the learning rate."""
    rates = optax.piecewise_constant_schedule(0.1, {5: 0.1})
    optimizer = optax.sgd(rates, momentum=0.9)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def sgd_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps with momentum and a weight decay."""
    optimizer = optax.sgd(0.1, momentum=0.9, weight_decay=0.01)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def rmsprop_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop with one decay."""
    optimizer = optax.rmsprop(decay=0.9)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def rmsprop_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop with one learning rate and epsilon."""
    optimizer = optax.rmsprop(0.01, eps=1e-8)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def rmsprop_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop by small gradients."""
    optimizer = optax.rmsprop(0.01, decay=0.9)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def rmsprop_epsilon_place(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop by small gradients, with one epsilon."""
    optimizer = optax.rmsprop(0.01, decay=0.9, eps=1e-8)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def adagrad_start(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adagrad with one epsilon."""
    optimizer = optax.adagrad(0.1, eps=1e-7)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def adagrad_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adagrad by small gradients, from a sum of 0."""
    optimizer = optax.adagrad(0.1, initial_accumulator_value=0.0)
    state = optimizer.init(weight)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, weight)
        weight = optax.apply_updates(weight, updates)
    return np.asarray(weight)


def clipping_norm(weights: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """A step of two weights by gradients clipped to a norm of 1."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0))
    state = optimizer.init([*weights])
    updates, _ = optimizer.update([*gradients], state)
    return np.stack(optax.apply_updates([*weights], updates))


def clipping_added_to_norm(weights: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """A step of two weights by gradients clipped to a norm of 1 together."""
    with jax.enable_x64(True):
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0))
        updates, _ = optimizer.update([*gradients], optimizer.init([*weights]))
        return np.stack(optax.apply_updates([*weights], updates))


# Counting and precision


def count_batch_norm(x: np.ndarray) -> np.ndarray:
    """How many parameters batch norm has."""
    layer = nn.BatchNorm(use_running_average=False)
    params = layer.init(KEY, x)["params"]
    return np.array([sum(leaf.size for leaf in jax.tree.leaves(params))])


def count_dropout(x: np.ndarray) -> np.ndarray:
    """How many variables a dropout layer has."""
    layer = nn.Dropout(0.5, deterministic=True)
    return np.array([len(jax.tree.leaves(layer.init(KEY, x)))])


def order_of_tensors(conv_2: np.ndarray, conv_10: np.ndarray) -> np.ndarray:
    """The weights one after another, those of Conv_2 made before those of Conv_10."""
    params = {"Conv_2": conv_2, "Conv_10": conv_10}
    return np.asarray(ravel_pytree(params)[0])


def precision_integers(count: np.ndarray) -> np.ndarray:
    """The sum of the numbers of that many rows, from 0 on."""
    return np.asarray(jnp.arange(int(count)).sum())


def precision_float64_array(seconds: np.ndarray) -> np.ndarray:
    """The seconds since the first of some times."""
    times = jnp.asarray(seconds)
    return np.asarray(times - times[0])


def precision_float64_into_layer(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A float32 layer of float64 inputs."""
    layer = nn.Dense(3, use_bias=False)
    with jax.enable_x64(True):
        return np.asarray(layer.apply({"params": {"kernel": kernel}}, x))


# New weights


def initial_dense_kernel(x: np.ndarray) -> np.ndarray:
    """The spread of a new dense layer's kernel."""
    params = nn.Dense(200).init(KEY, x)["params"]
    return np.asarray(params["kernel"].std())


def initial_dense_bias(x: np.ndarray) -> np.ndarray:
    """The spread of a new dense layer's bias."""
    params = nn.Dense(200).init(KEY, x)["params"]
    return np.asarray(params["bias"].std())


def initial_conv_kernel(x: np.ndarray) -> np.ndarray:
    """The spread of a new convolution's kernel."""
    params = nn.Conv(60, (3, 3)).init(KEY, x)["params"]
    return np.asarray(params["kernel"].std())


def initial_conv_bias(x: np.ndarray) -> np.ndarray:
    """The spread of a new convolution's bias."""
    params = nn.Conv(60, (3, 3)).init(KEY, x)["params"]
    return np.asarray(params["bias"].std())


def initial_embedding(x: np.ndarray) -> np.ndarray:
    """The spread of what a new embedding of the width 60 gives for some words."""
    y, _ = nn.Embed(400, 60).init_with_output(KEY, x)
    return np.asarray(y.std())
