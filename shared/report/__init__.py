"""Pages that show what was measured, beside the sources."""
