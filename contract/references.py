"""Parsing of feature references as users, services and requests write them."""

import re

from .errors import InvalidFeatureReferenceError
from .feature_group import FeatureReference

_REFERENCE = re.compile(
    r"(?P<group>[a-z][a-z0-9_]*)(@(?P<version>[1-9][0-9]{0,8}))?(:(?P<feature>[A-Za-z_][A-Za-z0-9_]*))?"
)


def parse_reference(text: str) -> FeatureReference:
    """Take `group[@version][:feature]` apart.

    Raises:
        InvalidFeatureReferenceError: `text` has another form.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InvalidFeatureReferenceError(reference=text)
    version = match["version"]
    return FeatureReference(match["group"], int(version) if version else None, match["feature"])
