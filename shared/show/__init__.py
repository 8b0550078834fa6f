"""The verb `show`: sources side by side."""
