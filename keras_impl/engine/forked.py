"""What a fork server imports: Keras stays, and each child imports this panel anew."""

from keras_impl.engine import loading
from shared.forking import forget_project

loading.framework()
forget_project()
