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
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from shared import registry, workers
from shared.parity import collect
from shared.parity.checks import RUNGS, Check, case_checks
from shared.parity.evidence import Asked, CaseEvidence
from shared.parity.judge import pair
from shared.specs import Case, Spec, find
from shared.workers import ALONE, Worker
from tests.across.mutations import changed
from tests.across.mutations.catalogue import CATALOGUE, TRAINERS, Mutation
from tests.flavours import QUICKLY
from tests.warm import Servers

REPORT = Path(__file__).with_name("DETECTION.md")
COMMAND = "python -m tests.across.mutations.detect"
STEPS = 3
ENVIRONMENT = {"torch": {}, "flax": QUICKLY, "keras": {"KERAS_BACKEND": "tensorflow"}}
EXACT, MEASURED, SINGLE = "float64", "float32", "float32 alone"
VIEWS = (EXACT, MEASURED, SINGLE)
CLIMBED = tuple(rung for rung in RUNGS if rung not in ("mirror", "resume"))


@dataclass(frozen=True)
class Finding:
    """What the ladder says of one mutation.

    `failed` has the rungs that failed, by view and in the ladder's order. `told` has, for both
    pairs with the mutated backend, the layer and the kind of cause that are named in float64.
    `unrelated` has what failed between the two others, which should be nothing.
    """

    mutation: Mutation
    failed: dict[str, list[str]]
    told: dict[str, tuple[str, str]]
    texts: list[str]
    unrelated: list[str]

    @property
    def rung(self) -> str:
        """The first rung that failed in float64."""
        return next(iter(self.failed[EXACT]), "")


# In a worker


def give(backend: str, plan: collect.Plan, mutation: str) -> CaseEvidence:
    """A backend's evidence under a mutation."""
    registry.load(backend).use_highest_precision()
    change: AbstractContextManager[None] = nullcontext()
    if mutation:
        module = importlib.import_module(f"tests.across.mutations.{backend}_mutations")
        change = getattr(module, mutation)()
    with change:
        return collect.collect(backend, plan)


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
        with _worker(mutation.backend) as worker:
            mutated = worker.call(give, mutation.backend, plan, mutation.name)
        results = {n: _trained(evidence, mutation.recipe) for n, evidence in self.whole.items()}
        results[mutation.backend] = mutated
        return _judge(
            mutation, {view: self._checks(results, view, plan.asked) for view in self.views}
        )

    def _checks(self, evidences: dict[str, CaseEvidence], view: str, asked: Asked) -> list[Check]:
        dtype = EXACT if view == EXACT else MEASURED
        if view == SINGLE:
            evidences = {name: _single(evidence) for name, evidence in evidences.items()}
        # Where a fault is and why is asked in float64 alone: the search takes longest.
        search = nullcontext() if view == EXACT else changed(pair, locate=lambda *_: None)
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

    def stays(name: str) -> bool:
        rung, _, rest = name.partition("/")
        if rung in ("steps", "first"):
            return rest.startswith(f"{recipe}/") and bool(recipe)
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
        ours = [check for check in bad if mutation.backend in check.between.split("-")]
        failed[view] = [rung for rung in CLIMBED if rung in {check.rung for check in ours}]
        unrelated += [f"{c.rung}, {c.between}: {c.detail}" for c in bad if c not in ours]
    bad = [check for check in checks[EXACT] if check.status == "failed"]
    bad.sort(key=lambda check: CLIMBED.index(check.rung))
    told, texts = {}, []
    others = [name for name in registry.BACKENDS if name != mutation.backend]
    for other in others:
        about = [c for c in bad if set(c.between.split("-")) <= {mutation.backend, other}]
        named = [(name, c) for c in about if (name := names(c)) is not None]
        told[other] = named[0][0] if named else ("", "")
        texts += [c.first.text if c.first else c.detail for _, c in named[:1]]
    return Finding(mutation, failed, told, texts, unrelated)


def names(check: Check) -> tuple[str, str] | None:
    """The layer and the kind of cause that a failed check names, if it is one that can."""
    if check.first is not None:
        return check.first.layer, check.first.kind
    if check.rung == "tensors":
        return re.split(r"[: ]", check.detail)[0].rpartition(".")[0], ""
    if check.rung == "dropout" and "-" not in check.between:
        return check.part, ""
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
        "- optimizers are only run for those mutations that are of the optimizer.",
        "",
        f"{len(findings)} mutations, {sum(bool(f.rung) for f in findings)} found in float64.",
        "",
    ]
    head = ["mutation", "in", *CLIMBED, "layer named", "cause named"]
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
    layers, causes = (
        ", ".join(dict.fromkeys(t[i] for t in finding.told.values() if t[i])) for i in (0, 1)
    )
    cells = [_mark(finding, rung) for rung in CLIMBED]
    mutation = finding.mutation
    layer = f"`{layers}`" if layers else ""
    return _row([mutation.says, mutation.backend, *cells, layer, causes])


def exact(text: str) -> str:
    """What a report says of float64: float32's marks and misses are a little the machine's own."""
    matrix = text.partition("## What float32 misses")[0]
    return matrix.replace("◐", "●").replace("| ○ |", "|  |")


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
