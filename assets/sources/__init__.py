"""One file per source of raw rows."""
