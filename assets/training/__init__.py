"""Training sets: spines, joins, receipts."""
