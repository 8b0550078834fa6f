"""The Flax panel: every architecture as a `flax.linen.Module`."""
