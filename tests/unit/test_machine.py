"""What a machine tells of itself, and what others take of it."""

from pathlib import Path

import pytest

from shared import machine
from tests.unit.clock import Time


def proc(root: Path, total: str, **processes: tuple[int, int]) -> Path:
    """A made-up /proc: the machine's line, and of each process its parent and its CPU time."""
    root.mkdir(exist_ok=True)
    (root / "stat").write_text(f"cpu  {total}\ncpu0 1 2 3\n")
    for name, (parent, used) in processes.items():
        folder = root / name.removeprefix("p")
        folder.mkdir(exist_ok=True)
        fields = ["0"] * 9 + [str(used), "1", "2", "3"]
        (folder / "stat").write_text(f"{folder.name} (a (b) c) S {parent} {' '.join(fields)} 0 0\n")
    return root


def test_cpu_time_is_told_apart_by_descent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    root = proc(
        tmp_path / "proc",
        # user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
        "1000 200 300 50000 700 10 20 30 500 60",
        p10=(1, 100),
        p11=(10, 200),
        p12=(11, 300),
        p13=(1, 5000),
        pself=(0, 0),
    )
    used = machine.cpu_seconds(root, own=10)
    # Of the guest's time nothing is added, as it is in the user's; and 6 ticks a process besides.
    assert used is not None
    assert used.everybody == pytest.approx(15.6)
    assert used.own == pytest.approx((600 + 3 * 6) / 100)
    assert machine.cpu_seconds(tmp_path / "none") is None


def test_foreign_load_is_what_nobody_of_us_used() -> None:
    time = Time()
    answers = [(10.0, 5.0), (16.0, 9.0), (20.0, 10.0), (21.0, 12.0)]
    reading = iter([machine.Used(*pair) for pair in answers])
    foreign = machine.ForeignLoad(lambda: next(reading), time, cpus=4)
    assert foreign.share is None
    with foreign.watch():
        time.now += 3
    # 6 seconds were used, 4 of them by us, of 12 that 4 CPUs have in 3 seconds.
    assert foreign.share == pytest.approx(100 * 2 / 12)
    with foreign.watch():
        time.now += 2
    # Less than we used ourselves: the counters are read one after the other.
    assert foreign.share == pytest.approx(100 * 2 / 20)
    unknown = machine.ForeignLoad(lambda: None, time)
    with unknown.watch():
        time.now += 1
    assert unknown.share is None
    foreign.add(unknown)
    assert foreign.share is None


def test_the_peak_is_the_best_of_several_products() -> None:
    times = iter([0, 4, 10, 12, 20, 23])
    assert machine.product_rate(size=8, clock=lambda: next(times)) == 2 * 8**3 / 2


def test_this_machine_tells_of_itself() -> None:
    assert machine.describe()["cpus"]
    used = machine.cpu_seconds()
    if used is not None:  # Linux
        assert used.everybody > 0
        assert used.own > 0
    assert (machine.peak_memory_mib() or 1) > 0
