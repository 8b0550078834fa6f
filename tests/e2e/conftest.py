"""What the tests of commands and pages share: a report, and what backends tell of networks."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared import registry
from shared.specs import SPECS
from shared.workers import Worker
from tests.assertions import status


@pytest.fixture(scope="session")
def report_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of one architecture as a user makes it, but for the guide's chapters."""
    if not registry.installed():
        pytest.skip("needs a backend")
    path = tmp_path_factory.mktemp("report") / "pages"
    assert status(["report", "basic_net", "--no-guide", "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def measured(report_folder: Path) -> Any:
    """What was measured for that report."""
    from shared.report import run  # only these tests need what it imports

    return json.loads((report_folder / run.MEASURED).read_text("utf-8"))


@pytest.fixture(scope="session")
def surveys() -> dict[str, dict[str, Any]]:
    """Every architecture as every backend tells of it."""
    from shared.report import survey

    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name)) for name in registry.installed()}
        begun = {
            name: {b: worker.submit(survey.survey, b, name) for b, worker in workers.items()}
            for name in SPECS
        }
        return {
            name: {backend: workers[backend].result(one) for backend, one in row.items()}
            for name, row in begun.items()
        }
