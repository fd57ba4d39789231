"""Turns declarations into Dagster definitions."""
