"""The digits: their files, downloads, batches, and the tasks that are made of them."""
