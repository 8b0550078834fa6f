"""The Keras panel: every architecture as a `keras.Model`, on TensorFlow unless KERAS_BACKEND says else."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
