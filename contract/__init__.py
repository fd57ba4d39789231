"""What the pipeline writes and the server reads: declarations, keys, rows, statuses, errors.

Needs the standard library, protobuf and numpy only, so that either side can import it.
"""
