"""Where the files of a source land, and which partition each belongs to."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from string import Template

from ..contract.errors import DefinitionError, InvalidArgumentError
from ..contract.partitions import Partitioning

_PLACE = re.compile(r"\{partition(?::(?P<format>[^{}]*))?\}|(?P<wildcard>\*)")
_DIGITS = {
    "%Y": r"\d{4}",
    "%m": r"\d\d",
    "%d": r"\d\d",
    "%H": r"\d\d",
    "%M": r"\d\d",
    "%j": r"\d{3}",
}
_DIRECTIVE = re.compile("%.?")
_SAMPLES = (
    timedelta(0),
    timedelta(hours=1),
    timedelta(hours=26),
    timedelta(days=40),
    timedelta(days=400),
)


@dataclass(frozen=True, slots=True)
class Landing:
    """A pattern of paths, as `s3://bucket/orders/{partition:%Y/%m/%d}/*.parquet`.

    `{partition}` stands for the partition's key, `{partition:FORMAT}` for its start as `strftime`
    writes it, and `*` for any part of a name. `$NAME` before them is a variable of the environment,
    read when somebody looks, so that deployments can differ.

    Attributes:
        text: As declared.
        partitioning: How the source's time is cut.
    """

    text: str
    partitioning: Partitioning

    @property
    def _split(self) -> int:
        place = _PLACE.search(self.text)
        return self.text.rindex("/", 0, place.start() if place else len(self.text))

    def folder(self) -> str:
        """The folder, or S3 prefix, below which all files lie.

        Raises:
            InvalidArgumentError: A variable of the environment is not set.
        """
        try:
            return Template(self.text[: self._split]).substitute(os.environ)
        except KeyError as error:
            raise InvalidArgumentError(
                argument=str(error.args[0]),
                problem=f"the landing {self.text!r} needs this variable, which is not set",
                remedy="set it for Dagster's processes",
            ) from error

    def partition(self, path: str) -> str | None:
        """The partition that a file belongs to, by its path below the folder; `None` for others."""
        pattern, directives = self._pattern()
        found = re.fullmatch(pattern, path)
        if found is None:
            return None
        try:
            start = datetime.strptime(" ".join(found.groups()), directives).replace(tzinfo=UTC)
        except ValueError:
            return None
        return self.partitioning.key(start) if self.partitioning.floor(start) == start else None

    def path(self, start: datetime, name: str = "file") -> str:
        """Where, below the folder, a file of this name lies that belongs to a partition."""
        return _PLACE.sub(
            lambda place: name if place["wildcard"] else start.strftime(self._format(place)),
            self.text[self._split + 1 :],
        )

    def _format(self, place: re.Match[str]) -> str:
        return place["format"] or self.partitioning.key_format

    def _pattern(self) -> tuple[str, str]:
        """What a path looks like, and the format of its groups joined by blanks."""
        relative, at = self.text[self._split + 1 :], 0
        pattern, formats = "", []
        for place in _PLACE.finditer(relative):
            pattern += re.escape(relative[at : place.start()])
            if place["wildcard"]:
                pattern += "[^/]*"
            else:
                formats.append(self._format(place))
                pattern += f"({_digits(formats[-1])})"
            at = place.end()
        return pattern + re.escape(relative[at:]), " ".join(formats)


def checked_landing(
    subject: str, text: str | None, partitioning: Partitioning, start: datetime
) -> Landing | None:
    """The landing, if each file's path says which partition it belongs to."""
    if text is None:
        return None
    landing = Landing(text, partitioning)
    problem = _problem(landing, start)
    if problem is not None:
        raise DefinitionError(
            subject=subject,
            field="landing",
            problem=f"{text!r}: {problem}",
            remedy="Write it as /data/orders/{partition}/*.csv or"
            " s3://bucket/orders/{partition:%Y/%m/%d}.parquet",
        )
    return landing


def _problem(landing: Landing, start: datetime) -> str | None:
    text = landing.text
    if not isinstance(text, str) or not text.startswith(("/", "s3://", "$")):
        return "it begins with no absolute folder, s3:// address or variable"
    places = [place for place in _PLACE.finditer(text) if not place["wildcard"]]
    first = _PLACE.search(text)
    if not places or first is None:
        return "it does not say where {partition} stands"
    if "/" not in text[: first.start()]:
        return "it names no folder before {partition}"
    if "$" in text[first.start() :] or re.search("[{}]", _PLACE.sub("", text).replace("${", "")):
        return "variables and braces stand nowhere but before {partition}"
    return _pattern_problem(landing, places, start)


def _pattern_problem(
    landing: Landing, places: Sequence[re.Match[str]], start: datetime
) -> str | None:
    if any(wildcard in landing.text for wildcard in ("**", "?", "[")):
        return "of wildcards it may have * alone, for a part of one name"
    unknown = {
        directive
        for place in places
        for directive in _DIRECTIVE.findall(place["format"] or "")
        if directive not in _DIGITS
    }
    if unknown:
        return f"{', '.join(sorted(unknown))} is none of {', '.join(_DIGITS)}"
    return (
        None
        if _tells_partitions_apart(landing, start)
        else (f"its paths do not tell {landing.partitioning.name} partitions apart")
    )


def _tells_partitions_apart(landing: Landing, start: datetime) -> bool:
    starts = [landing.partitioning.floor(start + offset) for offset in _SAMPLES]
    try:
        return all(
            landing.partition(landing.path(each)) == landing.partitioning.key(each)
            for each in starts
        )
    except re.error:  # a directive that stands twice
        return False


def _digits(text: str) -> str:
    at, pattern = 0, ""
    for directive in _DIRECTIVE.finditer(text):
        pattern += re.escape(text[at : directive.start()]) + _DIGITS[directive[0]]
        at = directive.end()
    return pattern + re.escape(text[at:])
