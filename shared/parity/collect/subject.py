"""What evidence is collected of: a case's networks in one backend."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared import registry
from shared.interface import Model, Probe
from shared.parity.collect.plan import Plan


@dataclass
class Subject:
    """A case's networks in one backend, by dtype, with what watches them."""

    backend: str
    plan: Plan
    models: dict[str, Model] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for dtype in self.plan.dtypes:
            model = self.build(dtype, "idiomatic")
            self.models[dtype], self.probes[dtype] = model, registry.load(self.backend).probe(model)

    def model(self, dtype: str, variant: str) -> Model:
        """The network in a variant; the idiomatic one is there, and perhaps compiled, already."""
        return self.models[dtype] if variant == "idiomatic" else self.build(dtype, variant)

    def build(self, dtype: str, variant: str) -> Model:
        """The network in a dtype, with weights that are to be loaded."""
        return registry.load(self.backend).build(
            self.plan.case.network, seed=None, dtype=dtype, device=self.plan.device, variant=variant
        )
