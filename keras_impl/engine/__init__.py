"""What ties the Keras panel to `shared`. Nobody needs it to study the networks.

- `loading` imports the framework, and gives the registry its backend; `quiet` keeps what
  TensorFlow prints meanwhile from the terminal.
- `forked` is what processes are forked from that start with the framework.
- `backend` is the entrance: it builds a network, wraps somebody's own, and watches both.
- `model` is a network behind the shared interface, `own_model` somebody's own one there.
- `probe` watches a model, `trace` tells what runs, `weights` gives variables canonical names.
- `computing` has what Keras keeps for a whole process: its dtype, device and generators.
- `precision` computes in bfloat16, and `tuning` is the fastest variant on TensorFlow.
- `reference` trains as Keras's own example does, to hold the other variants against.
"""
