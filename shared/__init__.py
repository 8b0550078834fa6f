"""What the three panels share: specs, data, weights, processes, verbs. Imports no framework."""
