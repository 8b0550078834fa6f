"""What is to be computed of a case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.parity import combinations, edges, recipes
from shared.parity.evidence import Arrays, Asked
from shared.specs import Case, Spec, Task


@dataclass(frozen=True)
class Plan:
    """What is to be computed of a case."""

    case: Case
    dtypes: tuple[str, ...]
    device: str
    task: Task | None = None
    batches: Sequence[Arrays] = ()
    """Real batches for the trainings, and to go on with; without any there are no trainings."""
    steps: int = recipes.STEPS
    recipes: tuple[str, ...] = recipes.EVERYWHERE
    both_variants: Sequence[Arrays] = ()
    """Random batches that the trainers of both variants of a backend train on, perhaps none."""
    passes: bool = False
    """Whether passes of both variants are shown, where their trainers are not."""
    singles: int = 0
    """How many of these the trainers make a step on by itself in float32."""
    adam: bool = False
    """Whether the trainers step by AdamW, and not by momentum."""
    combinations: tuple[str, ...] = ()
    """Settings that the trainers are tried with besides."""
    sizes: tuple[int, ...] = ()
    """Batches of other sizes that outputs are looked at for in float64."""
    methods: tuple[str, ...] = ()
    """The dtypes in which what methods do apart from computing is shown; the first one, if none."""
    whole: bool = True
    """Whether the case is a whole architecture: of its passes a step of a trainer is shown too."""
    files: bool = True
    """Whether the network is saved and loaded as the framework does."""

    @property
    def asked(self) -> Asked:
        """What the evidence must have."""
        return Asked(
            self.recipes if self.batches else (),
            self.steps,
            max(len(self.batches) - self.steps, 0),
            min(len(self.both_variants), recipes.STEPS_OF_TRAINERS),
            self.singles,
            self.combinations,
            self.methods or self.dtypes[:1],
            self.passes,
            self.adam,
        )


def plan(
    spec: Spec,
    case: Case,
    dtypes: Iterable[str],
    device: str = "cpu",
    *,
    trainings: bool = True,
    variants: bool = True,
) -> Plan:
    """Everything for a case; trainings where the architecture's are compared on it."""
    task = recipes.task_of(spec, case)
    batches: list[Arrays] = []
    if trainings and task is not None and case == recipes.trained_case(spec):
        batches = recipes.real_batches(case.network, task, recipes.STEPS + recipes.FURTHER)
    both_variants: list[Arrays] = []
    singles = recipes.SINGLE_STEPS if case == recipes.trained_case(spec) else 0
    if variants and task is not None and recipes.has_trainers(spec, case):
        both_variants = recipes.random_batches(case.network, task, recipes.SINGLE_STEPS)
    return Plan(
        case,
        tuple(dtypes),
        device,
        task,
        batches,
        recipes=recipes.of(spec),
        both_variants=both_variants,
        passes=variants and not both_variants,
        singles=min(singles, len(both_variants)),
        adam=bool(both_variants) and spec.name == combinations.ARCHITECTURE,
        combinations=combinations.of(spec) if batches and variants else (),
        sizes=edges.sizes(spec, case, "float64"),
        whole=recipes.is_whole(spec, case),
        files=recipes.has_files(spec, case),
    )
