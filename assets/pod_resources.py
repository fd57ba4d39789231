"""What a step asks of the machine that it runs on, in the words of Kubernetes."""

import re
from collections.abc import Mapping

from ..contract.errors import DefinitionError

_KNOWN = ("cpu", "memory", "ephemeral-storage")
_EXTENDED = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_CPU = re.compile(r"[0-9]+m|[0-9]+(\.[0-9]{1,3})?")
_BYTES = re.compile(r"[0-9]+(\.[0-9]+)?(k|[MGTPE]|[KMGTPE]i)?")
_COUNT = re.compile(r"[0-9]+")


def checked_resources(subject: str, resources: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The resources, sorted by name, once each is one that Kubernetes would understand.

    Raises:
        DefinitionError: A name or a quantity is none.
    """
    if not isinstance(resources, Mapping):
        raise _wrong(subject, f"{resources!r} names no resources", 'Write {"cpu": "2"}')
    for name, quantity in resources.items():
        spelling, remedy = _spelling(subject, name)
        if not isinstance(quantity, str) or not spelling.fullmatch(quantity):
            raise _wrong(subject, f"{quantity!r} is no quantity of {name}", remedy)
        if not quantity.strip("0.kmKMGTPEi"):
            raise _wrong(subject, f"{quantity!r} of {name} is nothing", "Leave it out, or ask more")
    return tuple(sorted(resources.items()))


def _spelling(subject: str, name: str) -> tuple[re.Pattern[str], str]:
    """How a quantity of a resource is spelled, and what to tell who spells it otherwise."""
    if name == "cpu":
        return _CPU, 'Write CPUs as a string: "2", "0.5" or "500m"'
    if name in _KNOWN:
        return _BYTES, 'Write bytes as a string with a unit of Kubernetes: "8Gi", "512Mi", "2G"'
    if _EXTENDED.fullmatch(str(name)):
        return _COUNT, 'Devices are counted, as a string: "1"'
    known = ", ".join(map(repr, _KNOWN))
    raise _wrong(
        subject, f"there is no resource {name!r}", f"Use {known}, or a device as 'nvidia.com/gpu'"
    )


def _wrong(subject: str, problem: str, remedy: str) -> DefinitionError:
    return DefinitionError(subject=subject, field="resources", problem=problem, remedy=remedy)
