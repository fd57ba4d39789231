"""One file per training set."""
