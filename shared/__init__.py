"""What the three panels share: specs, data, weights, processes and the verbs. Imports no framework."""
