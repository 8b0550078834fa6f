"""Models of users in Keras and PyTorch, for the tests of `user_models`; run in a worker."""

from typing import Any

import keras
import numpy as np
import torch
from keras import layers, ops
from torch import Tensor

from shared.errors import TriptychError
from shared.parity.user_models import compare_models

IMAGES = np.random.default_rng(2).normal(size=(4, 6, 8, 3)).astype("float32")


class Original(torch.nn.Module):
    """Convolution, batch norm, GELU, dropout and a dense layer on flattened pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.drop = torch.nn.Dropout(0.25)
        self.head = torch.nn.Linear(4 * 6 * 8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.nn.functional.gelu(self.norm(self.stem(x)))
        return self.head(self.drop(x).flatten(1))


class Port(keras.Model):
    """The port; its arguments are in no configuration."""

    def __init__(self, epsilon: float = 1e-3, first: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stem = layers.Conv2D(4, 3, padding="same")
        self.norm = layers.BatchNormalization(epsilon=epsilon, momentum=0.9)
        self.drop = layers.Dropout(0.25)
        self.head = layers.Dense(5)
        self.first = first

    def call(self, x: Any, training: bool = False) -> Any:
        x = ops.gelu(self.norm(self.stem(x), training=training), approximate=False)
        x = self.drop(x, training=training)
        if self.first:
            x = ops.transpose(x, (0, 3, 1, 2))
        return self.head(ops.reshape(x, (len(x), -1)))


class Several(keras.Model):
    """Takes its inputs one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.head = layers.Dense(2)

    def call(self, x: Any, y: Any) -> Any:
        return self.head(x + y)


def original() -> torch.nn.Module:
    torch.manual_seed(1)
    model = Original()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor += 0.1 + 0.2 * torch.rand_like(tensor)
    return model


def port(**changes: Any) -> keras.Model:
    model = Port(**{"epsilon": 1e-5, "first": True, **changes})
    model(IMAGES)
    return model


def functional() -> keras.Model:
    image = keras.Input((6, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="body")(image)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")(x)
    x = layers.Activation("gelu")(x)
    x = layers.Dropout(0.25, name="sparse")(x)
    x = layers.Flatten()(layers.Permute((3, 1, 2))(x))
    return keras.Model(image, layers.Dense(5, name="top")(x))


FUNCTIONAL = {"body": "stem", "sparse": "drop", "top": "head"}


def answer(a: Any, b: Any, inputs: Any = IMAGES, **options: Any) -> dict[str, Any]:
    try:
        report = compare_models(a, b, inputs, **options)
    except TriptychError as error:
        return {"error": str(error), "kind": type(error).__name__}
    return {**report.to_dict(), "text": report.text}


def example(changes: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The original against its port."""
    return answer(original(), port(**changes), **options)


def made_of_layers() -> dict[str, Any]:
    """The original against a model of inputs and outputs."""
    return answer(original(), functional(), mapping=FUNCTIONAL)


def refused(what: str) -> dict[str, Any]:
    if what == "unbuilt":
        return answer(original(), Port())
    model = Several()
    vectors = np.ones((2, 3), "float32")
    model(vectors, vectors)
    return answer(model, model, (vectors, vectors))


def unchanged() -> dict[str, bool]:
    """Whether a Keras model is as it was after comparisons."""
    model = port()
    before = [(v, v.value, np.array(v.value)) for v in model.variables]
    values = ops.convert_to_numpy(model(IMAGES))
    for dtype in ("float64", "float32"):
        answer(original(), model, dtype=dtype)
    return {
        "values": all(np.array_equal(v.value, array) for v, _, array in before),
        "variables": all(v.value is value for v, value, _ in before),
        "dtypes": {v.dtype for v, _, _ in before} <= {"float32", "uint32", "int64"},
        "policies": {part.dtype_policy.name for part in model._flatten_layers()} == {"float32"},
        "outputs": np.array_equal(values, ops.convert_to_numpy(model(IMAGES))),
        "calls": not any("call" in vars(part) for part in model._flatten_layers()),
        "floatx": keras.config.floatx() == "float32",
        "gelu": ops.convert_to_numpy(ops.gelu(np.float32(1))).dtype == np.float32,
    }
