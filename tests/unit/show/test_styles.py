"""What pages say of the styles is true of the lines that it stands beside."""

import re
from collections.abc import Callable

import pytest

from shared.panels import PANELS, source
from shared.show import styles
from shared.specs import SPECS
from tests.sources import SHIPPED

FILES = sorted({file for spec in SPECS.values() for file in spec.files})


def turned_before_a_flatten(line: str, after: str) -> bool:
    """Whether a line flattens, or brings channels before what the next line flattens."""
    if "flatten(" in line:
        return True
    return re.search(r"transpose\(.*0, (3, 1, 2|1, 3, 2)\)", line) is not None and (
        "reshape(" in after
    )


def mean_over_two_axes(line: str, after: str) -> bool:
    del after
    return re.search(r"mean\(.*\((1, 2|2, 3)\)\)", line) is not None


def joins(line: str, after: str) -> bool:
    del after
    return re.search(r"\b(cat|concatenate)\(", line) is not None


def splits_or_turns_heads(line: str, after: str) -> bool:
    del after
    words = r"\.mT\b|transpose\(|unflatten\(|flatten\(2\)|reshape\(|self\.num_heads"
    return re.search(words, line) is not None


def chooses_one_axis(line: str, after: str) -> bool:
    del after
    return re.search(r"\b(dim|axis)=(-1|1|axis)\b", line) is not None


KINDS: dict[str, Callable[[str, str], bool]] = {
    "flatten": turned_before_a_flatten,
    "pooling": mean_over_two_axes,
    "joining": joins,
    "heads": splits_or_turns_heads,
    "axis": chooses_one_axis,
}

WITH = {
    "flatten": "early_exit mimo mlp mnist_cnn recurrent residual sequential skip",
    "pooling": "branching dense early_exit inception",
    "joining": "dense inception inference mimo seq2seq unet",
    "heads": "attention",
    "axis": "attention early_exit inference recurrent seq2seq",
}
"""The files in which each of these kinds of line is, of those that come with the project."""

WITH_ARCHITECTURES = {file for name in SHIPPED for file in SPECS[name].files}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("backend", PANELS)
def test_the_lines_of_a_topic_are_of_its_kind(file: str, backend: str) -> None:
    text = source(backend, file).read_text("utf-8")
    shown, code = styles.lines(text, backend), text.splitlines()
    for topic, is_of_kind in KINDS.items():
        numbers = shown.get(topic, [])
        if file in WITH_ARCHITECTURES:
            assert bool(numbers) is (file in WITH[topic].split()), topic
        for number in numbers:
            after = code[number] if number < len(code) else ""
            assert is_of_kind(code[number - 1], after), (topic, number, code[number - 1])


def test_only_a_topic_about_flattening_says_that_channels_are_moved() -> None:
    telling = {
        topic.name for topic in styles.TOPICS if "flatten" in " ".join(topic.sentences.values())
    } - {"heads"}
    assert telling == {"flatten"}


def test_a_topic_of_what_each_panel_does_shows_where_all_do_it() -> None:
    texts = {
        "torch": "x = torch.flatten(x, 2).transpose(1, 2)\n",
        "flax": "x = x.reshape(x.shape[0], -1, x.shape[-1])\n",
        "keras": "x = ops.reshape(x, (-1, patches, channels))\n",
    }
    assert "flatten" in styles.lines(texts["torch"], "torch")
    assert not any(styles.lines_of_panels(texts).values())
    texts["flax"], texts["keras"] = (
        "x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)\n",
        "x = ops.transpose(x, (0, 3, 1, 2))\n",
    )
    shown = styles.lines_of_panels(texts)
    assert [shown[backend]["flatten"] for backend in PANELS] == [[1], [1], [1]]
