"""What a spec is made of: configurations, settings and presets."""

from dataclasses import replace
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.specs import SPECS, Network, Preset, Settings


def test_plain_config_unfolds_nested_networks() -> None:
    assert SPECS["inference_model"].network.plain_config() == {
        "base_model": {"cls": "MNISTClassifier", "config": {}}
    }


def test_a_number_that_is_no_share_may_be_any_finite_one() -> None:
    def make(gate_bias: float = -2.0) -> Network:
        return Network("gated", "Gated", {"gate_bias": gate_bias}, {}, {})

    spec = replace(SPECS["basic_net"], make=make)
    assert spec.configured({"gate_bias": 1}).config == {"gate_bias": 1}
    assert spec.configured({"gate_bias": 10**400}).config == {"gate_bias": 10**400}
    for value in (float("nan"), float("inf"), "1", True):
        with pytest.raises(ConfigurationError, match=r"gate_bias must be a finite number, not "):
            spec.configured({"gate_bias": value})


def test_configured_changes_arguments_inputs_and_outputs() -> None:
    network = SPECS["mimo_net"].configured({"metadata_size": 4, "num_classes": 3})
    assert network.config == {"metadata_size": 4, "num_classes": 3}
    assert network.inputs["metadata"].shape == (4,)
    assert network.outputs["class_output"].shape == (3,)
    assert network.outputs["reg_output"].shape == (1,)
    # The spec is as it was.
    assert SPECS["mimo_net"].network.config == {"metadata_size": 10, "num_classes": 10}


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        (
            "branching_net",
            {"depth": 3},
            "BranchingNet has no 'depth' to set; it has width, num_classes",
        ),
        (
            "mnist_classifier",
            {"width": 3},
            "MNISTClassifier has no 'width' to set; it has no argument",
        ),
        (
            "inference_model",
            {"base_model": 1},
            "InferenceModel has no 'base_model' to set; it has base_model",
        ),
        ("branching_net", {"width": 0}, "width must be a whole number above 0, not 0"),
        ("branching_net", {"width": -3}, "width must be a whole number above 0, not -3"),
        ("branching_net", {"width": 2.0}, "width must be a whole number above 0, not 2.0"),
        ("branching_net", {"width": True}, "width must be a whole number above 0, not True"),
        ("branching_net", {"width": "8"}, "width must be a whole number above 0, not '8'"),
        ("basic_net", {"dropout_rate": 1.0}, "dropout_rate must be in [0, 1), not 1.0"),
        ("basic_net", {"dropout_rate": -0.1}, "dropout_rate must be in [0, 1), not -0.1"),
        ("basic_net", {"dropout_rate": "x"}, "dropout_rate must be in [0, 1), not 'x'"),
        (
            "basic_net",
            {"dropout_rate": float("nan")},
            "dropout_rate must be in [0, 1), not nan",
        ),
    ],
)
def test_configured_refuses(name: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SPECS[name].configured(config)
    # InferenceModel's own argument is no number: the sentence does not say that it can be set.
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"epochs": 1.5}, "epochs must be a whole number of at least 1, not 1.5"),
        ({"batch_size": -1}, "batch_size must be a whole number of at least 1, not -1"),
        ({"optimizer": "lion"}, "optimizer must be adam, adamw or sgd, not 'lion'"),
        ({"decay_steps": 0}, "decay_steps must be a whole number of at least 1, not 0"),
        ({"warmup_steps": 0}, "warmup_steps must be a whole number of at least 1, not 0"),
        ({"warmup_steps": 2.5}, "warmup_steps must be a whole number of at least 1, not 2.5"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0, not 0.0"),
        ({"epsilon": -1.0}, "epsilon must be above 0, not -1.0"),
        ({"nesterov": True}, "nesterov needs the optimizer sgd with a momentum above 0"),
        ({"weight_decay": 0.1}, "weight_decay is of the optimizer adamw, not of adam"),
        (
            {"optimizer": "adamw", "weight_decay": -1.0},
            "weight_decay must be at least 0, not -1.0",
        ),
        ({"learning_rate": 0}, "learning_rate must be above 0, not 0"),
        ({"learning_rate": -1e-3}, "learning_rate must be above 0, not -0.001"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be above 0, not inf"),
        ({"momentum": 1}, "momentum must be in [0, 1), not 1"),
        ({"momentum": -0.5}, "momentum must be in [0, 1), not -0.5"),
        ({"momentum": float("nan")}, "momentum must be in [0, 1), not nan"),
    ],
)
def test_settings_refuse(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**change)
    assert str(caught.value) == message


def test_a_presets_schedule_is_as_long_as_the_training() -> None:
    preset = Preset("for a test", Settings(epochs=2, batch_size=32, learning_rate=0.5), warmup=0.25)
    expected = replace(preset.settings, warmup_steps=16, decay_steps=46)
    assert preset.scheduled(preset.settings, 1000) == expected
    changed = replace(preset.settings, epochs=1, batch_size=500, optimizer="sgd")
    assert preset.scheduled(changed, 1000) == replace(changed, decay_steps=2)
    # A batch that is too large is refused by its own sentence, later.
    assert preset.scheduled(preset.settings, 31).decay_steps == 1


def test_presets_are_found_by_name() -> None:
    fast = SPECS["mnist_classifier"].preset("fast")
    settings = fast.scheduled(fast.settings, 60_000)
    steps = settings.epochs * (60_000 // settings.batch_size)
    assert (settings.warmup_steps or 0) + (settings.decay_steps or 0) == steps
    with pytest.raises(ConfigurationError) as caught:
        SPECS["unet"].preset("fast")
    assert str(caught.value) == "unet has no preset 'fast'; there is one of mnist_classifier alone"
    with pytest.raises(ConfigurationError) as caught:
        SPECS["mnist_classifier"].preset("fats")
    assert str(caught.value) == "there is no preset 'fats'; there are fast: did you mean 'fast'?"


def test_settings_have_the_stated_defaults() -> None:
    assert Settings() == Settings(5, 64, "adam", 1e-3, 0.9)
    Settings(momentum=0, optimizer="sgd")
