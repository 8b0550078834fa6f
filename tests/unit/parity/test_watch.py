"""What is climbed after a change, and when."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shared import caches
from shared.errors import BackendMissingError
from shared.parity import sources, watch
from shared.parity.checks import Check, Outcome
from shared.parity.kept import Question
from shared.parity.watch import Stage, Watch, stages, unreadable, verdict
from shared.specs import SPECS

QUESTION = Question(("float64", "float32"), "cpu", "highest", trainings=True, variants=True)
FIRST = "passes in float64"
ALL = "all that is asked"
ONE = replace(SPECS["basic_net"], more_cases=())
"""A spec with one case."""


def told(every: Sequence[Stage]) -> list[tuple[str, Question, list[str]]]:
    """Stages by the labels of their cases."""
    return [
        (stage.name, stage.question, [case.label for _, case in stage.cases]) for stage in every
    ]


def test_the_smallest_networks_come_first_and_what_passes_through_all_next() -> None:
    spec = SPECS["simple_resnet"]
    passes = replace(QUESTION, dtypes=("float64",), trainings=False, variants=False)
    labels = [case.label for case in spec.cases]
    smallest = "4x196 image, 1 block, 6 classes"
    assert told(stages([spec], QUESTION)) == [
        (f"the smallest network's {FIRST}", passes, [smallest]),
        (FIRST, passes, labels),
        (ALL, QUESTION, labels),
    ]
    every = stages([spec, SPECS["basic_net"], spec], replace(QUESTION, dtypes=("float32",)))
    assert [stage.name for stage in every][:2] == [
        "the smallest networks' passes in float32",
        "passes in float32",
    ]
    assert [case.label for _, case in every[0].cases] == [smallest, "6x5 image, 3 channels"]
    assert told(stages([spec], passes)) == [
        (f"the smallest network's {FIRST}", passes, [smallest]),
        (ALL, passes, labels),
    ]


def test_a_network_with_one_case_has_no_smaller_one() -> None:
    assert [stage.name for stage in stages([ONE], QUESTION)] == [FIRST, ALL]


def outcome(*statuses: str) -> Outcome:
    checks = [Check("forward", "net", "case", "float64", "a-b", s) for s in statuses]  # type: ignore[arg-type]
    return Outcome(checks)


def test_a_verdict_is_a_few_words() -> None:
    assert verdict(outcome("passed", "passed")) == "2 checks, 2 passed"
    assert verdict(outcome("failed", "missing", "bounded")) == (
        "3 checks, 0 passed, 1 bounded by a stated cause, 1 failed, 1 missing"
    )


@pytest.fixture
def panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are those of PyTorch's panel; no others are watched."""
    (tmp_path / "mlp.py").write_text("a = 1\n")

    def files(package: str) -> dict[str, Path]:
        paths = sorted(tmp_path.iterdir()) if package == "torch_impl" else []
        return {f"{package}/{path.name}": path for path in paths}

    monkeypatch.setattr(sources, "files", files)
    monkeypatch.setattr(watch, "PAUSE", 0.01)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1", ""),
        ("def (:\n", "torch_impl/mlp.py:1: invalid syntax"),
        ("a = 1\nb = (", "torch_impl/mlp.py:2: '(' was never closed"),
        ("if True:\na = 1", "torch_impl/mlp.py:2: expected an indented block"),
    ],
)
def test_a_syntax_error_is_one_line(text: str, problem: str, panel: Path) -> None:
    (panel / "mlp.py").write_text(text)
    actual = unreadable("torch_impl/mlp.py")
    assert actual.startswith(problem)
    assert bool(actual) == bool(problem)
    assert "\n" not in actual


def test_what_is_no_python_or_has_gone_is_no_error(panel: Path) -> None:
    (panel / "data.bin").write_bytes(b"\0(")
    assert unreadable("torch_impl/data.bin") == ""
    assert unreadable("torch_impl/gone.py") == ""


class StopError(Exception):
    """The end of a watch that would go on."""


def watched(
    panel: Path, monkeypatch: pytest.MonkeyPatch, *actions: Callable[[], object]
) -> list[str]:
    """What is told while files change; each climb does the next thing to them."""
    del panel
    told: list[str] = []
    left = list(actions)

    def climbing(
        climbed: Outcome, *_: object, report: Callable[[str], None], **options: object
    ) -> Iterator[None]:
        told.append("climbs with trainings" if options["trainings"] else "climbs")
        action = left.pop(0) if left else lambda: (_ for _ in ()).throw(StopError)
        failing = action()
        report("a case")
        climbed.checks += outcome("failed" if failing == "fail" else "passed").checks
        yield

    monkeypatch.setattr(watch.ladder, "climbing", climbing)
    monkeypatch.setattr(watch.registry, "usable", lambda _: ([], {}))
    with pytest.raises(StopError):
        Watch([ONE], QUESTION, (), told.append, lambda _: None).run()
    return told


def nothing() -> None:
    """Leave the files as they are."""


def test_a_file_that_is_saved_meanwhile_begins_anew(
    panel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = watched(
        panel, monkeypatch, nothing, lambda: (panel / "mlp.py").write_text("a = 22\n"), nothing
    )
    rows = [line.partition(", in")[0] for line in told]
    assert rows == [
        "climbs",
        f"{FIRST}: 1 checks, 1 passed",
        "climbs with trainings",
        "torch_impl/mlp.py changed",
        "climbs",
        f"{FIRST}: 1 checks, 1 passed",
        "climbs with trainings",
    ]


def test_what_fails_is_not_climbed_further(panel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    looks = watch.look

    def look() -> watch.Seen:
        seen.append(panel)
        if len(seen) == 5:  # while it waits
            (panel / "mlp.py").write_text("a = (\n")
        if len(seen) == 15:
            (panel / "mlp.py").write_text("a = 333\n")
        return looks()

    monkeypatch.setattr(watch, "look", look)
    told = watched(panel, monkeypatch, lambda: "fail")
    rows = [line.partition(", in")[0] for line in told]
    assert rows == [
        "climbs",
        f"{FIRST}: 1 checks, 0 passed, 1 failed",
        "torch_impl/mlp.py:1: '(' was never closed",
        "torch_impl/mlp.py changed",
        "climbs",
    ]


def test_what_was_saved_before_counts_until_all_of_it_can_be_read(
    panel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`shared` is imported by this process: a panel's mistake must not make one forget it."""
    (panel / "shared.py").write_text("b = 1\n")

    def files(package: str) -> dict[str, Path]:
        names = {"torch_impl": "mlp.py", "shared": "shared.py"}
        return {f"{package}/{names[package]}": panel / names[package]} if package in names else {}

    monkeypatch.setattr(sources, "files", files)
    problems = [["ImportError: shared is half saved"], []]
    monkeypatch.setattr(watch, "unimportable", lambda: problems.pop(0))
    texts = ["a = (\n", "a = 2\n"]

    def sleep(seconds: float) -> None:
        if seconds == watch.PAUSE:  # it waits
            (panel / "mlp.py").write_text(texts.pop(0))

    monkeypatch.setattr(watch.time, "sleep", sleep)

    def execute(*_: object) -> None:
        raise StopError

    monkeypatch.setattr(os, "execv", execute)
    told = watched(
        panel, monkeypatch, lambda: (panel / "shared.py").write_text("b = 2\n") and "fail"
    )
    assert [line for line in told if line[:2] not in ("cl", "pa")] == [
        "ImportError: shared is half saved",
        "torch_impl/mlp.py:1: '(' was never closed",
        "shared/shared.py, torch_impl/mlp.py changed: starting again",
    ]


def test_a_command_that_cannot_start_again_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch.unimportable() == []
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text("import no_such_package\n")
    monkeypatch.chdir(tmp_path)  # which comes first on the path
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert watch.unimportable() == ["ModuleNotFoundError: No module named 'no_such_package'"]


def test_a_round_that_cannot_be_climbed_is_told_and_the_next_one_waited_for(
    panel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose() -> None:
        raise BackendMissingError("the torch backend needs torch, which is not installed")

    def sleep(_: float) -> None:
        (panel / "mlp.py").write_text("a = 22\n")

    monkeypatch.setattr(watch.time, "sleep", sleep)
    told = watched(panel, monkeypatch, lose)
    assert told == [
        "climbs",
        "the torch backend needs torch, which is not installed",
        "torch_impl/mlp.py changed",
        "climbs",
    ]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_whatever_ends_a_watch_leaves_nothing_behind(
    name: str, panel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(caches.EVIDENCE, "off")
    number, folders = getattr(signal, name), []
    before = signal.getsignal(number)

    def end() -> None:
        folders.append(caches.evidence_directory())
        os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        watched(panel, monkeypatch, end)
    assert folders[0] is not None
    assert not folders[0].exists()
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("cache", ["off", "on"])
def test_what_is_installed_meanwhile_has_the_command_start_again(
    cache: str, tmp_path: Path, panel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers have the library that was there before."""
    monkeypatch.setenv(caches.EVIDENCE, "off" if cache == "off" else str(tmp_path / "kept"))
    monkeypatch.setattr(watch.tempfile, "tempdir", str(tmp_path))
    libraries = [["/packages/torch-2.15.0.dist-info 1"], ["/packages/torch-2.15.1.dist-info 2"]]
    monkeypatch.setattr(watch.kept, "installed", lambda: libraries[0])

    def execute(program: str, words: list[str]) -> None:
        assert words[0] == program
        assert not [*tmp_path.glob("tmp*")]  # nothing is left behind
        raise StopError

    monkeypatch.setattr(os, "execv", execute)
    told = watched(panel, monkeypatch, nothing, lambda: libraries.pop(0))
    assert told[-1] == (
        "installed: torch-2.15.0.dist-info, installed: torch-2.15.1.dist-info changed: "
        "starting again"
    )


def test_without_a_cache_evidence_is_kept_as_long_as_the_watch_runs(
    panel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(caches.EVIDENCE, "off")
    folders: list[Path | None] = []
    watched(panel, monkeypatch, lambda: folders.append(caches.evidence_directory()))
    assert folders[0] is not None
    assert not folders[0].exists()
    assert os.environ[caches.EVIDENCE] == "off"
