"""What the README states is so."""

import re

import numpy as np

from shared import specs
from tests.readme import BLOCKS, COMMANDS, ROOT, TEXT


def test_the_two_commands_come_first_and_are_in_the_makefile() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    for command in COMMANDS[:2]:
        assert f"\n{command.split()[1]}: " in makefile


def test_the_table_of_architectures_is_that_of_the_specs() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (`\w+\.py`.*?) \| (.*?) \| .* \| (.*?) \|$", TEXT, re.MULTILINE
    )
    assert [row[0] for row in rows] == list(specs.SPECS)
    for name, files, classes, parameters in rows:
        spec = specs.find(name)
        assert re.findall(r"`(\w+)\.py`", files) == list(spec.files)
        # A cell is reached through its network: no case builds it alone.
        built = {case.network.cls for case in spec.cases}
        assert built <= {*re.findall(r"`(\w+)`", classes)} <= built | {"GRUCell"}
        assert parameters in (f"{spec.parameters:,}", "its base's")


def test_the_table_of_scores_has_every_network_that_is_trained() -> None:
    rows = re.findall(
        r"^\| `triptych compare (\w+)(.*?)` \| (.*?) \| (.*?) % \| (.*?) % \| (.*?) % \|$",
        TEXT,
        re.MULTILINE,
    )
    trained = {spec.name: spec.require_task() for spec in specs.SPECS.values() if spec.task}
    assert [row[0] for row in rows] == list(trained)
    least = {"basic_net": 93, "skip_mlp": 96, "unet": 80, "seq2seq": 90, "mnist_classifier": 96}
    for name, options, score, *reached in rows:
        assert score == specs.METRICS[trained[name].metrics[0]].removeprefix("test ")
        assert ("--data mnist" in options) is (name in ("unet", "seq2seq"))
        assert all(least.get(name, 85) <= float(value) <= 100 for value in reached)


def test_the_output_shown_has_what_compare_prints() -> None:
    shown = next(text for kind, text in BLOCKS if kind == "text")
    for title in ("parameters", "first forward pass", "test accuracy", "images/s", "peak memory"):
        assert title in shown
    accuracies = [float(value) for value in re.findall(r"(\d+\.\d+) %", shown)]
    assert len(accuracies) == 3
    assert np.min(accuracies) >= 96
