"""What the ladder says of every mutation.

`python -m tests.across.mutations.detect` writes DETECTION.md.

Every backend computes each case's evidence once as it is; each mutation is put into a process of
its own, which computes its backend's evidence anew. That is then held against the two other
backends', in float64, in float32 with its rounding measured, and in float32 as if there were no
float64.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared import registry, workers
from shared.interface import VARIANTS
from shared.parity import collect
from shared.parity.checks import RUNGS, Check, case_checks
from shared.parity.collect.subject import Subject
from shared.parity.collect.trainers import trainers
from shared.parity.collect.trainings import Trainings
from shared.parity.evidence import Arrays, Asked, CaseEvidence
from shared.parity.judge import pair
from shared.specs import Case, Spec, find
from shared.workers import ALONE, Worker
from tests.across.mutations import changed, of_evidence
from tests.across.mutations.catalogue import CATALOGUE
from tests.across.mutations.mutation import TRAINERS, Mutation
from tests.flavours import QUICKLY
from tests.warm import Servers

REPORT = Path(__file__).with_name("DETECTION.md")
COMMAND = "python -m tests.across.mutations.detect"
STEPS = 3
ENVIRONMENT = {"torch": {}, "flax": QUICKLY, "keras": {"KERAS_BACKEND": "tensorflow"}}
CLIPPED, PLAIN = "clipped", "sgd"
EXACT, MEASURED, SINGLE = "float64", "float32", "float32 alone"
VIEWS = (EXACT, MEASURED, SINGLE)
CLIMBED = tuple(rung for rung in RUNGS if rung not in ("mirror", "resume"))


@dataclass(frozen=True)
class Finding:
    """What the ladder says of one mutation.

    `failed` has the rungs that failed, by view and in the ladder's order. `told` has, for both
    pairs with the mutated backend, the layer and the kind of cause that are named in float64.
    `unrelated` has what failed between the two others, which should be nothing. `single` has what
    is named in float32, as `told` has it.
    """

    mutation: Mutation
    failed: dict[str, list[str]]
    told: dict[str, tuple[str, str]]
    texts: list[str]
    unrelated: list[str]
    single: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def rung(self) -> str:
        """The first rung that failed in float64."""
        return next(iter(self.failed[EXACT]), "")


# In a worker


def give(backend: str, plan: collect.Plan, mutation: str) -> CaseEvidence:
    """A backend's evidence under a mutation."""
    with _mutated(backend, mutation):
        return collect.collect(backend, plan)


def train(backend: str, plan: collect.Plan, mutation: str) -> dict[str, Arrays]:
    """What trainings alone show under a mutation, which nothing else is touched by."""
    with _mutated(backend, mutation):
        subject = Subject(backend, plan)
        trainings = Trainings(subject)
        arrays: dict[str, Arrays] = {}
        for dtype in plan.dtypes:
            arrays[dtype] = trainings.train(dtype) if plan.batches else {}
            for variant in VARIANTS if plan.both_variants else ():
                of_variant = trainers(subject, variant, dtype)
                arrays[dtype] |= collect.under(f"variants/{variant}", of_variant)
        return arrays


@contextmanager
def _mutated(backend: str, mutation: str) -> Iterator[None]:
    """A backend with a mutation, if it has a name."""
    registry.load(backend).use_highest_precision()
    change: AbstractContextManager[None] = nullcontext()
    if mutation:
        for part in ("mutations", "further"):
            module = importlib.import_module(f"tests.across.mutations.{backend}_{part}")
            if hasattr(module, mutation):
                change = getattr(module, mutation)()
    with change:
        yield


# In the process that compares


def run(
    catalogue: Sequence[Mutation] = CATALOGUE, report: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Every mutation's finding in every view, in the catalogue's order."""
    findings = {}
    for place in dict.fromkeys(m.place for m in catalogue):
        mutations = [m for m in catalogue if m.place == place]
        bench = Bench(place, [m.recipe for m in mutations if m.recipe], VIEWS)
        for mutation in mutations:
            findings[mutation.name] = finding = bench.finding(mutation)
            report(f"{mutation.name}: {finding.rung or 'not found'}")
    return [findings[mutation.name] for mutation in catalogue]


class Bench:
    """A case as every backend has it, which a mutated backend is held against.

    Every evidence is computed in a process of its own, so no mutation can outlive its finding.
    """

    def __init__(
        self, place: tuple[str, str], trainings: Iterable[str], views: Sequence[str] = (EXACT,)
    ) -> None:
        self.views = views
        self.spec, self.case = _find(place)
        plan = self._plan([*dict.fromkeys(trainings)])
        with ExitStack() as stack:
            workers = {name: stack.enter_context(_worker(name)) for name in registry.BACKENDS}
            begun = {name: w.submit(give, name, plan, "") for name, w in workers.items()}
            self.whole = {name: w.result(begun[name]) for name, w in workers.items()}

    def _plan(self, trainings: Sequence[str]) -> collect.Plan:
        """A case's plan with a few steps of these trainings alone."""
        plan = collect.plan(
            self.spec, self.case, (EXACT,) if self.views == (EXACT,) else (EXACT, MEASURED)
        )
        stepped = tuple(recipe for recipe in trainings if recipe != TRAINERS)
        if CLIPPED in stepped and PLAIN not in stepped:  # which tells a norm from a learning rate
            stepped = (PLAIN, *stepped)
        whole = TRAINERS in trainings
        return replace(
            plan,
            batches=plan.batches[:STEPS] if stepped else (),
            steps=STEPS,
            recipes=stepped,
            both_variants=plan.both_variants if whole else (),
            passes=plan.passes and whole,
            singles=plan.singles if whole else 0,
            combinations=(),
            methods=plan.dtypes,
        )

    def finding(self, mutation: Mutation) -> Finding:
        """What is found of a mutation."""
        plan = self._plan([mutation.recipe] if mutation.recipe else [])
        results = {n: _trained(evidence, mutation.recipe) for n, evidence in self.whole.items()}
        if mutation.evidence:
            change = getattr(of_evidence, mutation.name)
            names = [*results] if mutation.backend == "all" else [mutation.backend]
            results |= {name: change(results[name]) for name in names}
        else:
            results[mutation.backend] = self._mutated(mutation, plan)
        return _judge(
            mutation, {view: self._checks(results, view, plan.asked) for view in self.views}
        )

    def _mutated(self, mutation: Mutation, plan: collect.Plan) -> CaseEvidence:
        """A backend's evidence with a mutation; one of trainings leaves all else as it was."""
        with _worker(mutation.backend) as worker:
            if not mutation.recipe:
                return worker.call(give, mutation.backend, plan, mutation.name)
            trained = worker.call(train, mutation.backend, plan, mutation.name)
        rest = _trained(self.whole[mutation.backend], "")
        arrays = {dtype: rest.arrays[dtype] | trained[dtype] for dtype in plan.dtypes}
        return replace(rest, arrays=arrays, asked=plan.asked)

    def _checks(self, evidences: dict[str, CaseEvidence], view: str, asked: Asked) -> list[Check]:
        dtype = EXACT if view == EXACT else MEASURED
        if view == SINGLE:
            evidences = {name: _single(evidence) for name, evidence in evidences.items()}
        # Where a fault is and why is not asked again without float64: the search takes longest.
        search = changed(pair, locate=lambda *_: None) if view == SINGLE else nullcontext()
        with search:
            return list(
                case_checks(self.spec, self.case, dtype, [*evidences], evidences, {}, asked)
            )


def _worker(backend: str) -> Worker:
    return Worker(backend, {**ALONE, **ENVIRONMENT[backend]})


def _find(place: tuple[str, str]) -> tuple[Spec, Case]:
    spec = find(place[0])
    return spec, next(case for case in spec.cases if case.label == place[1])


def _trained(evidence: CaseEvidence, recipe: str) -> CaseEvidence:
    """Evidence without other trainings than one."""

    stepped = (recipe, PLAIN) if recipe == CLIPPED else (recipe,)

    def stays(name: str) -> bool:
        rung, _, rest = name.partition("/")
        if rung in ("steps", "first", "second"):
            return rest.partition("/")[0] in stepped and bool(recipe)
        if rung == "first gradients":
            return recipe not in ("", TRAINERS)
        if rung == "variants":
            return recipe == TRAINERS
        return not rung.startswith("teacher-forced") or recipe == "adam"

    kept = {d: {n: a for n, a in of.items() if stays(n)} for d, of in evidence.arrays.items()}
    return replace(evidence, arrays=kept)


def _single(evidence: CaseEvidence) -> CaseEvidence:
    """Evidence of someone who computed in float32 alone."""
    return replace(
        evidence,
        tables={MEASURED: evidence.tables[MEASURED]},
        arrays={
            MEASURED: {
                name: array
                for name, array in evidence.arrays[MEASURED].items()
                if not name.startswith("teacher-forced")
            }
        },
    )


def _judge(mutation: Mutation, checks: dict[str, list[Check]]) -> Finding:
    failed, unrelated = {}, []
    for view, rows in checks.items():
        bad = [check for check in rows if check.status not in ("passed", "bounded")]
        ours = [check for check in bad if mutation.backend in ("all", *check.between.split("-"))]
        failed[view] = [rung for rung in CLIMBED if rung in {check.rung for check in ours}]
        unrelated += [f"{c.rung}, {c.between}: {c.detail}" for c in bad if c not in ours]
    told, texts = _told(mutation, checks[EXACT])
    single = _told(mutation, checks[MEASURED])[0] if MEASURED in checks else {}
    return Finding(mutation, failed, told, texts, unrelated, single)


def _told(
    mutation: Mutation, checks: Iterable[Check]
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """The layer and the cause that are named against each other backend, and in what words."""
    bad = [check for check in checks if check.status == "failed"]
    bad.sort(key=lambda check: CLIMBED.index(check.rung))
    told, texts = {}, []
    for other in others(mutation):
        about = [c for c in bad if set(c.between.split("-")) <= {mutation.backend, other}]
        named = [(name, c) for c in about if (name := names(c)) is not None]
        told[other] = named[0][0] if named else ("", "")
        texts += [c.first.text if c.first else c.detail for _, c in named[:1]]
    return told, texts


def others(mutation: Mutation) -> list[str]:
    """The backends that a mutated one is held against: none where all are."""
    everywhere = mutation.backend == "all"
    return [n for n in registry.BACKENDS if n != mutation.backend and not everywhere]


def names(check: Check) -> tuple[str, str] | None:
    """The layer and the kind of cause that a failed check names, if it is one that can."""
    if check.first is not None:
        return check.first.layer, check.first.kind
    return None


# The report


def render(findings: Iterable[Finding]) -> str:
    """The detection matrix as Markdown."""
    findings = list(findings)
    lines = [
        "# What the ladder finds",
        "",
        f"Made by `{COMMAND}`; do not edit. Each row is one convention that one backend gets",
        "wrong, while the two others stay as they are; each column is a rung of the ladder.",
        "",
        "- ● fails in float64, and in float32 against its measured rounding;",
        "- ◐ fails in float64 alone: float32 cannot tell it from rounding;",
        "- ○ fails in float32 alone: `teacher-forced` is a rung that only float32 has;",
        "- the first rung that fails in float64 is in brackets;",
        "- the layer and the cause are those that float64 names; the last column says whether",
        "  float32 names the same, or what else;",
        "- optimizers are only run for those mutations that are of the optimizer;",
        "- what is in `all` is evidence that every backend lacks something of.",
        "",
        f"{len(findings)} mutations, {sum(bool(f.rung) for f in findings)} found in float64, "
        f"{sum(any(cause for _, cause in f.told.values()) for f in findings)} with their cause.",
        "",
    ]
    head = ["mutation", "in", *CLIMBED, "layer named", "cause named", "in float32"]
    lines += [_row(head), _row(["---"] * len(head))]
    lines += [
        *map(row, findings),
        "",
        "## What float32 misses",
        "",
        "Against a fixed tolerance (float32 alone), or against the rounding that float64 measures:",
        "",
        _row(["mutation", "in", "float32 alone", "float32, measured"]),
        _row(["---"] * 4),
    ]
    for finding in findings:
        if not (finding.failed[MEASURED] and finding.failed[SINGLE]):
            seen = ["found" if finding.failed[v] else "missed" for v in (SINGLE, MEASURED)]
            lines.append(_row([finding.mutation.says, finding.mutation.backend, *seen]))
    return "\n".join(lines) + "\n"


def row(finding: Finding) -> str:
    """A mutation's row of the matrix."""
    layers, causes = _joined(finding.told)
    single = ""
    if layers or causes:
        same = _joined(finding.single) == (layers, causes)
        single = "the same" if same else ", ".join(filter(None, _joined(finding.single)))
    cells = [_mark(finding, rung) for rung in CLIMBED]
    mutation = finding.mutation
    return _row([mutation.says, mutation.backend, *cells, layers, causes, single])


def _joined(told: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """The layers and the causes that are named, each once."""
    layers, causes = (", ".join(dict.fromkeys(t[i] for t in told.values() if t[i])) for i in (0, 1))
    return f"`{layers}`" if layers else "", causes


def exact(text: str) -> str:
    """What a report says of float64: float32's marks and misses are a little the machine's own."""
    lines = text.partition("## What float32 misses")[0].splitlines()
    wide = [line.rsplit("|", 2)[0] + "|" if line.startswith("|") else line for line in lines]
    return "\n".join(wide).replace("◐", "●").replace("| ○ |", "|  |")


def missed(text: str) -> set[str]:
    """The rows of what float32 misses, in a report."""
    rows = text.partition("## What float32 misses")[2].splitlines()
    return {row for row in rows if row.startswith("| ")}


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _mark(finding: Finding, rung: str) -> str:
    exact, single = (rung in finding.failed.get(view, ()) for view in (EXACT, MEASURED))
    mark = {(True, True): "●", (True, False): "◐", (False, True): "○"}.get((exact, single), "")
    return f"({mark})" if rung == finding.rung else mark


def main() -> None:
    """Run the catalogue, and write the report."""
    os.environ |= {**ALONE, **QUICKLY}
    workers.context = Servers().context
    findings = run(report=lambda line: print(line, file=sys.stderr))
    REPORT.write_text(render(findings), "utf-8")


if __name__ == "__main__":
    main()
