"""Where the frameworks' defaults and meanings differ: asked of them, and held against a record."""
