"""The root of the tree of errors."""


class HeadraceError(Exception):
    """The root; catch it to catch whatever Headrace raises on purpose."""
