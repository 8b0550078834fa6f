"""Every pair of values of settings stands in some combination."""

from itertools import combinations as pairs_of
from itertools import product

from shared.parity import combinations
from shared.parity.combinations import COMBINATIONS
from shared.specs import SPECS, Settings

FACTORS = (
    combinations.OPTIMIZERS,
    combinations.CLIPPING,
    combinations.SCHEDULES,
    combinations.WARM_UPS,
    combinations.LOSSES,
)


def level(name: str, factor: int) -> str:
    """Which value of a factor a combination has, by its name."""
    words = name.split(", ")
    return next((value for value in FACTORS[factor] if value and value in words), "")


def test_every_pair_of_values_is_met() -> None:
    for one, other in pairs_of(range(len(FACTORS)), 2):
        met = {(level(name, one), level(name, other)) for name in COMBINATIONS}
        assert met == set(product(FACTORS[one], FACTORS[other]))


def test_what_is_held_is_what_the_name_says() -> None:
    for name, combination in COMBINATIONS.items():
        settings, words = combination.settings, name.split(", ")
        assert (settings.clip_norm is None) is not bool({"clipped", "not reached"} & set(words))
        assert (settings.decay_steps is not None) is ("cosine" in words)
        assert (settings.warmup_steps is not None) is ("warm-up" in words)
        task = combination.task(SPECS["early_exit_net"].require_task())
        assert all((one.smoothing > 0) is ("smoothed" in words) for one in task.objectives)
        assert all((one.weight != 1) is ("weighted" in words) for one in task.objectives)


def test_hyperparameters_are_those_that_people_write() -> None:
    """A power of two is exact in float32, and would show nothing."""
    for combination in COMBINATIONS.values():
        rate = combination.settings.learning_rate
        assert rate.hex().split("p")[0] != "0x1.0000000000000"


def test_a_training_is_long_enough_for_its_schedule() -> None:
    for combination in COMBINATIONS.values():
        settings: Settings = combination.settings
        turns = (settings.warmup_steps or 0) + (settings.decay_steps or 0)
        assert turns < combinations.STEPS
