"""Computing a partition in several steps, each for some of its entity buckets."""
