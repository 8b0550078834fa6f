"""Flax as a backend: it builds this panel's networks, wraps others and watches both."""

from dataclasses import replace
from functools import partial
from typing import Any

import flax
import jax
import numpy as np
import optax

from flax_impl.engine import compiling, weights
from flax_impl.engine.computing import computing, in_mode
from flax_impl.engine.model import FlaxModel
from flax_impl.engine.probe import FlaxProbe
from shared.boundary import (
    check_build,
    check_inputs,
    check_proved,
    construct,
    kept,
    seen_outputs,
)
from shared.errors import DeviceMissingError
from shared.interface import Arrays, Backend, Model, Probe
from shared.specs import Network


class FlaxBackend:
    """Builds the classes of `flax_impl`."""

    name = "flax"
    unbiased_variance = False

    def versions(self) -> dict[str, str]:
        """The versions of JAX, Flax and optax."""
        return {"jax": jax.__version__, "flax": flax.__version__, "optax": optax.__version__}

    def resolved(self) -> dict[str, str]:
        """Compilation and precision as they are in this process; threads are one a CPU."""
        settings = jax.config.values
        folder = settings["jax_compilation_cache_dir"]
        cached = folder and settings["jax_enable_compilation_cache"]
        return {
            "platform": jax.default_backend(),
            "jit": "off" if settings["jax_disable_jit"] else "on",
            "compilation cache": "on" if cached else "off",
            "float32 products": settings["jax_default_matmul_precision"] or "default",
        }

    def devices(self) -> list[str]:
        """The CPU, and the GPU if JAX can use it."""
        try:
            return ["cpu", "cuda"] if jax.devices("cuda") else ["cpu"]
        except RuntimeError:
            return ["cpu"]

    def use_highest_precision(self) -> None:
        """Turn TF32 off, which JAX may use for float32 products on a GPU."""
        jax.config.update("jax_default_matmul_precision", "highest")

    def build(
        self,
        network: Network,
        *,
        seed: int | None = 0,
        dtype: str = "float32",
        device: str = "cpu",
        variant: str = "tuned",
    ) -> Model:
        """A network with Flax's own initial weights."""
        check_build(dtype, device, variant)
        if device not in self.devices():
            raise DeviceMissingError(
                "flax finds no CUDA device on this machine; use the device cpu, or install JAX "
                "for this machine's GPU: pip install 'jax[cuda13]'"
            )
        module = construct("flax_impl", network)
        with computing(dtype, device):
            example = weights.example(network)
            layout = weights.layout(module, *example)
            if seed is None:  # to draw weights is compiled longer than a network runs
                variables = weights.zeros(module, example, kept(dtype))
            else:
                init = jax.jit(module.init, compiler_options=compiling.quickly())
                drawn = init(jax.random.key(seed), *example)
                # Flax computes in the dtype of variables and inputs: no layer needs to say it.
                variables = jax.tree.map(lambda array: array.astype(kept(dtype)), drawn)
        return FlaxModel(network, module, variables, layout, dtype, device, variant)

    def wrap(
        self, network: Network, native: Any, inputs: Arrays, *, dtype: str, device: str = "cpu"
    ) -> Model:
        """Somebody's own module with a copy of its variables."""
        check_build(dtype, device)
        check_proved(dtype)
        module, variables = native
        still, mode = in_mode(module, train=False)
        with computing(dtype, device):
            example = [*map(weights.copied, check_inputs(network, inputs, dtype))]
            layout = weights.layout(still, *example, **mode)
            variables = weights.taken(variables, layout.slots, dtype)
            outputs = jax.jit(partial(still.apply, **mode))(variables, *example)
            arrays = jax.tree.map(np.asarray, outputs)
        network = replace(network, outputs=seen_outputs(arrays))
        return FlaxModel(network, module, variables, layout, dtype, device)

    def probe(self, model: Model) -> Probe:
        """What watches a model of this panel."""
        check_proved(model.dtype)
        assert isinstance(model, FlaxModel)
        return FlaxProbe(model)


BACKEND: Backend = FlaxBackend()
