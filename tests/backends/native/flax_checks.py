"""The Flax panel as a Flax user has it: `init`, `apply`, variables beside the module."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import serialization
from jax import Array

from flax_impl import training
from flax_impl.attention import DecoderLayer, EncoderLayer, MultiHeadAttention
from flax_impl.branching import BranchingNet
from flax_impl.dense import DenseBlock, DenseNet, Transition
from flax_impl.early_exit import EarlyExitNet
from flax_impl.engine import weights as panel
from flax_impl.engine.backend import BACKEND
from flax_impl.inception import InceptionBlock, InceptionNet
from flax_impl.inference import InferenceModel
from flax_impl.mimo import MIMONet
from flax_impl.mlp import BasicNet
from flax_impl.mnist_cnn import MNISTClassifier
from flax_impl.recurrent import GRUCell, RowGRU
from flax_impl.residual import ResidualBlock, SimpleResNet
from flax_impl.seq2seq import Seq2Seq
from flax_impl.sequential import SequentialNet
from flax_impl.skip import SkipMLP
from flax_impl.unet import DoubleConv, Down, UNet, Up
from shared.boundary import by_name, construct
from shared.specs import Network, Task, Tensor

Arrays = Mapping[str, np.ndarray]
CLASSIFIER = Network("mnist_cnn", "MNISTClassifier", {}, {"image": Tensor("HWC", (28, 28, 1))}, {})


def zeros(network: Network) -> list[Array]:
    """A batch of one that a network can be shown."""
    return [
        jnp.zeros((1, *tensor.shape), "float32" if tensor.dtype == "float" else tensor.dtype)
        for tensor in network.inputs.values()
    ]


def make(network: Network, weights: Arrays) -> tuple[Any, Any]:
    """A module and the variables with these weights."""
    module = construct("flax_impl", network)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *zeros(network))
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return module, panel.from_canonical(empty, panel.layout(module, *zeros(network)).slots, weights)


def state(network: Network, module: nn.Module, variables: Any) -> dict[str, np.ndarray]:
    """The variables under their canonical names."""
    return panel.to_canonical(variables, panel.layout(module, *zeros(network)).slots)


def arrays(outputs: Any) -> list[np.ndarray]:
    """Outputs in their order."""
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    return [np.array(x) for x in several]


def largest(gradients: Any) -> dict[str, float]:
    """The size of every parameter's gradient."""
    return {
        jax.tree_util.keystr(path): float(jnp.abs(leaf).max())
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)
    }


def shapes(module: nn.Module, network: Network) -> dict[str, tuple[int, ...]]:
    """What `init` makes for a network, in canonical names and shapes."""
    variables = jax.eval_shape(module.init, jax.random.key(0), *zeros(network))
    return {
        row.name: row.shape
        for row in panel.table(variables, panel.layout(module, *zeros(network)).slots)
    }


def names(network: Network) -> dict[str, tuple[int, ...]]:
    """Canonical names and shapes."""
    return shapes(construct("flax_impl", network), network)


def rebuild(network: Network) -> list[dict[str, Any]]:
    """What a network and its copy by `get_config` are."""
    first = construct("flax_impl", network)
    second = type(first)(**first.get_config())
    return [
        {
            "class": type(module).__name__,
            "config": {
                key: type(value).__name__ if isinstance(value, nn.Module) else value
                for key, value in module.get_config().items()
            },
            "shapes": shapes(module, network),
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
    module, variables = make(network, weights)
    x = [jnp.asarray(array) for array in inputs.values()]

    @jax.jit
    def evaluate(variables: Any, key: Array) -> Any:
        del key
        return module.apply(variables, *x), {}

    @jax.jit
    def train(variables: Any, key: Array) -> Any:
        return module.apply(
            variables, *x, train=True, rngs={"dropout": key}, mutable=["batch_stats"]
        )

    modes: dict[str, Any] = {}
    for mode, call in (("evaluation", evaluate), ("training", train)):
        calls = []
        for step in range(2):
            outputs, updates = call(variables, jax.random.key(step))
            variables = {**variables, **updates}
            calls.append(arrays(outputs))
        modes[mode] = {"calls": calls, "weights": state(network, module, variables)}
    return modes


def save_and_load(
    network: Network, weights: Arrays, inputs: Arrays, folder: Path
) -> dict[str, list[np.ndarray]]:
    """Outputs before saving, of another network, and of that one after loading."""
    module, variables = make(network, weights)
    other = jax.jit(module.init)(jax.random.key(1), *zeros(network))
    call = jax.jit(module.apply)
    x = [jnp.asarray(array) for array in inputs.values()]
    saved, fresh = arrays(call(variables, *x)), arrays(call(other, *x))
    (folder / "model.msgpack").write_bytes(serialization.to_bytes(variables))
    other = serialization.from_bytes(other, (folder / "model.msgpack").read_bytes())
    return {"saved": saved, "fresh": fresh, "loaded": arrays(call(other, *x))}


def reach(network: Network, inputs: Arrays) -> None:
    """Both modes of a new network, its own methods and its configuration.

    They are traced, and nothing is computed.
    """
    module, x = construct("flax_impl", network), [jnp.asarray(array) for array in inputs.values()]
    key = jax.random.key(0)
    variables = jax.eval_shape(module.init, key, *x)

    def train(variables: Any, *x: Array) -> Any:
        keys = {"dropout": key}
        return module.apply(variables, *x, train=True, rngs=keys, mutable=["batch_stats"])

    for call in (module.apply, train):
        jax.eval_shape(call, variables, *x)
    if "TK" in {tensor.axes for tensor in network.outputs.values()}:
        jax.eval_shape(partial(module.apply, method="decode"), variables, *x[:-1])
    if isinstance(module, MNISTClassifier):
        jax.eval_shape(partial(module.apply, method="extract_features"), variables, *x)
    type(module)(**module.get_config())


def features(weights: Arrays, images: np.ndarray) -> dict[str, Any]:
    """Extracted features, and the gradients that reach the network through them."""
    module, variables = make(CLASSIFIER, weights)

    def total(variables: Any, method: str) -> Array:
        return module.apply(variables, images, method=method).sum()

    return {
        "features": np.array(module.apply(variables, images, method="extract_features")),
        "through_extracted": largest(jax.grad(total)(variables, "extract_features")),
        "through_flat": largest(jax.grad(total)(variables, "flat_features")),
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
    module, variables = make(CLASSIFIER, weights)
    module.record_epoch(100.0, 10.0, 10.0)
    optimizer = optax.sgd(learning_rate)
    params = variables["params"]
    optimizer_state = optimizer.init(params)

    def loss(params: Any, key: Array | None) -> Array:
        rngs = None if key is None else {"dropout": key}
        logits = module.apply({"params": params}, images, train=key is not None, rngs=rngs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    step = jax.jit(jax.value_and_grad(loss))
    losses = []
    for number in range(steps):
        value, gradients = step(params, jax.random.key(number))
        updates, optimizer_state = optimizer.update(gradients, optimizer_state)
        params = optax.apply_updates(params, updates)
        losses.append(float(value))
    return {
        "losses": losses,
        "evaluated": float(loss(params, None)),
        "log": list(module.losses),
        "bias": np.array(params["classifier_3"]["bias"]),  # type: ignore[call-overload, index]
    }


def wrap(network: Network, weights: Arrays, inputs: Arrays) -> dict[str, Any]:
    """What the wrapper does to the network in it, which is being trained meanwhile."""
    base, variables = make(network, weights)
    x = [jnp.asarray(array) for array in inputs.values()]
    before = state(network, base, variables)
    wrapper = InferenceModel(base)

    def inside(variables: Any) -> Any:
        return {name: {"base_model": tree} for name, tree in variables.items()}

    @jax.jit
    def wrapped(variables: Any) -> Any:
        return wrapper.apply(inside(variables), *x)

    @jax.jit
    def in_training(variables: Any) -> Any:
        return wrapper.apply(
            inside(variables),
            *x,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )

    outputs = wrapped(variables)
    second, updates = in_training(variables)
    changed = jax.tree.leaves(
        jax.tree.map(
            lambda a, b: (a != b).any(), updates, {k: inside(variables)[k] for k in updates}
        )
    )

    def through_wrapper(params: Any) -> Array:
        results = wrapped({**variables, "params": params})
        return sum(jnp.sum(output) for output in jax.tree.leaves(results))  # type: ignore[return-value]

    @jax.jit
    def outside(params: Any) -> Array:
        results, _ = base.apply(
            {**variables, "params": params},
            *x,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )
        return jnp.square(results[0] if isinstance(results, tuple) else results).mean()

    gradients = jax.grad(outside)(variables["params"])
    trained = {
        **variables,
        "params": jax.tree.map(lambda p, g: p - 0.1 * g, variables["params"], gradients),
    }
    return {
        "expected": arrays(jax.jit(base.apply)(variables, *x)),
        "first": arrays(outputs),
        "second": arrays(second),
        "in_training_mode": any(map(bool, changed)),
        # A module has neither a mode nor a flag that freezes it: it is what it was.
        "status": [[repr(base)], [repr(wrapper.base_model)]],
        "weights": [before, state(network, base, variables)],
        "through_wrapper": largest(jax.grad(through_wrapper)(variables["params"])),
        "through_base": largest(gradients),
        "wrapper_trained": arrays(wrapped(trained)),
        "base_trained": arrays(jax.jit(base.apply)(trained, *x)),
    }


def predictions(
    network: Network, weights: Arrays, batches: list[tuple[Arrays, np.ndarray]]
) -> dict[str, Any]:
    """Everything that the wrapper predicts, and what it says to no batches at all."""
    base, variables = make(network, weights)
    inside = {name: {"base_model": tree} for name, tree in variables.items()}
    wrapper = InferenceModel(base).bind(inside)
    pairs: list[tuple[Any, Array]] = []
    for inputs, labels in batches:
        x = tuple(jnp.asarray(array) for array in inputs.values())
        pairs.append((x if len(x) > 1 else x[0], jnp.asarray(labels)))
    classes, confidence = wrapper.predict(pairs[0][0], return_confidence=True)
    together, true = wrapper.predict_batch(iter(pairs))
    complaints = []
    for method in (wrapper.predict_batch, wrapper.evaluate):
        try:
            method([])
        except ValueError as error:
            complaints.append(str(error))
    return {
        "classes": np.array(wrapper.predict(pairs[0][0])),
        "with_confidence": np.array(classes),
        "confidence": np.array(confidence),
        "together": np.array(together),
        "true": np.array(true),
        "evaluated": wrapper.evaluate(iter(pairs)),
        "complaints": complaints,
    }


def executions(
    network: Network, weights: Arrays, batches: list[np.ndarray]
) -> dict[str, list[dict[str, Any]]]:
    """Outputs for each batch and how often the second stage ran for it: eager and compiled."""
    module, variables = make(network, weights)
    runs: list[int] = []

    def count(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if (context.module.name, context.method_name) == ("conv3", "__call__"):
            jax.debug.callback(lambda: runs.append(1))  # when it is computed, not when it is traced
        return call(*args, **kwargs)

    def apply(variables: Any, x: Array) -> Any:
        with nn.intercept_methods(count):
            return module.apply(variables, x)

    executed: dict[str, list[dict[str, Any]]] = {}
    for variant, call in (("eager", apply), ("compiled", jax.jit(apply))):
        executed[variant] = []
        for images in batches:
            runs.clear()
            outputs = arrays(call(variables, jnp.asarray(images)))
            jax.effects_barrier()
            executed[variant].append({"outputs": outputs, "runs": len(runs)})
    return executed


def complaints() -> dict[str, str]:
    """What is said to arguments and to inputs that do not fit."""
    unet, attention = UNet(base_width=2), MultiHeadAttention(6, 3)
    seq2seq = Seq2Seq(embed_dim=4, num_heads=1, num_layers=1)
    key, lengths = jax.random.key(0), jnp.array([8, 8])

    def tokens(count: int) -> Array:
        return jnp.zeros((2, count), "int32")

    calls = {
        "high image": lambda: unet.init(key, jnp.zeros((2, 20, 16, 1))),
        "wide image": lambda: unet.init(key, jnp.zeros((2, 16, 20, 1))),
        "columns": lambda: seq2seq.init(key, jnp.zeros((2, 172, 28)), lengths, tokens(7)),
        "part of a step": lambda: seq2seq.init(key, jnp.zeros((2, 10, 28)), lengths, tokens(7)),
        "tokens": lambda: seq2seq.init(key, jnp.zeros((2, 168, 28)), lengths, tokens(8)),
        "mask": lambda: attention.init(
            key, jnp.zeros((2, 5, 6)), jnp.zeros((2, 7, 6)), jnp.ones((2, 7, 5), bool)
        ),
        "flat mask": lambda: attention.init(
            key, jnp.zeros((2, 5, 6)), jnp.zeros((2, 7, 6)), jnp.ones((5, 7), bool)
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


def flops(network: Network, task: Task, batch: Arrays) -> dict[str, float]:
    """What XLA counts for a batch: a pass in evaluation mode, the gradient of a loss."""
    model: Any = BACKEND.build(network, seed=None)
    module, variables = model.native, model.variables
    rest = {name: tree for name, tree in variables.items() if name != "params"}

    def loss(params: Any, x: Any, targets: Any) -> Any:
        outputs, _ = module.apply(
            {"params": params, **rest},
            *x,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=list(rest),
        )
        return training.total_loss(task, by_name(network.outputs, outputs), targets)

    with model.computing():
        x = model.inputs({name: batch[name] for name in network.inputs})
        targets = model.targets(task, batch)
        compiled: dict[str, Any] = {
            "forward": jax.jit(module.apply).lower(variables, *x).compile(),
            "training": jax.jit(jax.grad(loss)).lower(variables["params"], x, targets).compile(),
        }
    return {name: program.cost_analysis()["flops"] for name, program in compiled.items()}
