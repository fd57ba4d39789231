"""The offline store: checked commits of whole partitions in Delta tables."""
