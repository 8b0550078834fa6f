"""Keras as a backend: it builds this panel's networks, wraps others and watches both."""

import importlib.metadata
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from keras_impl.engine import weights
from keras_impl.engine.computing import computing, seeded
from keras_impl.engine.model import KerasModel, show_zeros
from keras_impl.engine.own_model import OwnKerasModel, check_call
from keras_impl.engine.probe import KerasProbe
from shared.boundary import check_build, check_proved, construct, kept, seen_outputs
from shared.errors import ConfigurationError, DeviceMissingError
from shared.interface import Arrays, Backend, Model, Probe
from shared.specs import Network


class KerasBackend:
    """Builds the classes of `keras_impl`, on whichever backend Keras runs."""

    name = "keras"
    unbiased_variance = False

    def versions(self) -> dict[str, str]:
        """The versions of Keras and of the framework that it runs on."""
        runs_on = keras.backend.backend()
        return {"keras": keras.__version__, runs_on: importlib.metadata.version(runs_on)}

    def resolved(self) -> dict[str, str]:
        """Threads, compilation and precision as they are in this process."""
        model = keras.Sequential()
        model.compile()
        settings = {
            "runs on": keras.backend.backend(),
            "jit_compile=auto": "XLA" if model.jit_compile else "no XLA",
            "images": keras.config.image_data_format(),
        }
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            threads = tf.config.threading.get_intra_op_parallelism_threads()
            settings["threads"] = str(threads or "one a CPU")
            tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
            settings["TF32"] = "on" if tf32 else "off"
        return settings

    def devices(self) -> list[str]:
        """The CPU, and the GPU if Keras's backend can use it."""
        return ["cpu", "cuda"] if _finds_gpu() else ["cpu"]

    def use_highest_precision(self) -> None:
        """Turn TF32 off in the framework that Keras runs on."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_tensor_float_32_execution(False)
        elif keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_default_matmul_precision", "highest")
        else:
            import torch

            torch.backends.cudnn.allow_tf32 = False

    def build(
        self,
        network: Network,
        *,
        seed: int | None = 0,
        dtype: str = "float32",
        device: str = "cpu",
        variant: str = "tuned",
    ) -> Model:
        """A network with Keras's own initial weights."""
        check_build(dtype, device, variant)
        _check_exact(kept(dtype))
        if device not in self.devices():
            raise DeviceMissingError(
                f"keras on {keras.backend.backend()} finds no CUDA device on this machine; use the "
                "device cpu, or install that framework for this machine's GPU"
            )
        with computing(dtype, device), seeded(seed or 0):
            native = construct("keras_impl", network)
            show_zeros(native, network, dtype)
        return KerasModel(network, native, dtype, device, variant)

    def wrap(
        self, network: Network, native: Any, inputs: Arrays, *, dtype: str, device: str = "cpu"
    ) -> Model:
        """Somebody's own model, with values of its own."""
        check_build(dtype, device)
        check_proved(dtype)
        if not native.built:
            raise ConfigurationError(
                "a Keras model has no weights until it has seen an input: call it once before"
            )
        weights.layout(native)  # that there is a rule for every layer
        _check_exact(dtype)
        check_call(native)
        model = OwnKerasModel(network, native, dtype, device)
        with model.computing():
            outputs = model.native(model.inputs(inputs), training=False)
            arrays = keras.tree.map_structure(ops.convert_to_numpy, outputs)
        model.network = replace(network, outputs=seen_outputs(arrays))
        return model

    def probe(self, model: Model) -> Probe:
        """What watches a model of this panel."""
        check_proved(model.dtype)
        assert isinstance(model, KerasModel)
        return KerasProbe(model)


def _finds_gpu() -> bool:
    """Whether the framework that Keras runs on can use a GPU here."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX, where it has no GPU
        return False


def _check_exact(dtype: str) -> None:
    """Raise ConfigurationError where Keras's framework cannot compute in a dtype throughout."""
    if keras.backend.result_type(dtype, "float32") != dtype:
        raise ConfigurationError(
            f"keras on {keras.backend.backend()} computes float64 networks partly in float32; "
            "use float32, or Keras on TensorFlow"
        )


BACKEND: Backend = KerasBackend()
