"""The tests. A package, so that a worker can import what it is asked to call."""
