"""What a fork server imports: PyTorch stays, and each child imports this panel anew."""

from shared.forking import forget_project
from torch_impl.engine import loading

loading.framework()
forget_project()
