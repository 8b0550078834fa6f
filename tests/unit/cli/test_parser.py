"""Every verb's options, by their names of today and of before."""

import argparse
from collections import Counter
from dataclasses import fields, is_dataclass

import pytest

from shared.cli import options, parser
from shared.cli.arguments import options_of
from tests.printed import refused
from tests.sources import fresh
from tests.unit.cli.conftest import Triptych

MAY_BE_IMPORTED = {
    "choosing",
    "cli",
    "errors",
    "panels",
    "registry",
    "specs",
    "strict",
    "writing",
}
SHARED = {
    kind
    for kind in vars(options).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == options.__name__
}


def parsed(*arguments: str) -> argparse.Namespace:
    return parser.make_parser().parse_args(arguments)


def test_options_are_shared_by_two_verbs_at_least() -> None:
    uses = Counter(kind for verb in parser.VERBS.values() for kind in options_of(verb).values())
    assert len(SHARED) > 5
    assert not {kind.__name__ for kind in SHARED if uses[kind] < 2}


@pytest.mark.parametrize("verb", parser.VERBS)
def test_no_two_options_of_a_verb_have_one_name(verb: str) -> None:
    kinds = options_of(parser.VERBS[verb]).values()
    names = Counter(each.name for kind in kinds for each in fields(kind))
    assert names.total() == len(names) > 0


@pytest.mark.parametrize(
    ("verb", "old_name", "new_name"),
    [
        ("compare mimo_net", "--way", "--variant"),
        ("train mimo_net --backend torch", "--way", "--variant"),
        ("predict weights digit.png", "--way", "--variant"),
        ("bench", "--ways", "--variants"),
        ("bench", "--readme", "--markdown"),
    ],
)
def test_old_names_still_work_and_are_not_shown(
    verb: str, old_name: str, new_name: str, triptych: Triptych
) -> None:
    words = verb.split()
    by_new_name = parsed(*words, new_name, "idiomatic")
    assert "idiomatic" in map(str, vars(by_new_name).values())
    assert parsed(*words, old_name, "idiomatic") == by_new_name
    assert parsed(*words) != by_new_name
    shown = triptych(words[0], "--help")[1].split()
    assert new_name in shown
    assert old_name not in shown


def test_a_variant_that_is_unknown_is_refused_by_its_new_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in (("compare", "--variant", "fast"), ("bench", "--ways", "fast")):
        sentence = refused(capsys, *arguments)
        assert "there is no variant 'fast'; there are idiomatic, tuned" in sentence


def test_help_names_every_verb_and_what_it_does(triptych: Triptych) -> None:
    shown = " ".join(triptych("--help")[1].split())
    for name, verb in parser.VERBS.items():
        assert verb.__doc__
        assert f"{name} {verb.__doc__.splitlines()[0]}" in shown


@pytest.mark.parametrize("verb", ["compare", "train"])
def test_help_says_what_a_training_is_without_options(verb: str, triptych: Triptych) -> None:
    shown = " ".join(triptych(verb, "--help")[1].split())
    for text in ("passes over the data", "examples in a batch", "adam, adamw or sgd", "rate"):
        assert f"{text} (default: the architecture's own)" in shown


def test_without_a_verb_the_overview_is_printed(triptych: Triptych) -> None:
    status, out, err = triptych()
    assert (status, err) == (0, "")
    assert out == triptych("--help")[1]
    assert out.startswith("usage: triptych VERB")


def test_every_verb_is_in_one_group_of_the_overview() -> None:
    assert [verb for verbs in parser.GROUPS.values() for verb in verbs] == [*parser.VERBS]


def test_the_overview_has_a_line_for_each_verb(triptych: Triptych) -> None:
    lines = triptych()[1].splitlines()
    assert max(map(len, lines)) <= 80
    for name, verb in parser.VERBS.items():
        first = (verb.__doc__ or "").splitlines()[0]
        assert f"    {name:<12} {first}" in lines


@pytest.mark.parametrize("columns", [60, 80, 100])
@pytest.mark.parametrize("arguments", [(), *((verb, "--help") for verb in parser.VERBS)])
def test_help_is_as_wide_as_the_terminal(
    arguments: tuple[str, ...],
    columns: int,
    triptych: Triptych,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = triptych(*arguments)[1].splitlines()
    longest = max(len(word) for line in lines for word in line.split())
    assert max(map(len, lines)) <= max(columns, longest + 24)


def test_importing_the_command_is_quick() -> None:
    lines = fresh("import sys, shared.cli\nprint(*sys.modules)").split()
    assert not {"numpy", "rich", "platformdirs"} & set(lines)
    rooms = {name.split(".")[1] for name in lines if name.startswith("shared.")}
    assert "cli" in rooms
    assert rooms <= MAY_BE_IMPORTED
