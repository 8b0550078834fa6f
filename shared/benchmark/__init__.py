"""Speed, memory and start-up of the backends, each in both ways and beside its official way."""
