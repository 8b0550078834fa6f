"""What a fork server imports: Flax stays, and each child imports this panel anew."""

from flax_impl.engine import loading
from shared.forking import forget_project

loading.framework()
forget_project()
