"""What the pages say, from values that are made up: the words and the figures of the command."""

import html
import json
import re
from pathlib import Path
from typing import Any

from shared import strict
from shared.compare import table
from shared.compare.comparison import Comparison, Row
from shared.panels import PANELS
from shared.report import measuring, pages
from shared.report.study import Report, Study
from shared.specs import SPECS
from shared.train import loop
from tests.printed import shown

NAME = "basic_net"
SPEC = SPECS[NAME]


def compared(backends: Any = PANELS, **changes: Any) -> Comparison:
    """A short training, as if it had been measured."""
    request = measuring.request(SPEC, 0)
    epoch = loop.Epoch(1.0, 50.0, 1.0, 50.0, 1.0, 1.0, {"accuracy": 50.0})
    curves: Any = {
        "losses": [1.0, 0.5],
        "accuracies": [50.0, 60.0],
        "rates": [900.0, 1100.0, 1000.0],
    }
    history = loop.History(request.settings, 0, [epoch], images_per_second=1234.0, **curves)
    rows = {
        name: Row({name: "9"}, 3, {"logits": (64, 10)}, 0.0, history, 1.0, 100.0)
        for name in backends
    }
    return Comparison(request, "the embedded sample", next(iter(rows)), rows, **changes)


def plain(comparison: Comparison) -> Any:
    """The same as it is read from JSON."""
    return json.loads(strict.text(comparison.to_dict()))


def written(folder: Path, *studies: Study, **about: Any) -> dict[str, str]:
    """The text of each page, its spaces single."""
    pages.write(folder, Report(studies, **about))
    texts = {}
    for path in folder.glob("*.html"):
        markup = re.sub(r"<(script|style).*?</\1>", "", path.read_text("utf-8"), flags=re.DOTALL)
        texts[path.stem] = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())
    return texts


# Speed and cost

STEADY = "training, images/s, steady"


def test_a_figure_has_the_label_that_the_command_gives_it(tmp_path: Path) -> None:
    comparison = compared(["torch"])
    (line,) = [line for line in shown(table.show, comparison).splitlines() if STEADY in line]
    assert "1,234" in line
    page = written(tmp_path, Study(SPEC, comparison=plain(comparison)))[NAME]
    assert f"{STEADY} 1,234 " in page
    assert "training, images/s, median of short stretches 1,000 ±" in page


def test_one_step_alone_has_no_steady_rate(tmp_path: Path) -> None:
    comparison = compared(["torch"])
    history = comparison.rows["torch"].history
    history.images_per_second, history.rates = 0.0, []
    (line,) = [line for line in shown(table.show, comparison).splitlines() if STEADY in line]
    assert "not known" in line
    assert (
        f"{STEADY} not known" in written(tmp_path, Study(SPEC, comparison=plain(comparison)))[NAME]
    )
