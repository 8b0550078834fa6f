"""Which methods a network has beside its pass forward, by its spec, and what they are called with.

No backend is asked: a method that all of them lack is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shared.parity.evidence import Arrays
from shared.parity.samples import BATCHES
from shared.specs import Network

BATCH = BATCHES[-1]
"""Examples in what methods are called with: `forward` has their outputs."""

FROZEN = "InferenceModel"
"""The class that no gradient passes, and that has no training mode."""

FEATURES: Mapping[str, str] = {"MNISTClassifier": "classifier.0"}
"""The classes with `extract_features`, and the layer that takes these features."""

LOGS = ("MNISTClassifier",)
"""The classes that keep a log of their training."""

LOG = ("losses", "train_accuracy", "val_accuracy")
"""The lists of a log, in the order of the arguments of `record_epoch`."""

EPOCHS = ((0.75, 61.5, 58.25), (0.5, 79.0, 77.75), (0.375, 88.5, 86.0))
"""Epochs to record: the mean loss, and both accuracies in percent."""

WRITER = 2
"""The seed of the weights that sequences are written with: with these some of them END, and the
likeliest token after that is not always END."""

WHOLE_FILES = ("keras",)
"""The backends whose framework has files of a network together with its weights."""

SPLIT = 4
"""Examples in the first of the two batches that a frozen network is evaluated with."""


def logits(network: Network) -> str | None:
    """The output that has a class's logits on its last axis; None where there are no classes."""
    name, tensor = next(iter(network.outputs.items()))
    return name if tensor.axes.endswith("K") else None


def writes(network: Network) -> bool:
    """Whether a network writes sequences: it has a class for each token."""
    name = logits(network)
    return name is not None and network.outputs[name].axes == "TK"


def stopped(network: Network) -> list[str]:
    """The methods that no gradient may pass; `predict` and so on are those of the frozen wrapper.

    Around other networks the wrapper is the same.
    """
    methods = []
    if network.cls == FROZEN:
        methods += ["__call__", "predict"]
    if writes(network):
        methods.append("decode")
    if network.cls in FEATURES:
        methods.append("extract_features")
    return methods


def labels(outputs: np.ndarray) -> np.ndarray:
    """Labels int32 (B,) of which a backend with these logits (B, K) is right for some."""
    classes = outputs.argmax(axis=-1)
    wrong = np.arange(classes.size).reshape(classes.shape) % 3 == 0
    return ((classes + wrong) % outputs.shape[-1]).astype(np.int32)


def started(tokens: np.ndarray, network: Network) -> np.ndarray:
    """What each of the tokens (B, T) that a network wrote was written after: START, then they."""
    end = network.outputs[logits(network) or ""].shape[-1] - 1
    first = np.full((len(tokens), 1), end + 1, tokens.dtype)
    return np.concatenate([first, tokens[:, :-1]], axis=1)


def arguments(network: Network) -> Arrays:
    """The constructor's arguments as the spec has them, those of nested networks too."""
    return described(network.plain_config())


def described(config: Mapping[str, Any]) -> Arrays:
    """A network's configuration as named arrays, and how many arguments it has: none perhaps."""
    return {"arguments": np.array(len(config)), **encoded(config)}


def encoded(config: Mapping[str, Any]) -> Arrays:
    """A configuration as named arrays: numbers as they are, all else as UTF-8.

    A nested network, {"cls": ..., "config": ...}, has its class under its own name.
    """
    arrays: Arrays = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            arrays[name] = text(value["cls"])
            arrays |= {f"{name}.{n}": array for n, array in encoded(value["config"]).items()}
        elif isinstance(value, (bool, int, float)):
            arrays[name] = np.array(value)
        else:
            arrays[name] = text(repr(value))
    return arrays


def text(words: str) -> np.ndarray:
    """Words as UTF-8, uint8 (N,)."""
    return np.frombuffer(words.encode(), np.uint8)


def words(array: np.ndarray) -> str:
    """The words that `text` has encoded."""
    return array.astype(np.uint8).tobytes().decode(errors="replace")
