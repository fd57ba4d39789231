"""The engine by which the feature server reads the online store."""
