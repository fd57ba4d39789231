"""One file per feature group."""
