"""The record of conventions: what it holds, drift from it, and what is printed of it."""

import re
from copy import deepcopy
from pathlib import Path

import pytest

from shared.conventions import table
from shared.conventions.table import MEANINGS, NOT_MEASURED, RECORDED, Conventions
from shared.errors import DataError
from shared.panels import PANELS, source
from tests.printed import shown

ROOT = Path(table.__file__).parents[2]
KEYS = [key for group in MEANINGS.values() for key in group]
PLAIN = "initial."  # the laws of new weights, which are found from arrays


@pytest.fixture
def recorded() -> Conventions:
    return table.read()


# What is recorded


def test_the_record_has_all_backends_with_the_pinned_versions(recorded: Conventions) -> None:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pinned = dict(line.partition(" ")[0].split("==") for line in lines if "==" in line)
    assert list(recorded.versions) == list(PANELS)
    for versions in recorded.versions.values():
        for name, version in versions.items():
            assert version.partition("+")[0] == pinned[name]
    assert list(recorded.rows) == KEYS
    assert {tuple(values) for values in recorded.rows.values()} == {tuple(PANELS)}


@pytest.mark.parametrize("backend", PANELS)
def test_the_panels_measure_the_same_in_the_same_order(backend: str) -> None:
    text = source(backend, "conventions/defaults").read_text("utf-8")
    keys = re.findall(r'^        "([a-z0-9_]+\.[a-z0-9_-]+)": ', text, re.MULTILINE)
    expected = [key for key in KEYS if not key.startswith(PLAIN)]
    assert [key for key in keys if not key.startswith(PLAIN)] == expected
    assert [key for key in keys if key.startswith(PLAIN)] == KEYS[len(expected) :]


@pytest.mark.parametrize(
    ("key", "torch", "flax", "keras"),
    [
        ("batch_norm.momentum", "0.1, the weight of the new", *2 * ["0.99, the weight of the old"]),
        ("batch_norm.running_variance", "unbiased, over n - 1", *2 * ["biased, over n"]),
        ("conv.same_stride_2", "refused", *2 * ["0 before, 1 after"]),
        ("conv_transpose.flipped", "no", "yes", "no"),
        ("pool.stride", "the window", "1", "the window"),
        ("abs.gradient_at_0", "0", "1", "0"),
        ("lstm.gates", "i, f, g, o", "named hf, hg, hi, ho, if, ig, ii, io", "i, f, g, o"),
        ("gru.gates", "r, z, n", "named hn, hr, hz, in, ir, iz", "z, r, n"),
        ("gru.parameters", "108", "100", "108"),
        ("attention.layer_true", "masked", "attended", "attended"),
        ("adam.epsilon_at_step_1", "1 times", "1 times", "31.6 times"),
        ("sgd.weight_decay", "L2", "none", "decoupled"),
        ("clipping.added_to_norm", "1e-06", "0", "0"),
        ("count.batch_norm", *2 * ["10 of 5 channels"], "20 of 5 channels"),
        ("max_pool.tie_gradient", *3 * ["0, 1, 0, 0"]),
    ],
)
def test_the_record_is_what_is_known(
    recorded: Conventions, key: str, torch: str, flax: str, keras: str
) -> None:
    assert recorded.rows[key] == {"torch": torch, "flax": flax, "keras": keras}


# Drift


def test_a_change_is_found_and_named(recorded: Conventions) -> None:
    now = deepcopy(recorded)
    now.versions["keras"] = {"keras": "3.16.0", "tensorflow": "2.22.0"}
    now.rows["batch_norm.epsilon"]["keras"] = "0.01"
    (change,) = table.changed(now, recorded)
    assert (change.key, change.backend) == ("batch_norm.epsilon", "keras")
    assert str(change) == (
        "batch_norm.epsilon of keras was 0.001 with keras 3.15.1, tensorflow 2.21.0 "
        "and is 0.01 with keras 3.16.0, tensorflow 2.22.0"
    )


def test_new_versions_alone_are_no_change(recorded: Conventions) -> None:
    now = deepcopy(recorded)
    now.versions = {name: dict.fromkeys(each, "99") for name, each in now.versions.items()}
    assert table.changed(now, recorded) == []


def test_rows_that_came_or_went_are_changes(recorded: Conventions) -> None:
    now = deepcopy(recorded)
    now.rows["sigmoid.slope"] = {"torch": "1"}
    del now.rows["std.divisor"]["flax"]
    del now.rows["pool.stride"]
    *gone, new, left = sorted(map(str, table.changed(now, recorded)))
    assert [text.partition(" was ")[0] for text in gone] == [
        f"pool.stride of {name}" for name in sorted(PANELS)
    ]
    assert new.startswith("sigmoid.slope of torch was not recorded with torch 2.15.0")
    assert "and is 1 with torch" in new
    assert left.startswith("std.divisor of flax was n with jax 0.10.2")
    assert "and is no longer measured with jax" in left


def test_what_cannot_be_asked_is_no_change(recorded: Conventions) -> None:
    now = deepcopy(recorded)
    now.rows["abs.gradient_at_0"]["keras"] = NOT_MEASURED
    del now.versions["torch"]
    for values in now.rows.values():
        del values["torch"]
    assert table.changed(now, recorded) == []
    assert table.changed(recorded, now) == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        '{"versions": {}}',
        '{"versions": {}, "rows": ["std.divisor"]}',
        '{"versions": {}, "rows": {"std.divisor": {"torch": 1}}}',
    ],
)
def test_what_is_no_record_is_refused(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"table\.json is no table of conventions, which `trip"):
        table.read(path)


# What is printed


def test_the_table_has_what_differs(recorded: Conventions) -> None:
    text = shown(table.show, recorded)
    differing = {key for key in KEYS if recorded.differs(key)}
    assert 0 < len(differing) < len(KEYS)
    assert {key for key in KEYS if f" {key} " in text} == differing
    assert f"in {len(KEYS) - len(differing)} more the libraries agree" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_table_can_have_everything(recorded: Conventions) -> None:
    text = shown(table.show, recorded, True)
    assert all(f" {key} " in text for key in KEYS)
    assert all(heading in text for heading in MEANINGS)
    assert "agree" not in text
    row = next(line for line in text.splitlines() if " conv_transpose.flipped " in line)
    assert row.replace("│", "").split() == ["conv_transpose.flipped", "no", "yes", "no"]


def test_one_backend_alone_shows_all_that_it_has(recorded: Conventions) -> None:
    versions = {"flax": recorded.versions["flax"]}
    rows = {key: {"flax": values["flax"]} for key, values in recorded.rows.items()}
    text = shown(table.show, Conventions(versions, rows))
    assert all(f" {key} " in text for key in KEYS)


def test_changes_are_marked_and_said(recorded: Conventions) -> None:
    now = deepcopy(recorded)
    now.rows["relu.gradient_at_0"] = dict.fromkeys(PANELS, "0.5")
    assert not now.differs("relu.gradient_at_0")
    changes = table.changed(now, recorded)
    text = shown(table.show, now, False, changes)
    assert text.count("* 0.5") == 3
    assert text.count("* relu.gradient_at_0 of ") == 3
    coloured = shown(table.show, now, False, changes, terminal=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", coloured)


def test_the_table_becomes_json(recorded: Conventions) -> None:
    value = recorded.to_dict()
    assert list(value["rows"]) == KEYS
    assert value["rows"]["std.divisor"] == {
        "meaning": "what the standard deviation divides by",
        "differs": True,
        "values": {"torch": "n - 1", "flax": "n", "keras": "n"},
    }
    assert value["versions"]["keras"]["keras"] == "3.15.1"


def test_rows_are_alike_where_one_was_not_asked(recorded: Conventions) -> None:
    now = deepcopy(recorded)
    now.rows["relu.gradient_at_0"]["keras"] = NOT_MEASURED
    assert not now.differs("relu.gradient_at_0")


def test_the_record_comes_with_the_package() -> None:
    assert RECORDED.parent == Path(table.__file__).parent
    assert RECORDED.exists()
