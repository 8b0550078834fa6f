"""Speed, memory and start-up of the backends, each in both variants and beside its own example."""
