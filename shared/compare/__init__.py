"""The verb `compare`: one architecture trained in every backend."""
