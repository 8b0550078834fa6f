"""What Keras keeps for a whole process, changed for a while: its dtype, device and generators.

A context puts everything back as it was.
"""

import math
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np

from keras_impl.engine import weights
from keras_impl.engine.quiet import quietly
from shared.boundary import kept


@contextmanager
def computing(dtype: str, device: str) -> Iterator[None]:
    """A context in which Keras computes in a dtype on a device.

    Keras has one global dtype, which layers take when they are made and losses when they run. In
    bfloat16 layers have the policy of mixed precision instead.
    """
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    rounded = dtype == "float64" and keras.backend.backend() == "tensorflow"
    # Without an index: torch takes "cpu" and "cpu:0" for two places, and would copy variables.
    with (
        keras.device("gpu" if device == "cuda" else "cpu"),
        exact_activations() if rounded else nullcontext(),
    ):
        keras.config.set_floatx(kept(dtype))
        keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else dtype)
        try:
            yield
        finally:
            keras.config.set_floatx(floatx)
            keras.config.set_dtype_policy(policy)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed what Keras draws from, and leave all other generators as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")  # Keras seeds it too, if somebody has imported it
    torch_state = torch.get_rng_state() if torch else None
    # Keras imports TensorFlow here, if it runs on another framework and TensorFlow is installed.
    with nullcontext() if "tensorflow" in sys.modules else quietly():
        keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch:
            torch.set_rng_state(torch_state)


def seed_dropout(model: keras.Model, seed: int) -> None:
    """Seed the generators that dropout draws from: each layer's own, or PyTorch's global one."""
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)
    for index, (_, layer) in enumerate(weights.walk(model)):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign(np.array([seed, index], generator.state.dtype))


@contextmanager
def drawing_alike() -> Iterator[None]:
    """A context in which the same is drawn each time, also from PyTorch's global generator."""
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@contextmanager
def resting(dropouts: list[keras.layers.Dropout]) -> Iterator[None]:
    """A context in which dropout layers do nothing; what is compiled in it stays so."""
    rates = [layer.rate for layer in dropouts]
    for layer in dropouts:
        layer.rate = 0
    try:
        yield
    finally:
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate


@contextmanager
def exact_activations() -> Iterator[None]:
    """TensorFlow's activations, without constants that it rounds to float32 in float64 too.

    An error of 5e-9 would hide which layer is the first that differs.
    """
    import tensorflow as tf

    def gelu(x: Any, approximate: bool = False) -> Any:
        if approximate:
            inner = tf.constant(math.sqrt(2 / math.pi), x.dtype)
            cubed = tf.constant(0.044715, x.dtype) * x * x * x
            return 0.5 * x * (1 + tf.tanh(inner * (x + cubed)))
        return 0.5 * x * (1 + tf.math.erf(x * tf.constant(math.sqrt(0.5), x.dtype)))

    def leaky_relu(x: Any, alpha: float = 0.2) -> Any:
        return tf.where(x > 0, x, tf.constant(alpha, x.dtype) * x)

    before = {name: getattr(tf.nn, name) for name in ("gelu", "leaky_relu")}
    tf.nn.gelu, tf.nn.leaky_relu = gelu, leaky_relu
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(tf.nn, name, function)
