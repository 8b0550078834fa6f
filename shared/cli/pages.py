"""Pages written by the verbs that end with them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared import specs
from shared.cli import printing

if TYPE_CHECKING:
    from shared.report.files import Saved
    from shared.report.study import Report

REPORT = "triptych-report"
"""The folder that pages are written to."""


def write_pages(
    architectures: Sequence[specs.Spec],
    backends: Sequence[str],
    saved: Saved,
    folder: Path,
    *,
    seed: int,
    guide: bool,
) -> Report:
    """Measure what was not saved, of the catalogue without architectures, and write the pages.

    Returns:
        What the pages show. Why backends failed, if any did, is printed too.
    """
    from shared import caches
    from shared.report import run

    caches.keep()
    with printing.doing() as log:
        measured = run.make(
            architectures or list(specs.SPECS.values()),
            backends,
            saved,
            seed=seed,
            guide=guide,
            log=log,
        )
    run.write(folder, measured)
    for name, reason in measured.failed.items():
        print(f"triptych: {name}: {reason}", file=sys.stderr)
    return measured
