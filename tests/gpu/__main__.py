"""`make gpu-check`: the ladder and the benchmark on a GPU, in one JSON file and one Markdown file.

What was brought along is made importable first; then all else is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ARCHITECTURES = "simple_resnet,early_exit_net,mnist_classifier,row_gru,basic_net"


def bring(wheels: Path, folder: Path) -> None:
    """Make wheels importable that were brought along; nothing is fetched from anywhere.

    Raises:
        ValueError: pip does not install one of them.
    """
    brought = sorted(map(str, wheels.glob("*.whl")))
    if not brought:
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command = [*pip, "--upgrade", "--target", str(folder), *brought]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or ["pip failed"]
        raise ValueError(f"cannot install what is in {wheels}: {lines[-1]}")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(folder), os.environ.get("PYTHONPATH")))
    )
    sys.path.insert(0, str(folder))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; 0 if everything was there and agreed."""
    parser = argparse.ArgumentParser(prog="make gpu-check", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda (the default) or cpu")
    parser.add_argument("--output", type=Path, default=Path("build/gpu"), help="a folder")
    parser.add_argument("--wheels", type=Path, default=Path("build/wheels"), help="a folder")
    parser.add_argument("--architectures", default=ARCHITECTURES)
    parser.add_argument("--minutes", type=float, default=7.5, help="the most that it takes")
    parser.add_argument("--many", type=int, default=max((os.cpu_count() or 1) - 2, 1))
    parser.add_argument("--no-bench", dest="benched", action="store_false")
    options = parser.parse_args(arguments)
    folder = options.output.resolve()
    try:
        bring(options.wheels, folder / "site")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from shared.writing import put
    from tests.gpu import check, page

    report = check.check(
        folder,
        options.device,
        options.architectures.split(","),
        minutes=options.minutes,
        many=options.many,
        benched=options.benched,
    )
    text = page.markdown(report)
    put(folder / "gpu-check.json", json.dumps(report.to_dict(), indent=1, default=str))
    put(folder / "gpu-check.md", text)
    print(text)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
