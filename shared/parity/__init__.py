"""Proof that networks are the same, rung by rung, from sources to numbers."""
