"""InferenceModel: a frozen wrapper that predicts with any network of the catalogue."""

from __future__ import annotations

from functools import partial

from shared.specs.mimo import SPEC as MIMO_NET
from shared.specs.mnist_cnn import SPEC as MNIST_CLASSIFIER
from shared.specs.model import Case, Network, Operations, Spec
from shared.specs.parts import WIDE_IMAGE
from shared.specs.recurrent import SPEC as ROW_GRU
from shared.specs.residual import SPEC as SIMPLE_RESNET
from shared.specs.seq2seq import SPEC as SEQ2SEQ
from shared.specs.unet import SPEC as UNET


def inference_model(base_model: Network) -> Network:
    """The frozen wrapper around any network here, with that network's inputs and outputs."""
    return Network(
        "inference",
        "InferenceModel",
        {"base_model": base_model},
        base_model.inputs,
        base_model.outputs,
    )


SPEC = Spec(
    "inference_model",
    "a frozen wrapper that predicts with any classifier (here mnist_classifier)",
    partial(inference_model, MNIST_CLASSIFIER.network),
    parameters=421_642,
    operations=Operations(MNIST_CLASSIFIER.operations.forward, training=0),
    more_cases=(
        Case(
            "around simple_resnet, 4x196 image",
            inference_model(SIMPLE_RESNET.make(1, 10, WIDE_IMAGE)),
            parameters=64 * 9 + 128 + 73_984 + 230_144 + 62_730,
            buffers=2 * (64 + 2 * 64 + 3 * 128),
        ),
        Case(
            "around mimo_net",
            inference_model(MIMO_NET.network),
            parameters=445_163,
        ),
        *(
            Case(
                f"around {spec.name}",
                inference_model(case.network),
                case.parameters,
                case.buffers,
            )
            for spec, case in (
                (UNET, UNET.more_cases[0]),
                (SEQ2SEQ, SEQ2SEQ.more_cases[0]),
                (ROW_GRU, ROW_GRU.more_cases[0]),
            )
        ),
    ),
    shows="a frozen wrapper around any classifier",
    position=2000,
)
