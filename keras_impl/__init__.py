"""The Keras panel: every architecture as a `keras.Model`, on TensorFlow by default.

Read the networks first: `mlp` is the smallest, and each of the others is a file that stands alone
(`seq2seq` alone takes layers of `attention`). Then `inference`, which predicts with any of them,
and `training`, which has one step of a training as Keras code usually has it.

`engine/` ties the panel to `shared`, and nobody needs it to study the networks. `conventions/` asks
Keras for its defaults, and shows in a few lines each where they differ from the others'.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
