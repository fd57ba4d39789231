"""The feature server over HTTP and JSON, for callers without gRPC and for whoever watches it."""
