"""What models, trainings and comparisons show of themselves."""

from types import SimpleNamespace
from typing import Any

import pytest

from shared import reprs
from shared.data import mnist, tasks
from shared.interface import Place, TensorInfo
from shared.parity.locate import Divergence
from shared.parity.user_models import Report, Row
from shared.specs import Settings, find
from shared.train.loop import Epoch, History


def model(name: str = "fc1.weight") -> Any:
    return SimpleNamespace(
        network=find("basic_net").network,
        backend="flax",
        dtype="float64",
        device="cuda",
        variant="idiomatic",
        table=lambda: [
            TensorInfo(name, (1200, 3), "float64", "parameter"),
            TensorInfo("bn.running_mean", (7,), "float64", "buffer"),
        ],
        places=lambda: {
            name: Place("params/fc1/kernel", (3, 1200), (1, 0)),
            "bn.running_mean": Place("batch_stats/bn/mean", (7,), (0,)),
        },
    )


def texts(html: str) -> list[str]:
    """The texts of a table's cells, still escaped."""
    return [part.split("</t")[0].rpartition(">")[2] for part in html.split("<t")[1:]]


def test_a_model_says_what_it_is() -> None:
    line = "BasicNet in flax: 3,600 parameters, float64 on cuda, idiomatic"
    assert reprs.model(model()) == f"<{line}>"
    html = reprs.model_html(model())
    assert html.startswith(f'<table><caption style="text-align: left">{line}</caption>')
    assert [text for text in texts(html) if "fc1" in text] == ["fc1.weight", "params/fc1/kernel"]
    assert {"(1200, 3)", "3,600", "(3, 1200)", "buffer", "in flax"} <= set(texts(html))
    assert html.count('<td style="text-align: right">') == 2


def test_html_is_escaped() -> None:
    html = reprs.model_html(model("<script>&'\""))
    assert "<script>" not in html
    assert "&lt;script&gt;&amp;&#x27;&quot;" in html
    assert reprs.paragraph("a < b") == "<p>a &lt; b</p>"
    assert "<b>" not in reprs.table("<b>", ("<b>",), [("<b>",)])


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.3026, "2.30"), (0.1, "0.10"), (0.0234, "0.023"), (3e-7, "3.0e-07"), (float("nan"), "nan")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert reprs.short(value) == text


def history(*losses: float, scores: tuple[str, ...] = ("accuracy",)) -> Any:
    epochs = [
        Epoch(loss, 81.25, 0.5, 95.6, 1.5, 0.25, dict.fromkeys(scores, 95.6)) for loss in losses
    ]
    return History(Settings(), 0, epochs)


def test_a_history_says_how_a_training_went() -> None:
    several = history(0.5649, 0.104)
    assert repr(several) == "<History: 2 epochs, loss 0.56 to 0.10, test accuracy 95.6 %>"
    assert repr(history(0.5)) == "<History: 1 epoch, loss 0.50, test accuracy 95.6 %>"
    assert repr(history()) == "<History: no epoch yet>"
    of_scenes = history(0.5, scores=("mean_iou", "accuracy"))
    assert repr(of_scenes) == "<History: 1 epoch, loss 0.50, test mean IoU 95.6 %>"
    html = several._repr_html_()
    assert html.count("<tr>") == 3
    row = ["1", "0.5649", "81.25 %", "0.5000", "95.60 %", "1.8 s"]
    assert [text for text in texts(html) if text][-12:-6] == row
    assert "test mean IoU" in of_scenes._repr_html_()
    assert "<tbody></tbody>" in history()._repr_html_()


def test_data_say_how_many_examples_there_are() -> None:
    digits = mnist.load("sample")
    assert repr(digits) == "<Dataset sample: 4,000 to train, 1,000 to test>"
    assert repr(digits.test) == "<Split: 1,000 images, 1,000 labels>"
    rows = texts(digits._repr_html_())
    assert rows.count("to train") == 2
    assert {"images", "(4000, 28, 28, 1)", "uint8", "labels", "(1000,)", "int32"} <= set(rows)
    scenes = tasks.build(find("unet").require_task(), digits)
    assert repr(scenes) == "<TaskData sample: 1,000 to train, 250 to test>"
    assert {"mask", "(250, 64, 64)", "float32"} <= set(texts(scenes._repr_html_()))
    assert repr(tasks.TaskData({}, {}, "own", "")) == "<TaskData own: 0 to train, 0 to test>"


def report(status: Any, **more: Any) -> Any:
    detail = "forward/4/output differs by 1.7e-04"
    rows = [
        Row("tensors", "", "passed", None, None, "6 tensors", None),
        Row("forward", "", status, 1.7e-4, 1e-12, detail, None),
    ]
    return Report(("torch Net", "flax <Port>"), "float64", 4, True, rows, **more)


def test_a_report_shows_its_text() -> None:
    first = Divergence("forward", "evaluation", "norm", "the input of norm", 2e-4, "gelu", "a < b")
    bad = report("failed", first=first, twin="LayerNorm_0", notes=["x & y"])
    assert repr(bad) == str(bad) == bad.text
    html = bad._repr_html_()
    assert "torch Net and flax &lt;Port&gt; are NOT the same model (float64, a batch of 4," in html
    assert {"tensors", "passed", "failed", "1.7e-04", "6 tensors"} <= set(texts(html))
    assert "forward/4/output; 1.0e-12 is allowed" in html
    assert "<p>first difference: the input of norm (flax &lt;Port&gt;: LayerNorm_0) differs" in html
    assert html.endswith("<p>likely cause: a &lt; b [gelu]</p><p>note: x &amp; y</p>")
    good = report("passed")._repr_html_()
    assert "are the same model" in good
    assert "<p>" not in good
