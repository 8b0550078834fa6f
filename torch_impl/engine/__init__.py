"""What ties the PyTorch panel to `shared`. Nobody needs it to study the networks.

- `loading` imports the framework, and gives the registry its backend.
- `forked` is what processes are forked from that start with the framework.
- `backend` is the entrance: it builds a network, wraps somebody's own, and watches both.
- `model` is a network behind the shared interface, and `probe` what watches one.
- `weights` and `arrays` turn tensors into NumPy's arrays, `trace` tells what runs.
- `precision` computes in bfloat16, and `tuning` is the fastest variant: `training` uses both.
- `reference` trains as PyTorch's own example does, to hold the other variants against.
"""
