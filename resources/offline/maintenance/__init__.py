"""Maintenance of tables: what keeps them fast and small, and changes no answer."""
