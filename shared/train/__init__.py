"""One training loop for all backends, its scores, and how it is shown."""
