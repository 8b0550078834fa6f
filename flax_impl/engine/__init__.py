"""What ties the Flax panel to `shared`. Nobody needs it to study the networks.

- `loading` imports the framework, and gives the registry its backend.
- `forked` is what processes are forked from that start with the framework.
- `backend` is the entrance: it builds a network, wraps somebody's own, and watches both.
- `model` is a network behind the shared interface, and `probe` what watches one.
- `weights` gives variables their canonical names, `trace` tells what runs.
- `computing` sets the dtype, the device and the mode, `compiling` says how XLA compiles.
- `precision` computes in bfloat16, and `tuning` is the fastest variant. `convolutions`
  puts those of float64 so that XLA has a library for them; both are rules for `rewriting`.
- `reference` trains as Flax's own example does, to hold the other variants against.
"""
