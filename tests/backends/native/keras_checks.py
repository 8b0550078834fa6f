"""The Keras panel as a Keras user has it: eager calls, `compile` and `fit`, `.keras` files.

Runs with Keras on TensorFlow, JAX and PyTorch; only how a gradient is taken differs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_impl import training
from keras_impl.attention import DecoderLayer, EncoderLayer, MultiHeadAttention
from keras_impl.branching import BranchingNet
from keras_impl.dense import DenseBlock, DenseNet, Transition
from keras_impl.early_exit import EarlyExitNet
from keras_impl.engine import weights as panel
from keras_impl.engine.backend import BACKEND
from keras_impl.inception import InceptionBlock, InceptionNet
from keras_impl.inference import InferenceModel
from keras_impl.mimo import MIMONet
from keras_impl.mlp import BasicNet
from keras_impl.mnist_cnn import MNISTClassifier
from keras_impl.recurrent import GRUCell, RowGRU
from keras_impl.residual import ResidualBlock, SimpleResNet
from keras_impl.seq2seq import Seq2Seq
from keras_impl.sequential import SequentialNet
from keras_impl.skip import SkipMLP
from keras_impl.unet import DoubleConv, Down, UNet, Up
from shared.boundary import by_name, construct
from shared.specs import Network, Task, Tensor

Arrays = Mapping[str, np.ndarray]
CLASSIFIER = Network("mnist_cnn", "MNISTClassifier", {}, {"image": Tensor("HWC", (28, 28, 1))}, {})


def show(model: Any, network: Network) -> Any:
    """Call a model on a batch of one, so that its layers have their variables."""
    model(
        single(
            ops.zeros((1, *tensor.shape), "float32" if tensor.dtype == "float" else tensor.dtype)
            for tensor in network.inputs.values()
        )
    )
    return model


def single(values: Any) -> Any:
    """One input, or several as Keras takes them."""
    inputs = tuple(values)
    return inputs[0] if len(inputs) == 1 else inputs


def make(network: Network, weights: Arrays | None = None) -> Any:
    """A built model, with Keras's own weights or those given."""
    model = show(construct("keras_impl", network), network)
    if weights is not None:
        panel.from_canonical(panel.layout(model), weights)
    return model


def tensors(inputs: Arrays) -> Any:
    """Inputs as Keras takes them."""
    return single(map(ops.convert_to_tensor, inputs.values()))


def arrays(outputs: Any) -> list[np.ndarray]:
    """Outputs in their order."""
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    return [np.array(ops.convert_to_numpy(x)) for x in several]


def state(model: keras.Model) -> dict[str, np.ndarray]:
    """The variables under their canonical names."""
    return panel.to_canonical(panel.layout(model))


def gradients(compute: Callable[[], Any], variables: list[Any]) -> list[np.ndarray]:
    """The gradient for each variable of what `compute` gives; zeros where none arrives."""
    runs_on = keras.backend.backend()
    computed: Any
    if runs_on == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = compute()
        computed = tape.gradient(value, variables)
    elif runs_on == "jax":
        import jax

        def stateless(values: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return compute()

        computed = jax.grad(stateless)([variable.value for variable in variables])
    else:
        value = compute()
        for variable in variables:
            variable.value.grad = None
        if value.requires_grad:
            value.backward()
        computed = [variable.value.grad for variable in variables]
    return [
        np.zeros(variable.shape) if gradient is None else np.array(ops.convert_to_numpy(gradient))
        for variable, gradient in zip(variables, computed, strict=True)
    ]


def largest(compute: Callable[[], Any], model: keras.Model) -> dict[str, float]:
    """The size of every parameter's gradient; 0 where none arrived."""
    variables = model.trainable_variables
    computed = gradients(compute, variables)
    return {
        f"{number}: {variable.path}": float(np.abs(gradient).max())
        for number, (variable, gradient) in enumerate(zip(variables, computed, strict=True))
    }


def names(network: Network) -> dict[str, tuple[int, ...]]:
    """Canonical names and shapes."""
    return {row.name: row.shape for row in panel.table(panel.layout(make(network)))}


def rebuild(network: Network) -> list[dict[str, Any]]:
    """What a network and its copy by `get_config` are."""
    first = make(network)
    second = show(type(first)(**first.get_config()), network)
    third = show(type(first).from_config(first.get_config()), network)
    return [
        {
            "class": type(model).__name__,
            "config": {
                key: type(value).__name__ if isinstance(value, keras.Model) else value
                for key, value in model.get_config().items()
            },
            "shapes": {row.name: row.shape for row in panel.table(panel.layout(model))},
        }
        for model in (first, second, third)
    ]


def defaults() -> dict[str, dict[str, Any]]:
    """What constructors fill in."""
    models: list[Any] = [
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
    return {type(model).__name__: model.get_config() for model in models}


def forward(network: Network, weights: Arrays, inputs: Arrays) -> dict[str, Any]:
    """Two calls in each mode, and the weights after them."""
    model = make(network, weights)
    modes: dict[str, Any] = {}
    # Evaluation is what Keras does when nobody says anything.
    for mode, arguments in (("evaluation", {}), ("training", {"training": True})):
        calls = [arrays(model(tensors(inputs), **arguments)) for _ in range(2)]
        modes[mode] = {"calls": calls, "weights": state(model)}
    return modes


def save_and_load(
    network: Network, weights: Arrays, inputs: Arrays, folder: Path
) -> dict[str, list[np.ndarray]]:
    """Outputs before saving, of another network, and of one that was made by loading."""
    model = make(network, weights)
    saved, fresh = arrays(model(tensors(inputs))), arrays(make(network)(tensors(inputs)))
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    return {"saved": saved, "fresh": fresh, "loaded": arrays(loaded(tensors(inputs)))}


def unknown(tensor: Tensor, batch: int | None) -> keras.KerasTensor:
    """An input of which Keras does not know everything yet."""
    dtype = "float32" if tensor.dtype == "float" else tensor.dtype
    sizes = (None, None, *tensor.shape[2:]) if tensor.any_size else tensor.shape
    return keras.KerasTensor((batch, *sizes), dtype)


def reach(network: Network, inputs: Arrays) -> None:
    """Both modes of a new network, its own methods and its configuration.

    Its sizes may be unknown to Keras where the network takes any.
    """
    model, x = construct("keras_impl", network), tensors(inputs)
    for mode in (False, True):
        model(x, training=mode)
    if "TK" in {tensor.axes for tensor in network.outputs.values()}:
        model.decode(*x[:-1])
    if isinstance(model, MNISTClassifier):
        model.extract_features(x)
        model.compile(loss="mean_squared_error")
        model.compute_loss(x, model(x), model(x))
    # Sizes are looked at by these, and need not be known yet; nor need the last input's batch.
    if any(tensor.divisor > 1 or tensor.dtype == "bool" for tensor in network.inputs.values()):
        for batch in (None, 2):
            batches = [*[None] * (len(network.inputs) - 1), batch]
            model(single(map(unknown, network.inputs.values(), batches)))
    type(model).from_config(model.get_config())
    if isinstance(model, InferenceModel):  # whose network is a dictionary in a file
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))


def features(weights: Arrays, images: np.ndarray) -> dict[str, Any]:
    """Extracted features, and the gradients that reach the network through them."""
    model = make(CLASSIFIER, weights)
    kernel = model.features.layers[0].kernel
    (extracted,) = gradients(lambda: ops.sum(model.extract_features(images)), [kernel])
    (flat,) = gradients(lambda: ops.sum(model.flat_features(images)), [kernel])
    return {
        "features": arrays(model.extract_features(images))[0],
        "through_extracted": {"kernel": float(np.abs(extracted).max())},
        "through_flat": {"kernel": float(np.abs(flat).max())},
    }


def log() -> list[dict[str, list[float]]]:
    """The classifier's log when new, and after two epochs; another's beside it."""
    model, other = MNISTClassifier(), MNISTClassifier()

    def lists(m: Any) -> dict[str, list[float]]:
        return {
            "losses": list(m.losses),
            "train_accuracy": list(m.train_accuracy),
            "val_accuracy": list(m.val_accuracy),
        }

    new = lists(model)
    model.record_epoch(0.5, 80.0, 79.0)
    model.record_epoch(0.25, 90.0, 88.0)
    return [new, lists(model), lists(other)]


def train(
    weights: Arrays, images: np.ndarray, labels: np.ndarray, steps: int, learning_rate: float
) -> dict[str, Any]:
    """Steps of gradient descent on a classifier whose log has entries."""
    model = make(CLASSIFIER, weights)
    model.record_epoch(100.0, 10.0, 10.0)
    model.compile(
        keras.optimizers.SGD(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(
        images, labels, batch_size=len(images), epochs=steps, shuffle=False, verbose=0
    )
    return {
        "losses": history.history["loss"],
        "evaluated": float(model.evaluate(images, labels, batch_size=len(images), verbose=0)),
        "log": list(model.losses),
        "bias": np.array(ops.convert_to_numpy(model.classifier.layers[3].bias)),
    }


def wrap(network: Network, weights: Arrays, inputs: Arrays) -> dict[str, Any]:
    """What the wrapper does to the network in it, which is being trained meanwhile."""
    base = make(network, weights)
    x = tensors(inputs)
    expected = arrays(base(x, training=False))
    before = state(base)

    def status() -> list[Any]:
        flags = [layer.trainable for _, layer in panel.walk(base)]
        return [base.trainable, *flags, len(base.trainable_variables), len(base.losses)]

    def first_of(outputs: Any) -> Any:
        return outputs[0] if isinstance(outputs, tuple) else outputs

    status_before = status()
    wrapper = InferenceModel(base)
    outputs = arrays(wrapper(x))
    second = arrays(wrapper(x, training=True))
    status_after, after = status(), state(base)
    mode = any((before[name] != after[name]).any() for name in before)

    def through_wrapper() -> Any:
        return sum(ops.sum(output) for output in keras.tree.flatten(wrapper(x)))

    def outside() -> Any:
        return ops.mean(ops.square(first_of(base(x, training=True))))

    reached = largest(through_wrapper, base)
    variables = base.trainable_variables
    outside_gradients = gradients(outside, variables)
    for variable, gradient in zip(variables, outside_gradients, strict=True):
        variable.assign(ops.convert_to_numpy(variable) - np.float32(0.1) * gradient)
    return {
        "expected": expected,
        "first": outputs,
        "second": second,
        "in_training_mode": mode,
        "status": [status_before, status_after],
        "weights": [before, after],
        "through_wrapper": reached,
        "through_base": {
            f"{number}: {v.path}": float(np.abs(g).max())
            for number, (v, g) in enumerate(zip(variables, outside_gradients, strict=True))
        },
        "wrapper_trained": arrays(wrapper(x)),
        "base_trained": arrays(base(x, training=False)),
    }


def predictions(
    network: Network, weights: Arrays, batches: list[tuple[Arrays, np.ndarray]]
) -> dict[str, Any]:
    """Everything that the wrapper predicts, and what it says to no batches at all."""
    wrapper = InferenceModel(make(network, weights))
    pairs = [(tensors(inputs), ops.convert_to_tensor(labels)) for inputs, labels in batches]
    classes, confidence = wrapper.predict(pairs[0][0], return_confidence=True)
    together, true = wrapper.predict_batch(iter(pairs))
    complaints = []
    for method in (wrapper.predict_batch, wrapper.evaluate):
        try:
            method([])
        except ValueError as error:
            complaints.append(str(error))
    return {
        "classes": ops.convert_to_numpy(wrapper.predict(pairs[0][0])),
        "with_confidence": ops.convert_to_numpy(classes),
        "confidence": ops.convert_to_numpy(confidence),
        "together": ops.convert_to_numpy(together),
        "true": ops.convert_to_numpy(true),
        "evaluated": wrapper.evaluate(iter(pairs)),
        "complaints": complaints,
    }


def noted(runs: list[int], x: Any) -> Any:
    """x, and one more run whenever it is computed, not when a graph is made of it."""
    runs_on = keras.backend.backend()
    if runs_on == "tensorflow":
        import tensorflow as tf

        def note(x: Any) -> Any:
            runs.append(1)
            return x

        shape = x.shape
        x = tf.py_function(note, [x], x.dtype)
        x.set_shape(shape)
    elif runs_on == "jax":
        import jax

        jax.debug.callback(lambda: runs.append(1))
    else:
        runs.append(1)
    return x


def compiled(model: keras.Model) -> Callable[[Any], Any]:
    """A model's evaluation, compiled; on PyTorch, where Keras does not compile, the model."""
    runs_on = keras.backend.backend()
    if runs_on == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda x: model(x, training=False), autograph=False)
    if runs_on == "jax":
        import jax

        variables = (model.trainable_variables, model.non_trainable_variables)
        values = [[variable.value for variable in kind] for kind in variables]
        step = jax.jit(lambda *state: model.stateless_call(*state, training=False)[0])
        return lambda x: step(*values, x)
    return model


def executions(
    network: Network, weights: Arrays, batches: list[np.ndarray]
) -> dict[str, list[dict[str, Any]]]:
    """Outputs for each batch and how often the second stage ran for it: eager and compiled."""
    model = make(network, weights)
    runs: list[int] = []
    original = model.conv3.call
    model.conv3.call = lambda x: original(noted(runs, x))
    executed: dict[str, list[dict[str, Any]]] = {}
    for variant, call in (("eager", model), ("compiled", compiled(model))):
        executed[variant] = []
        for images in batches:
            runs.clear()
            outputs = arrays(call(ops.convert_to_tensor(images)))
            if keras.backend.backend() == "jax":
                import jax

                jax.effects_barrier()
            executed[variant].append({"outputs": outputs, "runs": len(runs)})
    return executed


def complaints() -> dict[str, str]:
    """What is said to arguments and to inputs that do not fit."""
    unet, attention = UNet(base_width=2), MultiHeadAttention(6, 3)
    seq2seq = Seq2Seq(embed_dim=4, num_heads=1, num_layers=1)
    lengths = ops.convert_to_tensor([8, 8])

    def tokens(count: int) -> Any:
        return ops.zeros((2, count), "int32")

    unet(ops.zeros((1, 8, 8, 1)))  # a first call, in which their layers get their variables
    seq2seq((ops.zeros((2, 8, 28)), lengths, tokens(2)))
    attention((ops.zeros((2, 5, 6)), ops.zeros((2, 7, 6)), ops.ones((2, 5, 7), "bool")))

    calls = {
        "high image": lambda: unet(ops.zeros((2, 20, 16, 1))),
        "wide image": lambda: unet(ops.zeros((2, 16, 20, 1))),
        "columns": lambda: seq2seq((ops.zeros((2, 172, 28)), lengths, tokens(7))),
        "part of a step": lambda: seq2seq((ops.zeros((2, 10, 28)), lengths, tokens(7))),
        "tokens": lambda: seq2seq((ops.zeros((2, 168, 28)), lengths, tokens(8))),
        "mask": lambda: attention(
            (ops.zeros((2, 5, 6)), ops.zeros((2, 7, 6)), ops.ones((2, 7, 5), "bool"))
        ),
        "flat mask": lambda: attention(
            (ops.zeros((2, 5, 6)), ops.zeros((2, 7, 6)), ops.ones((5, 7), "bool"))
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


def flops(network: Network, task: Task, batch: Arrays) -> dict[str, int]:
    """What TensorFlow's profiler counts in the graphs for a batch: a pass, a loss's gradient."""
    import tensorflow as tf

    model: Any = BACKEND.build(network, seed=None)
    native = model.native

    def evaluate(x: Any) -> Any:
        return native(x, training=False)

    def differentiate(x: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = by_name(network.outputs, native(x, training=True))
            loss = training.total_loss(task, outputs, targets)
        return training.dense(tape.gradient(loss, [v.value for v in native.trainable_variables]))

    x = model.inputs({name: batch[name] for name in network.inputs})
    graphs = {
        "forward": tf.function(evaluate, autograph=False).get_concrete_function(x).graph,
        "training": tf.function(differentiate, autograph=False)
        .get_concrete_function(x, model.targets(task, batch))
        .graph,
    }
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return {
        name: tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
        for name, graph in graphs.items()
    }
