"""A module's methods beside its pass forward; files by `flax.serialization`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import serialization

from flax_impl.engine import compiling, weights
from flax_impl.engine.model import FlaxModel, inside
from flax_impl.inference import InferenceModel
from shared.boundary import kept
from shared.interface import Arrays, Model


class FlaxMethods:
    """Calls the methods of a model of this panel."""

    def __init__(self, model: FlaxModel) -> None:
        self.model = model
        self.native: Any = model.native

    def config(self) -> dict[str, Any]:
        """The arguments that `get_config` gives."""
        return _plain(self.native)

    def again(self) -> FlaxModel:
        """The network once more, made of what `get_config` says, with weights of 0."""
        own, module = self.model, _again(self.native)
        with own.computing():
            example = weights.example(own.network)
            layout = weights.layout(module, *example)
            variables = weights.zeros(module, example, kept(own.dtype))
        again = FlaxModel(
            own.network, module, variables, layout, own.dtype, own.device, own.variant
        )
        if module == own.native:  # the same class with the same fields is the same function
            again.share(own)
        return again

    def hand_over(self, other: Model, folder: Path) -> None:
        """Variables as msgpack, in a file that is read into the other's."""
        assert isinstance(other, FlaxModel)
        file = folder / "variables.msgpack"
        file.write_bytes(serialization.to_bytes(self.model.variables))
        with other.computing():
            restored = serialization.from_bytes(other.variables, file.read_bytes())
            other.variables = jax.tree.map(weights.copied, restored)

    def whole(self, folder: Path) -> Model | None:
        """None: Flax's files have variables alone."""
        del folder
        return None

    def features(self, inputs: Arrays) -> np.ndarray:
        """What `extract_features` gives."""
        model = self.model
        call = model.compiled(partial(self.native.apply, method="extract_features"))
        with model.computing():
            return np.array(call(model.variables, *model.inputs(inputs)))

    def passes(self, method: str, inputs: Arrays) -> float:
        """The largest gradient that passes a method.

        What XLA compiles of it is nothing, where none does.
        """
        model, native, state = self.model, self.native, self.model.variables
        if hasattr(InferenceModel, method) and not isinstance(native, InferenceModel):
            native, state = InferenceModel(native), inside(state)
        names = [*model.network.inputs][: -1 if method == "decode" else None]
        specs = [model.network.inputs[name] for name in names]

        def total(params: Any, floats: list[Any], others: list[Any]) -> Any:
            values = [x if x is not None else y for x, y in zip(floats, others, strict=True)]
            arguments: list[Any] = [tuple(values), True] if method == "predict" else values
            outputs = native.apply({**state, "params": params}, *arguments, method=method)
            leaves = [x for x in jax.tree.leaves(outputs) if jnp.issubdtype(x.dtype, jnp.floating)]
            return sum(jnp.square(x).sum() for x in leaves)

        with model.computing():
            arrays = [weights.copied(inputs[name]) for name in names]
            kinds = [spec.dtype == "float" for spec in specs]
            floats = [x if kind else None for x, kind in zip(arrays, kinds, strict=True)]
            others = [None if kind else x for x, kind in zip(arrays, kinds, strict=True)]
            differentiated = jax.grad(total, argnums=(0, 1))
            compiled = compiling.exactly(differentiated, model.variables, model.device)
            gradients = compiled(state["params"], floats, others)
            return max(float(np.abs(x).max()) for x in jax.tree.leaves(gradients))

    def batches(self, batches: Sequence[tuple[Arrays, np.ndarray]]) -> dict[str, np.ndarray]:
        """What `predict_batch` and `evaluate` say, with `predict` compiled."""
        predict = self.model.compiled(partial(self.native.apply, method="predict"))

        def compiled(call: Any, arguments: Any, named: Any, context: Any) -> Any:
            traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(arguments))
            if context.method_name != "predict" or traced:
                return call(*arguments, **named)
            return predict(self.model.variables, *arguments, **named)

        with self.model.computing(), nn.intercept_methods(compiled):
            bound = self.native.bind(self.model.variables)
            pairs: list[tuple[Any, Any]] = []
            for inputs, labels in batches:
                x = self.model.inputs(inputs)
                pairs.append((x if len(x) > 1 else x[0], weights.copied(labels)))
            classes, labels = bound.predict_batch(iter(pairs))
            return {
                "classes": np.array(classes, np.int32),
                "labels": np.array(labels, np.int32),
                "evaluated": np.array(bound.evaluate(iter(pairs)), np.float64),
            }


def _again(module: Any) -> nn.Module:
    """A module of the same class and configuration, modules in it made anew too."""
    config = {
        name: _again(value) if isinstance(value, nn.Module) else value
        for name, value in module.get_config().items()
    }
    return type(module)(**config)


def _plain(module: Any) -> dict[str, Any]:
    return {
        name: {"cls": type(value).__name__, "config": _plain(value)}
        if isinstance(value, nn.Module)
        else value
        for name, value in module.get_config().items()
    }
