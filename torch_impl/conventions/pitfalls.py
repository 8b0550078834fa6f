"""Where PyTorch's word is taken: short code that rests on a default or a meaning of the library.

Its twins in the other panels do the same under the same names with the same arrays, and what comes
out differs: `shared.conventions.pitfalls` gives the arrays and measures by how much. Images are
(B, H, W, C) and kernels (H, W, in, out) or (in, out), as Flax and Keras have them, unless a
function copies them without a thought for the order of axes.
"""

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F

# Normalisation


def batch_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Batch norm in training."""
    layer = nn.BatchNorm1d(x.shape[-1])
    return layer(torch.from_numpy(x)).detach().numpy()


def batch_norm_momentum(batches: np.ndarray) -> np.ndarray:
    """The running mean after some batches."""
    layer = nn.BatchNorm1d(batches.shape[-1])
    for x in batches:
        layer(torch.from_numpy(x))
    return layer.state_dict()["running_mean"].numpy()


def batch_norm_running_variance(x: np.ndarray) -> np.ndarray:
    """The running variance that is wholly the last batch's."""
    layer = nn.BatchNorm1d(x.shape[-1], momentum=1.0)
    layer(torch.from_numpy(x))
    return layer.state_dict()["running_var"].numpy()


def batch_norm_one_value(x: np.ndarray) -> np.ndarray:
    """Batch norm in training, of a batch of one."""
    layer = nn.BatchNorm1d(x.shape[-1])
    return layer(torch.from_numpy(x)).detach().numpy()


def batch_norm_frozen(x: np.ndarray) -> np.ndarray:
    """The running mean after a training batch, while the parameters are frozen."""
    layer = nn.BatchNorm1d(x.shape[-1], momentum=0.1).requires_grad_(False)
    layer(torch.from_numpy(x))
    return layer.state_dict()["running_mean"].numpy()


def layer_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Layer norm."""
    layer = nn.LayerNorm(x.shape[-1])
    return layer(torch.from_numpy(x)).detach().numpy()


def layer_norm_large_mean(x: np.ndarray) -> np.ndarray:
    """Layer norm of values far from 0."""
    layer = nn.LayerNorm(x.shape[-1], eps=1e-5)
    return layer(torch.from_numpy(x)).detach().numpy()


def group_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """Group norm in two groups."""
    layer = nn.GroupNorm(2, x.shape[-1])
    return layer(torch.from_numpy(x)).detach().numpy()


def group_norm_groups(x: np.ndarray) -> np.ndarray:
    """Group norm in as many groups as there are by default."""
    layer = nn.GroupNorm(num_channels=x.shape[-1], eps=1e-5)
    return layer(torch.from_numpy(x)).detach().numpy()


def rms_norm_epsilon(x: np.ndarray) -> np.ndarray:
    """RMS norm."""
    layer = nn.RMSNorm(x.shape[-1])
    return layer(torch.from_numpy(x)).detach().numpy()


# Convolution, pooling, resizing


def dense_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A dense layer whose square kernel is copied as it is."""
    layer = nn.Linear(4, 4, bias=False)
    layer.load_state_dict({"weight": torch.from_numpy(kernel)})
    return layer(torch.from_numpy(x)).detach().numpy()


def conv_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution whose kernel, 3 along every axis, is copied as it is."""
    conv = nn.Conv2d(3, 3, 3, bias=False)
    conv.load_state_dict({"weight": torch.from_numpy(kernel)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.movedim(1, -1).detach().numpy()


def conv_padding(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution and the mean of each channel, in which shapes agree whatever the padding."""
    conv = nn.Conv2d(3, 4, 3, bias=False)
    conv.load_state_dict({"weight": torch.from_numpy(kernel).permute(3, 2, 0, 1)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.mean((2, 3)).detach().numpy()


def conv_same_stride_2(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution that halves an image."""
    conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)  # "same" is refused with a stride
    conv.load_state_dict({"weight": torch.from_numpy(kernel).permute(3, 2, 0, 1)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.movedim(1, -1).detach().numpy()


def conv_padding_1_stride_2(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution that halves an image with a padding of 1."""
    conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
    conv.load_state_dict({"weight": torch.from_numpy(kernel).permute(3, 2, 0, 1)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.movedim(1, -1).detach().numpy()


def depthwise_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A depthwise convolution, two filters a channel, whose kernel is made to fit."""
    conv = nn.Conv2d(3, 6, 3, groups=3, bias=False)
    weight = torch.from_numpy(kernel).permute(3, 2, 0, 1)  # as for any other convolution
    conv.load_state_dict({"weight": weight.reshape(6, 1, 3, 3)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.movedim(1, -1).detach().numpy()


def conv_transpose_kernel(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution whose kernel has its axes as a convolution's would be."""
    conv = nn.ConvTranspose2d(3, 3, 3, padding=0, bias=False)
    conv.load_state_dict({"weight": torch.from_numpy(kernel).permute(3, 2, 0, 1)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.movedim(1, -1).detach().numpy()


def conv_transpose_flipped(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution whose kernel has the right axes."""
    conv = nn.ConvTranspose2d(3, 4, 3, padding=0, bias=False)
    conv.load_state_dict({"weight": torch.from_numpy(kernel).permute(2, 3, 0, 1)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.movedim(1, -1).detach().numpy()


def conv_transpose_padding(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed convolution with a stride of 2, and the mean of each channel."""
    conv = nn.ConvTranspose2d(3, 4, 3, stride=2, bias=False)
    conv.load_state_dict({"weight": torch.from_numpy(kernel).permute(2, 3, 0, 1)})
    y = conv(torch.from_numpy(x).movedim(-1, 1))
    return y.mean((2, 3)).detach().numpy()


def pool_stride(x: np.ndarray) -> np.ndarray:
    """The largest values in windows of 2 by 2."""
    y = F.max_pool2d(torch.from_numpy(x).movedim(-1, 1), 2)
    return y.movedim(1, -1).numpy()


def avg_pool_counts_padding(x: np.ndarray) -> np.ndarray:
    """The mean around every pixel."""
    y = F.avg_pool2d(torch.from_numpy(x).movedim(-1, 1), 3, stride=1, padding=1)
    return y.movedim(1, -1).numpy()


def resize_antialias(x: np.ndarray) -> np.ndarray:
    """An image made smaller, bilinear."""
    y = F.interpolate(torch.from_numpy(x).movedim(-1, 1), (3, 3), mode="bilinear")
    return y.movedim(1, -1).numpy()


def resize_nearest(x: np.ndarray) -> np.ndarray:
    """An image made smaller, each pixel the nearest."""
    y = F.interpolate(torch.from_numpy(x).movedim(-1, 1), (3, 3), mode="nearest")
    return y.movedim(1, -1).numpy()


# Activations and kinks


def gelu_activation(x: np.ndarray) -> np.ndarray:
    """GELU by its name among the activations."""
    return nn.GELU()(torch.from_numpy(x)).numpy()


def gelu_function(x: np.ndarray) -> np.ndarray:
    """GELU by its name among the operations."""
    return F.gelu(torch.from_numpy(x)).numpy()


def gelu_float64(x: np.ndarray) -> np.ndarray:
    """The exact GELU in float64."""
    return F.gelu(torch.from_numpy(x), approximate="none").numpy()


def leaky_relu_function(x: np.ndarray) -> np.ndarray:
    """Leaky ReLU by its name among the functions."""
    return F.leaky_relu(torch.from_numpy(x)).numpy()


def leaky_relu_layer(x: np.ndarray) -> np.ndarray:
    """Leaky ReLU by its name among the layers, where it has one."""
    return nn.LeakyReLU()(torch.from_numpy(x)).numpy()


def std_divisor(x: np.ndarray) -> np.ndarray:
    """The standard deviation of each feature in a batch."""
    return torch.from_numpy(x).std(0).numpy()


def maximum_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of a ReLU that is written as a maximum."""
    point = torch.from_numpy(x).requires_grad_()
    y = torch.maximum(point, torch.zeros(()))
    return torch.autograd.grad(y.sum(), point)[0].numpy()


def clip_gradient_at_bound(x: np.ndarray) -> np.ndarray:
    """The gradient of pixels clipped to [0, 1]."""
    point = torch.from_numpy(x).requires_grad_()
    y = torch.clip(point, 0.0, 1.0)
    return torch.autograd.grad(y.sum(), point)[0].numpy()


def abs_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of the magnitudes."""
    point = torch.from_numpy(x).requires_grad_()
    y = torch.abs(point)
    return torch.autograd.grad(y.sum(), point)[0].numpy()


def norm_gradient_at_0(x: np.ndarray) -> np.ndarray:
    """The gradient of a vector's length."""
    point = torch.from_numpy(x).requires_grad_()
    y = torch.linalg.vector_norm(point)
    return torch.autograd.grad(y, point)[0].numpy()


# Recurrent cells and attention


def lstm_parameters(x: np.ndarray) -> np.ndarray:
    """How many parameters an LSTM of four units has."""
    cell = nn.LSTMCell(x.shape[-1], 4)
    return np.array([sum(p.numel() for p in cell.parameters())])


def lstm_gates(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray
) -> np.ndarray:
    """A step of an LSTM whose kernels are four gates' side by side: input, forget, new, output."""
    cell = nn.LSTMCell(3, 4, bias=False)
    i, r = torch.from_numpy(kernel).T, torch.from_numpy(recurrent).T
    cell.load_state_dict({"weight_ih": i, "weight_hh": r})
    states = torch.from_numpy(h), torch.from_numpy(c)
    return cell(torch.from_numpy(x), states)[0].detach().numpy()


def lstm_forget_bias(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What a new LSTM keeps of its state in a step where the inputs are 0."""
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 4)
    states = torch.from_numpy(h), torch.from_numpy(c)
    return cell(torch.from_numpy(x), states)[1].detach().numpy()


def gru_parameters(x: np.ndarray) -> np.ndarray:
    """How many parameters a GRU of four units has."""
    cell = nn.GRUCell(x.shape[-1], 4)
    return np.array([sum(p.numel() for p in cell.parameters())])


def gru_gates(
    x: np.ndarray, h: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray
) -> np.ndarray:
    """A step of a GRU whose kernels are three gates' side by side: reset, update, new."""
    cell = nn.GRUCell(3, 4, bias=False)
    i, r = torch.from_numpy(kernel).T, torch.from_numpy(recurrent).T
    cell.load_state_dict({"weight_ih": i, "weight_hh": r})
    return cell(torch.from_numpy(x), torch.from_numpy(h)).detach().numpy()


def rnn_batch_axis(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray) -> np.ndarray:
    """A recurrent network over a batch of sequences."""
    rnn = nn.RNN(3, 4, bias=False)
    i, r = torch.from_numpy(kernel).T, torch.from_numpy(recurrent).T
    rnn.load_state_dict({"weight_ih_l0": i, "weight_hh_l0": r})
    return rnn(torch.from_numpy(x))[0].detach().numpy()


def attention_batch_axis(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention in a batch of sequences."""
    layer = nn.MultiheadAttention(6, 2, bias=False)
    *queries_keys_values, out = torch.from_numpy(kernels).mT
    weights = {"in_proj_weight": torch.cat(queries_keys_values), "out_proj.weight": out}
    layer.load_state_dict(weights)
    y = torch.from_numpy(x)
    return layer(y, y, y)[0].detach().numpy()


def attention_kernel(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention whose kernels are reshaped until they fit."""
    layer = nn.MultiheadAttention(6, 2, bias=False, batch_first=True)
    weights = {"in_proj_weight": kernels[:3].reshape(18, 6), "out_proj.weight": kernels[3]}
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    y = torch.from_numpy(x)
    return layer(y, y, y)[0].detach().numpy()


def attention_width(x: np.ndarray) -> np.ndarray:
    """How many parameters attention in two heads of the width 6 has."""
    layer = nn.MultiheadAttention(x.shape[-1], num_heads=2)
    return np.array([sum(p.numel() for p in layer.parameters())])


def attention_layer_true(x: np.ndarray, mask: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention with a mask that is True where a sequence has a step."""
    layer = nn.MultiheadAttention(6, 2, bias=False, batch_first=True)
    *queries_keys_values, out = torch.from_numpy(kernels).mT
    weights = {"in_proj_weight": torch.cat(queries_keys_values), "out_proj.weight": out}
    layer.load_state_dict(weights)
    y = torch.from_numpy(x)
    return layer(y, y, y, key_padding_mask=torch.from_numpy(mask))[0].detach().numpy()


def attention_layer_masked_row(x: np.ndarray, mask: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Self-attention with the mask as the layer means it, where one sequence has no step."""
    layer = nn.MultiheadAttention(6, 2, bias=False, batch_first=True)
    *queries_keys_values, out = torch.from_numpy(kernels).mT
    weights = {"in_proj_weight": torch.cat(queries_keys_values), "out_proj.weight": out}
    layer.load_state_dict(weights)
    y = torch.from_numpy(x)
    return layer(y, y, y, key_padding_mask=torch.from_numpy(~mask))[0].detach().numpy()


def attention_dropout(x: np.ndarray) -> np.ndarray:
    """How many outputs in training a batch of equal examples has."""
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(6, 2, dropout=0.5, batch_first=True)
    y = torch.from_numpy(x)
    outputs = layer(y, y, y)[0].detach().numpy()
    return np.array([len(np.unique(outputs.round(4), axis=0))])


# Losses


def cross_entropy_arguments(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss, the predictions given before the targets."""
    return F.cross_entropy(torch.from_numpy(predictions), torch.from_numpy(targets)).numpy()


def cross_entropy_reduction(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The loss of a batch."""
    return F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).numpy()


def cross_entropy_takes(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean loss of a batch of logits."""
    return F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).numpy()


def cross_entropy_weights(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The mean loss of a batch in which every class has a weight."""
    y, classes = torch.from_numpy(logits), torch.from_numpy(labels)
    return F.cross_entropy(y, classes, weight=torch.from_numpy(weights)).numpy()


def cross_entropy_label_minus_100(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean loss of a batch in which a label of -100 says that there is none."""
    return F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).numpy()


def binary_cross_entropy_takes(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss of a batch of probabilities."""
    return F.binary_cross_entropy(torch.from_numpy(predictions), torch.from_numpy(targets)).numpy()


def squared_error_of_2(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean loss of a batch."""
    return F.mse_loss(torch.from_numpy(predictions), torch.from_numpy(targets)).numpy()


def loss_float64(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean squared error of float64 values."""
    return F.mse_loss(torch.from_numpy(predictions), torch.from_numpy(targets)).numpy()


# Optimizers


def adam_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.Adam([value])
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def adam_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam by small gradients."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.Adam([value], lr=0.001)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def adam_epsilon_at_step_1(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The first step of Adam by a small gradient."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.Adam([value], lr=0.001, eps=1e-8)
    value.grad = torch.from_numpy(gradient)
    optimizer.step()
    return value.detach().numpy()


def adam_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adam with a weight decay."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.Adam([value], lr=0.001, weight_decay=0.01)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def adamw_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of AdamW."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.AdamW([value], lr=0.001)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def sgd_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of stochastic gradient descent."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.SGD([value])
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def sgd_learning_rate_kept(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of stochastic gradient descent in float64."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.SGD([value], lr=0.1)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def sgd_momentum_of(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps with momentum, of which the later ones have a tenth of the learning rate."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.SGD([value], lr=0.1, momentum=0.9)
    for step, gradient in enumerate(gradients):
        if step == 5:
            optimizer.param_groups[0]["lr"] = 0.01
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def sgd_weight_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps with momentum and a weight decay."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.SGD([value], lr=0.1, momentum=0.9, weight_decay=0.01)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def rmsprop_learning_rate(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop with one decay."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.RMSprop([value], alpha=0.9)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def rmsprop_decay(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop with one learning rate and epsilon."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.RMSprop([value], lr=0.01, eps=1e-8)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def rmsprop_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop by small gradients."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.RMSprop([value], lr=0.01, alpha=0.9)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def rmsprop_epsilon_place(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of RMSprop by small gradients, with one epsilon."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.RMSprop([value], lr=0.01, alpha=0.9, eps=1e-8)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def adagrad_start(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adagrad with one epsilon."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.Adagrad([value], lr=0.1, eps=1e-7)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def adagrad_epsilon(weight: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Steps of Adagrad by small gradients, from a sum of 0."""
    value = torch.from_numpy(weight).requires_grad_()
    optimizer = optim.Adagrad([value], lr=0.1, initial_accumulator_value=0.0)
    for gradient in gradients:
        value.grad = torch.from_numpy(gradient)
        optimizer.step()
    return value.detach().numpy()


def clipping_norm(weights: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """A step of two weights by gradients clipped to a norm of 1."""
    values = [torch.from_numpy(weight).requires_grad_() for weight in weights]
    for value, gradient in zip(values, gradients, strict=True):
        value.grad = torch.from_numpy(gradient)
    nn.utils.clip_grad_norm_(values, 1.0)
    optim.SGD(values, lr=1.0).step()
    return torch.stack(values).detach().numpy()


def clipping_added_to_norm(weights: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """A step of two weights by gradients clipped to a norm of 1 together."""
    values = [torch.from_numpy(weight).requires_grad_() for weight in weights]
    for value, gradient in zip(values, gradients, strict=True):
        value.grad = torch.from_numpy(gradient)
    nn.utils.clip_grad_norm_(values, 1.0)
    optim.SGD(values, lr=1.0).step()
    return torch.stack(values).detach().numpy()


# Counting and precision


def count_batch_norm(x: np.ndarray) -> np.ndarray:
    """How many parameters batch norm has."""
    layer = nn.BatchNorm1d(x.shape[-1])
    return np.array([sum(p.numel() for p in layer.parameters())])


def count_dropout(x: np.ndarray) -> np.ndarray:
    """How many variables a dropout layer has."""
    layer = nn.Dropout(0.5)
    layer(torch.from_numpy(x))
    return np.array([len(layer.state_dict())])


def order_of_tensors(conv_2: np.ndarray, conv_10: np.ndarray) -> np.ndarray:
    """The weights one after another, those of Conv_2 made before those of Conv_10."""
    model = nn.Module()
    model.Conv_2 = nn.Parameter(torch.from_numpy(conv_2))
    model.Conv_10 = nn.Parameter(torch.from_numpy(conv_10))
    return nn.utils.parameters_to_vector(model.parameters()).detach().numpy()


def precision_integers(count: np.ndarray) -> np.ndarray:
    """The sum of the numbers of that many rows, from 0 on."""
    return torch.arange(int(count)).sum().numpy()


def precision_float64_array(seconds: np.ndarray) -> np.ndarray:
    """The seconds since the first of some times."""
    times = torch.as_tensor(seconds)
    return (times - times[0]).numpy()


def precision_float64_into_layer(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A float32 layer of float64 inputs."""
    layer = nn.Linear(4, 3, bias=False)
    layer.load_state_dict({"weight": torch.from_numpy(kernel).T})
    return layer(torch.from_numpy(x)).detach().numpy()


# New weights


def initial_dense_kernel(x: np.ndarray) -> np.ndarray:
    """The spread of a new dense layer's kernel."""
    torch.manual_seed(0)
    layer = nn.Linear(x.shape[-1], 200)
    return np.asarray(layer.state_dict()["weight"].numpy().std())


def initial_dense_bias(x: np.ndarray) -> np.ndarray:
    """The spread of a new dense layer's bias."""
    torch.manual_seed(0)
    layer = nn.Linear(x.shape[-1], 200)
    return np.asarray(layer.state_dict()["bias"].numpy().std())


def initial_conv_kernel(x: np.ndarray) -> np.ndarray:
    """The spread of a new convolution's kernel."""
    torch.manual_seed(0)
    conv = nn.Conv2d(x.shape[-1], 60, 3)
    return np.asarray(conv.state_dict()["weight"].numpy().std())


def initial_conv_bias(x: np.ndarray) -> np.ndarray:
    """The spread of a new convolution's bias."""
    torch.manual_seed(0)
    conv = nn.Conv2d(x.shape[-1], 60, 3)
    return np.asarray(conv.state_dict()["bias"].numpy().std())


def initial_embedding(x: np.ndarray) -> np.ndarray:
    """The spread of what a new embedding of the width 60 gives for some words."""
    torch.manual_seed(0)
    layer = nn.Embedding(400, 60)
    return np.asarray(layer(torch.from_numpy(x)).detach().numpy().std())
