"""`make gpu-check` on a machine without a GPU: what it records, holds, misses and writes."""

import json
from pathlib import Path

import pytest

from shared.parity.checks import Check, Outcome
from tests import gpu
from tests.flavours import exhaustive, lacking
from tests.gpu import __main__ as command
from tests.gpu import check, page

PAIR = ("torch", "flax")
needs_both = pytest.mark.skipif(
    any(lacking(name) is not None for name in PAIR), reason="needs torch and flax"
)


@pytest.fixture
def two_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "panels", lambda: [check.Panel(name) for name in PAIR])


def arguments_for(folder: Path) -> list[str]:
    wheels = folder / "wheels"
    wheels.mkdir()
    of = {"device": "cpu", "architectures": "skip_mlp", "output": folder, "wheels": wheels}
    return [word for name, value in of.items() for word in (f"--{name}", str(value))]


@needs_both
@pytest.mark.usefixtures("two_panels")
@exhaustive
@pytest.mark.parametrize("whole", [False, True])
def test_a_check_on_the_cpu_climbs_and_writes_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    if not whole:  # trainings take longest
        real = vars(check.Job)["command"].fget
        short = property(lambda job: [*real(job), "--no-trainings"])
        monkeypatch.setattr(check.Job, "command", short)
    status = command.main([*arguments_for(tmp_path), "--many", "2", "--no-bench", "--minutes", "5"])
    written = json.loads((tmp_path / "gpu-check.json").read_text("utf-8"))
    assert (status, written["passed"], written["missing"]) == (0, True, {})
    (outcome,) = written["climbs"]["skip_mlp"].values()
    rungs = {each["rung"] for each in outcome["checks"]}
    assert {"exchange", "gradients", "trainers", "variants"} <= rungs
    assert ({"optimizers", "resume"} <= rungs) is whole
    assert written["tf32"]["skip_mlp"]["torch"] == {"forward": 0.0, "gradients": 0.0}
    text = (tmp_path / "gpu-check.md").read_text("utf-8")
    assert "| `skip_mlp` | torch - flax | float64 |" in text
    assert "**Failed**" not in text
    assert "**Missing**" not in text


@pytest.mark.usefixtures("two_panels")
def test_what_does_not_end_in_time_is_missing_and_nothing_passes(tmp_path: Path) -> None:
    assert (
        command.main([*arguments_for(tmp_path), "--many", "2", "--no-bench", "--minutes", "0"]) == 1
    )
    written = json.loads((tmp_path / "gpu-check.json").read_text("utf-8"))
    assert not written["passed"]
    assert "did not end" in written["missing"]["skip_mlp-torch-cpu-highest"]
    assert "- skip_mlp-torch-cpu-highest: did not end" in (tmp_path / "gpu-check.md").read_text()


def test_a_wheel_that_does_not_fit_is_refused_in_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = arguments_for(tmp_path)
    (tmp_path / "wheels" / "keras-1.0-cp27-none-win32.whl").write_bytes(b"")
    assert command.main(arguments) == 2
    assert "cannot install what is in" in capfd.readouterr().err
    assert not (tmp_path / "gpu-check.json").exists()


def test_a_command_that_fails_says_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError, match=r"status 2: .*no architecture 'nonet'"):
        check.triptych(["record", "nonet", "--backend", "torch"], {}, 60, tmp_path)


def test_every_job_is_on_the_device_and_on_the_cpu_once() -> None:
    panels = [check.Panel("torch"), check.Panel("flax"), check.Panel("keras", "jax")]
    todo = check.jobs(["basic_net"], panels, "cuda")
    names = [job.name for job in todo]
    assert len(names) == len(set(names)) == 8
    assert names[0] == "basic_net-flax-cuda-highest"  # it takes longest
    keras = next(job for job in todo if job.panel.runs_on)
    assert keras.command[-3:] == ["--dtype", "float32", "--no-trainings"]
    assert "--no-trainings" not in todo[0].command


def test_a_page_tells_what_failed() -> None:
    bad = Check("forward", "basic_net", "default", "float32", "torch-flax", "failed", 1.0, 1e-6)
    report = check.Report("cuda", climbs={"basic_net": {"torch - flax": Outcome([bad])}})
    text = page.markdown(report)
    assert "| `basic_net` | torch - flax | float32 | 0 of 1 | 1 failed |" in text
    assert "- forward, basic_net, default, float32, torch-flax: " in text
    assert not report.passed
    assert gpu.__doc__
