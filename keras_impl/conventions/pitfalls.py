"""Where Keras's word is taken: short code that rests on a default or a meaning of the library.

Its twins in the other panels do the same under the same names with the same arrays, and what comes
out differs: `shared.conventions.pitfalls` gives the arrays and measures by how much. Images are
(B, H, W, C) and kernels (H, W, in, out) or (in, out), as Flax and Keras have them, unless a
function copies them without a thought for the order of axes. Keras has no gradients of its own:
where they are asked for, it must run on TensorFlow.
"""

import keras
import numpy as np
from keras import layers, losses, ops, optimizers

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


# Normalisation


def batch_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Batch norm in training."""
    layer = layers.BatchNormalization()
    return ops.convert_to_numpy(layer(x, training=True))


def batch_norm_momentum(batches: np.ndarray) -> np.ndarray:
    """The running mean after some batches."""
    layer = layers.BatchNormalization()
    for x in batches:
        layer(x, training=True)
    return ops.convert_to_numpy(layer.moving_mean)


def batch_norm_running_variance(x: np.ndarray) -> np.ndarray:
    """The running variance that is wholly the last batch's."""
    layer = layers.BatchNormalization(momentum=0.0)
    layer(x, training=True)
    return ops.convert_to_numpy(layer.moving_variance)


def batch_norm_one_value(x: np.ndarray) -> np.ndarray:
    """Batch norm in training, of a batch of one."""
    layer = layers.BatchNormalization()
    return ops.convert_to_numpy(layer(x, training=True))


def batch_norm_frozen(x: np.ndarray) -> np.ndarray:
    """The running mean after a training batch, while the parameters are frozen."""
    layer = layers.BatchNormalization(momentum=0.9, trainable=False)
    layer(x, training=True)
    return ops.convert_to_numpy(layer.moving_mean)


def layer_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Layer norm."""
    layer = layers.LayerNormalization()
    return ops.convert_to_numpy(layer(x))


def layer_norm_large_mean(x: np.ndarray) -> np.ndarray:
    """Layer norm of values far from 0."""
    layer = layers.LayerNormalization(epsilon=1e-5)
    return ops.convert_to_numpy(layer(x))


def group_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Group norm in two groups."""
    layer = layers.GroupNormalization(groups=2)
    return ops.convert_to_numpy(layer(x))


def group_norm_groups(x: np.ndarray) -> np.ndarray:
    """Group norm in as many groups as there are by default."""
    layer = layers.GroupNormalization(epsilon=1e-5)
    return ops.convert_to_numpy(layer(x))


def rms_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """RMS norm."""
    layer = layers.RMSNormalization()
    return ops.convert_to_numpy(layer(x))


# Convolution, pooling, resizing


def dense_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A dense layer whose square kernel is copied as it is."""
    layer = layers.Dense(4, use_bias=False)
    layer.build(x.shape)
    layer.set_weights([kernel])
    return ops.convert_to_numpy(layer(x))


def conv_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution whose kernel, 3 along every axis, is copied as it is."""
    conv = layers.Conv2D(3, 3, use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel])
    return ops.convert_to_numpy(conv(x))


def conv_padding(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution and the mean of each channel, in which shapes agree whatever the padding."""
    conv = layers.Conv2D(4, 3, use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel])
    return ops.convert_to_numpy(ops.mean(conv(x), (1, 2)))


def conv_same_stride_2(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution that halves an image."""
    conv = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel])
    return ops.convert_to_numpy(conv(x))


def conv_padding_1_stride_2(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution that halves an image with a padding of 1."""
    conv = layers.Conv2D(4, 3, strides=2, padding=1, use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel])
    return ops.convert_to_numpy(conv(x))


def depthwise_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A depthwise convolution, two filters a channel, whose kernel is made to fit."""
    conv = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel])
    return ops.convert_to_numpy(conv(x))


def conv_transpose_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution whose kernel has its axes as a convolution's would be."""
    conv = layers.Conv2DTranspose(3, 3, padding="valid", use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel])
    return ops.convert_to_numpy(conv(x))


def conv_transpose_flipped(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution whose kernel has the right axes."""
    conv = layers.Conv2DTranspose(4, 3, padding="valid", use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel.transpose(0, 1, 3, 2)])
    return ops.convert_to_numpy(conv(x))


def conv_transpose_padding(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution with a stride of 2, and the mean of each channel."""
    conv = layers.Conv2DTranspose(4, 3, strides=2, use_bias=False)
    conv.build(x.shape)
    conv.set_weights([kernel.transpose(0, 1, 3, 2)])
    return ops.convert_to_numpy(ops.mean(conv(x), (1, 2)))


def pool_stride(x: np.ndarray) -> np.ndarray:
    """The largest values in windows of 2 by 2."""
    return ops.convert_to_numpy(layers.MaxPooling2D(2)(x))


def avg_pool_counts_padding(x: np.ndarray) -> np.ndarray:
    """The mean around every pixel."""
    return ops.convert_to_numpy(layers.AveragePooling2D(3, strides=1, padding="same")(x))


def resize_antialias(x: np.ndarray) -> np.ndarray:
    """An image made smaller, bilinear."""
    return ops.convert_to_numpy(ops.image.resize(x, (3, 3), interpolation="bilinear"))


def resize_nearest(x: np.ndarray) -> np.ndarray:
    """An image made smaller, each pixel the nearest."""
    return ops.convert_to_numpy(ops.image.resize(x, (3, 3), interpolation="nearest"))


# Activations and kinks


def gelu_activation(x: np.ndarray) -> np.ndarray:
    """GELU by its name among the activations."""
    return ops.convert_to_numpy(keras.activations.gelu(x))


def gelu_function(x: np.ndarray) -> np.ndarray:
    """GELU by its name among the operations."""
    return ops.convert_to_numpy(ops.gelu(x))


def gelu_float64(x: np.ndarray) -> np.ndarray:
    """The exact GELU in float64."""
    return ops.convert_to_numpy(ops.gelu(x, approximate=False))


def leaky_relu_function(x: np.ndarray) -> np.ndarray:
    """Leaky ReLU by its name among the functions."""
    return ops.convert_to_numpy(ops.leaky_relu(x))


def leaky_relu_layer(x: np.ndarray) -> np.ndarray:
    """Leaky ReLU by its name among the layers, where it has one."""
    return ops.convert_to_numpy(layers.LeakyReLU()(x))


def std_divisor(x: np.ndarray) -> np.ndarray:
    """The standard deviation of each feature in a batch."""
    return ops.convert_to_numpy(ops.std(x, 0))


def maximum_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of a ReLU that is written as a maximum."""
    point = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = ops.maximum(point, 0.0)
    return ops.convert_to_numpy(tape.gradient(y, point))


def clip_gradient_at_bound(x: np.ndarray) -> np.ndarray:
    """The gradient of pixels clipped to [0, 1]."""
    point = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = ops.clip(point, 0.0, 1.0)
    return ops.convert_to_numpy(tape.gradient(y, point))


def abs_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of the magnitudes."""
    point = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = ops.abs(point)
    return ops.convert_to_numpy(tape.gradient(y, point))


def norm_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of a vector's length."""
    point = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = ops.norm(point)
    return ops.convert_to_numpy(tape.gradient(y, point))


# Recurrent cells and attention


def lstm_parameters(x: np.ndarray) -> np.ndarray:
    """How many parameters an LSTM of four units has."""
    cell = layers.LSTMCell(4)
    cell.build(x.shape)
    return np.array([cell.count_params()])


def lstm_gates(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray
) -> np.ndarray:
    """A step of an LSTM whose kernels are four gates' side by side: input, forget, new, output."""
    cell = layers.LSTMCell(4, use_bias=False)
    cell.build(x.shape)
    cell.set_weights([kernel, recurrent])
    return ops.convert_to_numpy(cell(x, [h, c])[0])


def lstm_forget_bias(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What a new LSTM keeps of its state in a step where the inputs are 0."""
    cell = layers.LSTMCell(4)
    _, states = cell(x, [h, c])
    return ops.convert_to_numpy(states[1])


def gru_parameters(x: np.ndarray) -> np.ndarray:
    """How many parameters a GRU of four units has."""
    cell = layers.GRUCell(4)
    cell.build(x.shape)
    return np.array([cell.count_params()])


def gru_gates(
    x: np.ndarray, h: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray
) -> np.ndarray:
    """A step of a GRU whose kernels are three gates' side by side: reset, update, new."""
    cell = layers.GRUCell(4, use_bias=False)
    cell.build(x.shape)
    cell.set_weights([kernel, recurrent])
    return ops.convert_to_numpy(cell(x, [h])[0])


def rnn_batch_axis(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray) -> np.ndarray:
    """A recurrent network over a batch of sequences."""
    rnn = layers.SimpleRNN(4, return_sequences=True, use_bias=False)
    rnn.build(x.shape)
    rnn.set_weights([kernel, recurrent])
    return ops.convert_to_numpy(rnn(x))


def attention_batch_axis(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention in a batch of sequences."""
    layer = layers.MultiHeadAttention(2, 3, use_bias=False)
    layer.build(x.shape, x.shape)
    layer.set_weights([*kernels[:3].reshape(3, 6, 2, 3), kernels[3].reshape(2, 3, 6)])
    return ops.convert_to_numpy(layer(x, x))


def attention_kernel(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention whose kernels are reshaped until they fit."""
    layer = layers.MultiHeadAttention(2, 3, use_bias=False)
    layer.build(x.shape, x.shape)
    layer.set_weights([*kernels[:3].reshape(3, 6, 2, 3), kernels[3].reshape(2, 3, 6)])
    return ops.convert_to_numpy(layer(x, x))


def attention_width(x: np.ndarray) -> np.ndarray:
    """How many parameters attention in two heads of the width 6 has."""
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=6)
    layer.build(x.shape, x.shape)
    return np.array([layer.count_params()])


def attention_layer_true(x: np.ndarray, mask: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention with a mask that is True where a sequence has a step."""
    layer = layers.MultiHeadAttention(2, 3, use_bias=False)
    layer.build(x.shape, x.shape)
    layer.set_weights([*kernels[:3].reshape(3, 6, 2, 3), kernels[3].reshape(2, 3, 6)])
    return ops.convert_to_numpy(layer(x, x, attention_mask=mask[:, None]))


def attention_layer_masked_row(x: np.ndarray, mask: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention with the mask as the layer means it, where one sequence has no step."""
    layer = layers.MultiHeadAttention(2, 3, use_bias=False)
    layer.build(x.shape, x.shape)
    layer.set_weights([*kernels[:3].reshape(3, 6, 2, 3), kernels[3].reshape(2, 3, 6)])
    return ops.convert_to_numpy(layer(x, x, attention_mask=mask[:, None]))


def attention_dropout(x: np.ndarray) -> np.ndarray:
    """How many outputs in training a batch of equal examples has."""
    keras.utils.set_random_seed(0)
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5)
    y = ops.convert_to_numpy(layer(x, x, training=True))
    return np.array([len(np.unique(y.round(4), axis=0))])


# Losses


def cross_entropy_arguments(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss, the predictions given before the targets."""
    loss = losses.CategoricalCrossentropy(from_logits=True)
    return ops.convert_to_numpy(loss(predictions, targets))


def cross_entropy_reduction(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The loss of a batch."""
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return ops.convert_to_numpy(loss(labels, logits))


def cross_entropy_takes(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean loss of a batch of logits."""
    return ops.convert_to_numpy(losses.SparseCategoricalCrossentropy()(labels, logits))


def cross_entropy_weights(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The mean loss of a batch in which every class has a weight."""
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return ops.convert_to_numpy(loss(labels, logits, sample_weight=weights[labels]))


def cross_entropy_label_minus_100(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean loss of a batch in which a label of -100 says that there is none."""
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return ops.convert_to_numpy(loss(labels, logits))


def binary_cross_entropy_takes(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss of a batch of probabilities."""
    return ops.convert_to_numpy(losses.BinaryCrossentropy()(targets, predictions))


def squared_error_of_2(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss of a batch."""
    return ops.convert_to_numpy(losses.MeanSquaredError()(targets, predictions))


def loss_float64(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean squared error of float64 values."""
    return ops.convert_to_numpy(losses.MeanSquaredError()(targets, predictions))


# Optimizers


def adam_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam."""
    value = keras.Variable(weight)
    optimizer = optimizers.Adam()
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def adam_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam by small gradients."""
    value = keras.Variable(weight)
    optimizer = optimizers.Adam(0.001)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def adam_epsilon_at_step_1(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The first step of Adam by a small gradient."""
    value = keras.Variable(weight)
    optimizer = optimizers.Adam(0.001, epsilon=1e-8)
    optimizer.apply([ops.convert_to_tensor(gradient)], [value])
    return ops.convert_to_numpy(value)


def adam_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam with a weight decay."""
    value = keras.Variable(weight)
    optimizer = optimizers.Adam(0.001, weight_decay=0.01)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def adamw_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of AdamW."""
    value = keras.Variable(weight)
    optimizer = optimizers.AdamW(0.001)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def sgd_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of stochastic gradient descent."""
    value = keras.Variable(weight)
    optimizer = optimizers.SGD()
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def sgd_learning_rate_kept(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of stochastic gradient descent in float64."""
    value = keras.Variable(weight, dtype="float64")
    optimizer = optimizers.SGD(0.1)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def sgd_momentum_of(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps with momentum, of which the later ones have a tenth of the learning rate."""
    value = keras.Variable(weight)
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    for step, gradient in enumerate(ops.convert_to_tensor(gradients)):
        if step == 5:
            optimizer.learning_rate = 0.01
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def sgd_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps with momentum and a weight decay."""
    value = keras.Variable(weight)
    optimizer = optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def rmsprop_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop with one decay."""
    value = keras.Variable(weight)
    optimizer = optimizers.RMSprop(rho=0.9)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def rmsprop_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop with one learning rate and epsilon."""
    value = keras.Variable(weight)
    optimizer = optimizers.RMSprop(0.01, epsilon=1e-8)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def rmsprop_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop by small gradients."""
    value = keras.Variable(weight)
    optimizer = optimizers.RMSprop(0.01, rho=0.9)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def rmsprop_epsilon_place(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop by small gradients, with one epsilon."""
    value = keras.Variable(weight)
    optimizer = optimizers.RMSprop(0.01, rho=0.9, epsilon=1e-8)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def adagrad_start(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adagrad with one epsilon."""
    value = keras.Variable(weight)
    optimizer = optimizers.Adagrad(0.1, epsilon=1e-7)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def adagrad_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adagrad by small gradients, from a sum of 0."""
    value = keras.Variable(weight)
    optimizer = optimizers.Adagrad(0.1, initial_accumulator_value=0.0)
    for gradient in ops.convert_to_tensor(gradients):
        optimizer.apply([gradient], [value])
    return ops.convert_to_numpy(value)


def clipping_norm(weights: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """A step of two weights by gradients clipped to a norm of 1."""
    values = [keras.Variable(weight) for weight in weights]
    optimizers.SGD(1.0, clipnorm=1.0).apply([*ops.convert_to_tensor(gradients)], values)
    return np.stack([ops.convert_to_numpy(value) for value in values])


def clipping_added_to_norm(weights: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """A step of two weights by gradients clipped to a norm of 1 together."""
    values = [keras.Variable(weight, dtype="float64") for weight in weights]
    optimizers.SGD(1.0, global_clipnorm=1.0).apply([*ops.convert_to_tensor(gradients)], values)
    return np.stack([ops.convert_to_numpy(value) for value in values])


# Counting and precision


def count_batch_norm(x: np.ndarray) -> np.ndarray:
    """How many parameters batch norm has."""
    layer = layers.BatchNormalization()
    layer.build(x.shape)
    return np.array([layer.count_params()])


def count_dropout(x: np.ndarray) -> np.ndarray:
    """How many variables a dropout layer has."""
    layer = layers.Dropout(0.5)
    layer(x)
    return np.array([len(layer.variables)])


def order_of_tensors(conv_2: np.ndarray, conv_10: np.ndarray) -> np.ndarray:
    """The weights one after another, those of Conv_2 made before those of Conv_10."""
    model = layers.Layer()
    model.Conv_2 = keras.Variable(conv_2)
    model.Conv_10 = keras.Variable(conv_10)
    return np.concatenate(model.get_weights())


def precision_integers(count: np.ndarray) -> np.ndarray:
    """The sum of the numbers of that many rows, from 0 on."""
    return ops.convert_to_numpy(ops.sum(ops.arange(int(count))))


def precision_float64_array(seconds: np.ndarray) -> np.ndarray:
    """The seconds since the first of some times."""
    times = ops.convert_to_tensor(seconds)
    return ops.convert_to_numpy(times - times[0])


def precision_float64_into_layer(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A float32 layer of float64 inputs."""
    layer = layers.Dense(3, use_bias=False)
    layer.build(x.shape)
    layer.set_weights([kernel])
    return ops.convert_to_numpy(layer(x))


# New weights


def initial_dense_kernel(x: np.ndarray) -> np.ndarray:
    """The spread of a new dense layer's kernel."""
    keras.utils.set_random_seed(0)
    layer = layers.Dense(200)
    layer.build(x.shape)
    return ops.convert_to_numpy(ops.std(layer.kernel))


def initial_dense_bias(x: np.ndarray) -> np.ndarray:
    """The spread of a new dense layer's bias."""
    keras.utils.set_random_seed(0)
    layer = layers.Dense(200)
    layer.build(x.shape)
    return ops.convert_to_numpy(ops.std(layer.bias))


def initial_conv_kernel(x: np.ndarray) -> np.ndarray:
    """The spread of a new convolution's kernel."""
    keras.utils.set_random_seed(0)
    conv = layers.Conv2D(60, 3)
    conv.build(x.shape)
    return ops.convert_to_numpy(ops.std(conv.kernel))


def initial_conv_bias(x: np.ndarray) -> np.ndarray:
    """The spread of a new convolution's bias."""
    keras.utils.set_random_seed(0)
    conv = layers.Conv2D(60, 3)
    conv.build(x.shape)
    return ops.convert_to_numpy(ops.std(conv.bias))


def initial_embedding(x: np.ndarray) -> np.ndarray:
    """The spread of what a new embedding of the width 60 gives for some words."""
    keras.utils.set_random_seed(0)
    layer = layers.Embedding(400, 60)
    return ops.convert_to_numpy(ops.std(layer(x)))
