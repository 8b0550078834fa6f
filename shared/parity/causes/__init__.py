"""The likely cause of a divergence, from both sides' arrays alone.

Where two backends diverge for the first time, what they agreed on before is known. Each function
takes that and both sides' numbers, computes what every known convention would make of it, and says
which convention gives which side's numbers; None when none does, or when the sides agree.

- `explain_tensors`, `explain_rates`, `explain_own`: tensors or dropout are not the same;
- `explain_layer`: a layer's outputs differ although its inputs agree;
- `explain_between`: a layer's inputs differ although all layers before agree;
- `explain_outputs`: a network's outputs differ although all layers agree;
- `explain_loss`, `explain_terms`, `explain_gradients`, `explain_activation`, `explain_buffers`,
  `explain_update`: a training step;
- `explain_state`, `explain_steps`, `explain_second`: what an optimizer keeps, and later steps.
"""

from shared.parity.causes.backward import explain_activation
from shared.parity.causes.between import explain_between
from shared.parity.causes.dropout import explain_own, explain_rates
from shared.parity.causes.layers import explain_layer
from shared.parity.causes.losses import Term, explain_terms
from shared.parity.causes.match import Cause
from shared.parity.causes.optimizer import explain_update
from shared.parity.causes.outputs import explain_outputs
from shared.parity.causes.steps import explain_second, explain_state, explain_steps
from shared.parity.causes.tensors import explain_tensors
from shared.parity.causes.training import explain_buffers, explain_gradients, explain_loss

__all__ = [
    "Cause",
    "Term",
    "explain_activation",
    "explain_between",
    "explain_buffers",
    "explain_gradients",
    "explain_layer",
    "explain_loss",
    "explain_outputs",
    "explain_own",
    "explain_rates",
    "explain_second",
    "explain_state",
    "explain_steps",
    "explain_tensors",
    "explain_terms",
    "explain_update",
]
