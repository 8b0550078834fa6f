"""What is wrong with a dropout layer: its rate, its scale, or that it drops in evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from shared.parity.causes.match import Cause, figure


def explain_rates(
    a_name: str, b_name: str, a: Mapping[str, float], b: Mapping[str, float]
) -> tuple[str, Cause] | None:
    """The first dropout layer whose rate is not the same, with both rates.

    Args:
        a_name: What the first side is called.
        b_name: What the second is called.
        a: The first side's rates by the layers' names.
        b: The second's.
    """
    for layer in dict.fromkeys([*a, *b]):
        rates = [side.get(layer) for side in (a, b)]
        if rates[0] != rates[1]:
            first = "nothing" if rates[0] is None else f"{rates[0]!r} of the values"
            second = "nothing" if rates[1] is None else f"{rates[1]!r}"
            second += " of the values" if rates[0] is None else ""
            text = f"{a_name} drops {first}, {b_name} {second}"
            return layer, Cause("dropout rate", text)
    return None


def explain_own(
    name: str,
    rate: float,
    share: float,
    *,
    unlike: bool,
    unscaled: bool,
    still: bool,
    alike: str = "",
) -> Cause | None:
    """What one side's dropout layer does by itself that its rate does not say.

    Args:
        name: What the side is called.
        rate: The share that is to be dropped.
        share: The share that was kept.
        unlike: Whether that is another share than chance explains.
        unscaled: Whether what is kept is not divided by the share that is to be kept.
        still: Whether values change in evaluation mode too.
        alike: Of what the same values are dropped, if they are: "of several examples".
    """
    if still:
        return Cause("dropout", f"{name} changes values in evaluation mode")
    if alike:
        return Cause("masks", f"{name} drops the same values {alike}")
    if unlike:
        text = f"{name} keeps {share:.1%} of the values, where its rate is {figure(rate)}"
        return Cause("dropout rate", text)
    if unscaled and rate < 1:
        by = figure(1 / (1 - rate), 1e-4)
        return Cause("scale", f"{name} does not multiply what it keeps by {by}")
    return None
