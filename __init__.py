"""Headrace: a feature platform on Dagster.

The folder that holds this file is the package: `contract` is what both sides agree on, `assets`
what is computed, `resources` where it is kept, `sensors` when it runs, `serving` how it is read,
`cli` the command.
"""
