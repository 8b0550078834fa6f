"""What the three panels share: specs, data, weights, processes, verbs. Imports no framework."""

import time

STARTED = time.time()
"""When this process began to import what is here: whatever is saved later it may not have."""
