"""The likely cause of a divergence, from both sides' arrays alone.

Where two backends diverge for the first time, what they agreed on before is known. Each function
takes that and both sides' numbers, computes what every known convention would make of it, and says
which convention gives which side's numbers; None when none does, or when the sides agree.

- `explain_layer`: a layer's outputs differ although its inputs agree;
- `explain_between`: a layer's inputs differ although all layers before agree;
- `explain_loss`, `explain_gradients`, `explain_buffers`, `explain_update`: a training step.
"""

from shared.parity.causes.between import explain_between
from shared.parity.causes.layers import explain_layer
from shared.parity.causes.match import Cause
from shared.parity.causes.optimizer import explain_update
from shared.parity.causes.training import explain_buffers, explain_gradients, explain_loss

__all__ = [
    "Cause",
    "explain_between",
    "explain_buffers",
    "explain_gradients",
    "explain_layer",
    "explain_loss",
    "explain_update",
]
