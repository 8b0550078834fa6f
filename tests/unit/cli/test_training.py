"""What `compare` and `train` ask for, made of their options."""

from dataclasses import replace
from typing import Any

import pytest

from shared import specs
from shared.cli import options, parser, training
from shared.cli.arguments import read_options
from shared.train.worker import Request


def request(*arguments: str) -> Request:
    """What `triptych train` with these arguments asks for."""
    words = ["train", *arguments, "--backend", "torch"]
    namespace = parser.make_parser().parse_args(words)
    kinds: tuple[Any, ...] = (
        options.TrainingOptions,
        options.DataDirectory,
        options.Device,
        options.Variant,
        options.Dtype,
    )
    shared = (read_options(kind, namespace) for kind in kinds)
    return training.request(specs.find(namespace.architecture), *shared)[0]


def test_without_options_the_settings_are_those_of_the_architecture() -> None:
    settings = specs.find("simple_resnet").settings
    assert request("simple_resnet") == Request("simple_resnet", "sample", None, settings, 0, "cpu")


def test_options_change_the_settings_of_the_architecture() -> None:
    asked_for = request(
        "unet", "--epochs", "3", "--batch-size", "10", "--optimizer", "sgd", "--momentum", "0.5",
        "--learning-rate", "0.25", "--no-dropout", "--seed", "7", "--variant", "idiomatic",
        "--dtype", "bfloat16", "--device", "cuda", "--data-dir", "somewhere",
    )  # fmt: skip
    settings = replace(
        specs.find("unet").settings,
        epochs=3,
        batch_size=10,
        optimizer="sgd",
        momentum=0.5,
        learning_rate=0.25,
        dropout=False,
    )
    assert asked_for == Request(
        "unet", "sample", "somewhere", settings, 7, "cuda", "idiomatic", "bfloat16"
    )


@pytest.mark.parametrize("changes", [(), ("--epochs", "1", "--batch-size", "400")])
def test_options_change_a_preset_and_its_schedule(changes: tuple[str, ...]) -> None:
    preset = specs.find("mnist_classifier").preset("fast")
    settings = request("mnist_classifier", "--preset", "fast", *changes).settings
    changed = replace(preset.settings, epochs=1, batch_size=400) if changes else preset.settings
    assert settings == preset.scheduled(changed, 4000)
