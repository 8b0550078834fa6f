"""A clock for tests, by which no time passes by itself: what a clock says is no verdict."""

from collections.abc import Callable


class Time:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def steps(self, *seconds: float) -> Callable[[], None]:
        """A step that takes these seconds in turn, the last of them for ever."""
        left = list(seconds)

        def step() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return step
