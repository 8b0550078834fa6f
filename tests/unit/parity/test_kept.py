"""Evidence that is kept: read where all is as it was, made anew where anything is another."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import shared
from shared import caches, machine
from shared.interface import TensorInfo
from shared.parity import collect, kept, sources
from shared.parity.checks import Check, Outcome
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.kept import Kept, Question
from shared.parity.ladder import _Climb
from shared.parity.locate import Divergence
from shared.specs import SPECS

SPEC = SPECS["basic_net"]
CASE = SPEC.cases[0]
QUESTION = Question(("float64",), "cpu", "highest", trainings=False, variants=True)
VERSIONS = {"torch": "2.15"}
CHECKS = [
    Check("counts", "basic_net", "default", "float64", "torch", "passed", detail="three"),
    Check(
        "forward",
        "basic_net",
        "default",
        "float64",
        "torch-flax",
        "failed",
        difference=0.1 + 0.2,
        tolerance=1e-12,
        first=Divergence("forward", "evaluation", "fc1", "output of fc1", 0.25, "gelu", "tanh"),
    ),
]


def some_evidence() -> CaseEvidence:
    one = np.arange(6.0).reshape(2, 3)
    return CaseEvidence(
        "torch",
        CASE.label,
        {"float64": [TensorInfo("fc1.weight", (2, 3), "float64", "parameter")]},
        {"float64": {"forward/1/logits": one, "evaluation/fc1:in": one, "loss/value": one.sum()}},
        Asked(methods=("float64",)),
        {"dropout": 0.25},
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(caches.EVIDENCE, str(tmp_path / "kept"))
    return tmp_path / "kept"


def opened(question: Question = QUESTION) -> Kept:
    existing = kept.opened(question)
    assert existing
    return existing


def key(backend: str = "torch", question: Question = QUESTION) -> str:
    return opened(question).key(backend, SPEC, CASE)


def test_evidence_is_read_as_it_was_written() -> None:
    first = opened()
    assert first.read(key()) is None
    first.write(key(), SPEC, some_evidence(), VERSIONS)
    later = opened()
    read = later.read(key())
    assert read
    evidence, versions = read
    assert versions == VERSIONS
    assert later.used == 1
    expected = some_evidence()
    assert replace(evidence, arrays={}) == replace(expected, arrays={})
    arrays = evidence.arrays["float64"]
    assert [*arrays] == [*expected.arrays["float64"]]
    for name, array in expected.arrays["float64"].items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_checks_are_read_as_they_were_written() -> None:
    keys = {name: key(name) for name in ("torch", "flax")}
    versions = {"torch": VERSIONS, "flax": {"jax": "0.10"}, "keras": {"keras": "3"}}
    assert opened().checks(keys) is None
    opened().write_checks(keys, CHECKS, versions)
    later = opened()
    assert later.checks(keys) == (CHECKS, {name: versions[name] for name in keys})
    assert later.used == 2
    assert opened().checks({"torch": keys["torch"]}) is None
    assert opened().checks(dict(reversed(keys.items()))) is None


def edited(original: Callable[[str], dict[str, Path]], name: str, copy: Path) -> None:
    """A copy of a file of the project, with one character more."""
    copy.write_bytes(original(name.partition("/")[0])[name].read_bytes() + b"\n")


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("torch_impl/mlp.py", ["torch"]),
        ("torch_impl/engine/weights.py", ["torch"]),
        ("torch_impl/training.py", ["torch"]),
        ("flax_impl/training.py", ["flax"]),
        ("keras_impl/engine/computing.py", ["keras"]),
        ("shared/parity/recipes.py", ["torch", "flax", "keras"]),
        ("shared/parity/collect/trainers.py", ["torch", "flax", "keras"]),
        ("shared/specs/tasks.py", ["torch", "flax", "keras"]),
        ("shared/differences.py", ["torch", "flax", "keras"]),
    ],
)
def test_a_source_that_changes_has_evidence_made_anew(
    name: str, of: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {backend: key(backend) for backend in ("torch", "flax", "keras")}
    original, copy = sources.files, tmp_path / "copy"
    edited(original, name, copy)
    monkeypatch.setattr(
        sources,
        "files",
        lambda package: original(package) | dict.fromkeys(_own(name, package), copy),
    )
    changed = [backend for backend, old in before.items() if key(backend) != old]
    assert changed == of


def _own(name: str, package: str) -> list[str]:
    return [name] if name.startswith(f"{package}/") else []


@pytest.mark.parametrize(
    "change",
    [
        {"dtypes": ("float64", "float32")},
        {"precision": "default"},
        {"trainings": True},
        {"variants": False},
    ],
)
def test_another_question_has_evidence_of_its_own(change: dict[str, object]) -> None:
    assert key(question=replace(QUESTION, **change)) != key()  # type: ignore[arg-type]


def test_another_case_has_evidence_of_its_own() -> None:
    one = opened()
    keys = {one.key("torch", spec, case) for spec in SPECS.values() for case in spec.cases}
    assert len(keys) == sum(len(spec.cases) for spec in SPECS.values())


def test_the_environment_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setenv("PWD", "/elsewhere")
    monkeypatch.setenv("COLUMNS", "123")
    assert key() == before
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    with_flags = key()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delenv("XLA_FLAGS")
    assert len({before, with_flags, key()}) == 3


def test_what_is_installed_is_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    (packages / "torch-2.15.0.dist-info").mkdir(parents=True)
    path = [*sys.path, str(packages)]

    monkeypatch.setattr(sys, "path", path)
    keys = [key()]
    (packages / "torch-2.15.0.dist-info").rename(packages / "torch-2.15.1.dist-info")
    keys.append(key())
    os.utime(packages / "torch-2.15.1.dist-info", (1, 1))  # the same version, installed again
    keys.append(key())
    assert len({*keys}) == 3


def test_the_machine_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(machine, "processor_lines", lambda *_: ["flags: avx2"])
    another = key()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4}, raising=False)
    assert len({before, another, key()}) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("warnoptions", ["error"]), ("_xoptions", {"utf8": "0"}), ("flags", (1, 0))],
)
def test_how_python_was_started_is_part_of_the_key(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key()
    monkeypatch.setattr(sys, name, value)
    after = key()
    monkeypatch.undo()
    assert after != before


def test_what_keras_reads_from_the_home_is_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    before = key()
    (tmp_path / "keras.json").write_text('{"floatx": "float16"}')
    assert key() != before


@pytest.mark.parametrize("files", [[], ["/home/somebody/helper.py"]])
def test_what_was_made_with_files_from_elsewhere_is_not_kept(
    files: list[str], folder: Path
) -> None:
    """Nobody would notice that such a file has changed."""
    outcome = Outcome(versions={"torch": VERSIONS})
    crew = SimpleNamespace(
        backends=["torch"], wait=lambda *_: ({"torch": (some_evidence(), files)}, {})
    )
    plan = collect.Plan(CASE, (), "cpu")
    one = opened()
    keys = {"torch": one.key("torch", SPEC, CASE)}
    _Climb(SPEC, plan, crew, one, keys).finish(outcome, lambda _: None)  # type: ignore[arg-type]
    assert folder.exists() is not bool(files)


def test_a_gpu_that_cannot_be_told_from_others_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = replace(QUESTION, device="cuda")
    monkeypatch.setattr(kept, "GPUS", tmp_path / "none")
    assert kept.opened(question) is None
    known = tmp_path / "nvidia" / "gpus" / "0000:00"
    known.mkdir(parents=True)
    monkeypatch.setattr(kept, "GPUS", tmp_path / "nvidia")
    (known / "information").write_text("Model: H100")
    first = key(question=question)
    (known / "information").write_text("Model: H200")
    assert key(question=question) != first


def test_off_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(caches.EVIDENCE, "off")
    assert kept.opened(QUESTION) is None


@pytest.mark.parametrize("harm", ["truncated", "changed", "empty", "another"])
def test_damaged_evidence_is_made_anew(harm: str, folder: Path) -> None:
    opened().write(key(), SPEC, some_evidence(), VERSIONS)
    opened().write_checks({"torch": key()}, CHECKS, {"torch": VERSIONS})
    for path in folder.iterdir():
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(
            {
                "truncated": whole[:middle],
                "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
                "empty": b"",
                "another": b'{"checks": [], "versions": {}, "sum": ""}',
            }[harm]
        )
    assert opened().read(key()) is None
    assert opened().checks({"torch": key()}) is None
    assert not [*folder.iterdir()]


def test_what_was_made_by_sources_that_changed_meanwhile_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    begun = opened()
    original, copy = sources.files, tmp_path / "copy"
    edited(original, "torch_impl/mlp.py", copy)
    monkeypatch.setattr(
        sources,
        "files",
        lambda package: original(package) | dict.fromkeys(_own("torch_impl/mlp.py", package), copy),
    )
    keys = {"torch": begun.key("torch", SPEC, CASE)}
    begun.keep(keys, SPEC, {"torch": some_evidence()}, CHECKS, {"torch": VERSIONS})
    assert not folder.exists()


def test_what_was_made_while_a_source_changed_and_changed_back_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """The backend may have imported what was there for a moment."""
    original, copy = sources.files, tmp_path / "copy"
    copy.write_bytes(original("torch_impl")["torch_impl/mlp.py"].read_bytes())
    monkeypatch.setattr(
        sources,
        "files",
        lambda package: original(package) | dict.fromkeys(_own("torch_impl/mlp.py", package), copy),
    )
    begun = opened()
    before, text = copy.stat(), copy.read_bytes()
    copy.write_bytes(b"# something else\n")
    copy.write_bytes(text)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))  # as some editors and tools do
    keys = {"torch": begun.key("torch", SPEC, CASE)}
    assert keys == {"torch": key()}
    begun.keep(keys, SPEC, {"torch": some_evidence()}, CHECKS, {"torch": VERSIONS})
    assert not folder.exists()


def test_a_process_that_is_older_than_what_it_shares_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """It has imported what was there before, and would keep that under the key of what is."""
    begun = opened()
    keys = {"torch": begun.key("torch", SPEC, CASE)}
    newest = max(path.stat().st_ctime for path in sources.files("shared").values())
    with monkeypatch.context() as patch:
        patch.setattr(shared, "STARTED", newest - 1)
        begun.keep(keys, SPEC, {"torch": some_evidence()}, CHECKS, {"torch": VERSIONS})
    assert not folder.exists()
    monkeypatch.setattr(shared, "STARTED", newest + 1)
    begun.keep(keys, SPEC, {"torch": some_evidence()}, CHECKS, {"torch": VERSIONS})
    assert folder.exists()


def test_evidence_under_the_name_of_other_evidence_is_made_anew(folder: Path) -> None:
    opened().write(key(), SPEC, some_evidence(), VERSIONS)
    (folder / f"{key()}.safetensors").rename(folder / f"{key('flax')}.safetensors")
    assert opened().read(key("flax")) is None
    assert not [*folder.iterdir()]


def test_a_cache_that_can_only_be_read_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    opened().write(key(), SPEC, some_evidence(), VERSIONS)
    opened().write_checks({"torch": key()}, CHECKS, {"torch": VERSIONS})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert opened().read(key())
    assert opened().checks({"torch": key()})


def test_what_some_backends_gave_is_kept_without_checks() -> None:
    begun = opened()
    keys = {name: begun.key(name, SPEC, CASE) for name in ("torch", "flax")}
    begun.keep(keys, SPEC, {"torch": some_evidence()}, [], {"torch": VERSIONS})
    assert opened().read(keys["torch"])
    assert opened().checks(keys) is None


def test_what_was_used_longest_ago_goes_first(folder: Path) -> None:
    cases = [(spec, case) for spec in SPECS.values() for case in spec.cases][:4]
    keys = []
    for age, (spec, case) in enumerate(cases):
        one = opened()
        keys.append(one.key("torch", spec, case))
        one.write(keys[-1], spec, some_evidence(), VERSIONS)
        os.utime(folder / f"{keys[-1]}.safetensors", (age, age))
    assert opened().read(keys[0])  # it is used, and is the newest now
    caches.prune(2 * max(path.stat().st_size for path in folder.iterdir()))
    assert [one.read(each) is not None for one, each in zip([opened()] * 4, keys, strict=True)] == [
        True,
        False,
        False,
        True,
    ]


def test_checks_go_last(folder: Path) -> None:
    """They are small, and spare a whole case where nothing changed."""
    one = opened()
    one.write_checks({"torch": key()}, CHECKS, {"torch": VERSIONS})
    for path in folder.iterdir():
        os.utime(path, (1, 1))  # they were used longest ago
    one.write(key(), SPEC, some_evidence(), VERSIONS)
    caches.prune(sum(path.stat().st_size for path in folder.iterdir()) - 1)
    assert [path.suffix for path in folder.iterdir()] == [".json"]


def test_evidence_that_would_drive_out_all_other_is_not_kept(folder: Path) -> None:
    one = opened()
    one.limit = 64
    one.write(key(), SPEC, some_evidence(), VERSIONS)
    assert not folder.exists() or not [*folder.iterdir()]


def test_a_folder_that_cannot_be_written_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(caches.EVIDENCE, str(tmp_path / "file" / "below"))
    one = opened()
    one.write(key(), SPEC, some_evidence(), VERSIONS)
    one.write_checks({"torch": key()}, CHECKS, {"torch": VERSIONS})
    assert one.read(key()) is None
    assert one.checks({"torch": key()}) is None
