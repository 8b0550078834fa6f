"""Proof that the panels hold the same networks, rung by rung, from sources to numbers."""
