"""The Keras panel: every architecture as a `keras.Model`, on TensorFlow by default."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
