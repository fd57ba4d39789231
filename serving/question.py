"""What a caller asks of a client: features or a feature service, for whom, and how old."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

from ..contract.errors import InvalidArgumentError
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from .entity_columns import Columns, Entities, entity_columns

Stale: TypeAlias = Literal["null", "keep"]


@runtime_checkable
class DeclaredFeature(Protocol):
    """One feature of a declared group, as `household_spend["spend_30d"]` gives it."""

    @property
    def reference(self) -> object:
        """Whose text is how requests name it."""


@runtime_checkable
class DeclaredFeatures(Protocol):
    """A declared group, or a feature service."""

    @property
    def features(self) -> Iterable[object]:
        """What it stands for, in order."""


# By what they have, not by their classes: those need the pipeline, and a client does not.
Asked: TypeAlias = str | DeclaredFeature | DeclaredFeatures


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: features or else a feature service, for whom, and what happens to old values.

    Attributes:
        max_age: Rows older than this are STALE even within their TTL; `None` leaves it at the TTL.
        project: Whether rows are to hold what is asked for alone.
    """

    features: tuple[str, ...]
    feature_service: str
    entities: Entities
    max_age: timedelta | None
    stale: Stale
    project: bool = False

    @classmethod
    def of(
        cls,
        features: Asked | Iterable[Asked] | None,
        feature_service: str | None,
        *,
        entities: Entities,
        max_age: timedelta | None,
        stale: Stale,
        project: bool = False,
    ) -> "Question":
        """Take a caller's arguments.

        Raises:
            InvalidArgumentError: Not exactly one of features and feature service is given, or an
                option is none that there is.
        """
        names = asked_features(features, feature_service)
        if stale not in get_args(Stale):
            raise InvalidArgumentError(
                argument="stale", problem=f"it is {stale!r}", remedy='write "null" or "keep"'
            )
        if max_age is not None and not isinstance(max_age, timedelta):
            raise InvalidArgumentError(
                argument="max_age", problem=f"it is {max_age!r}", remedy="give a timedelta"
            )
        return cls(names, feature_service or "", _readable_twice(entities), max_age, stale, project)

    def about(self, entities: Entities) -> "Question":
        """The same question about others."""
        return replace(self, entities=_readable_twice(entities))

    def request(self, columns: Columns) -> pb.GetOnlineFeaturesRequest:
        """The message that asks this for these typed columns."""
        request = pb.GetOnlineFeaturesRequest(
            features=self.features,
            feature_service=self.feature_service,
            entities=entity_columns(columns),
            projection=pb.PROJECTION_ALWAYS if self.project else pb.PROJECTION_IF_LONG,
        )
        if self.max_age is not None:
            request.max_age.FromTimedelta(self.max_age)
        return request


def _readable_twice(entities: Entities) -> Entities:
    """The same columns: a generator is empty when the second question for contracts needs it."""
    if not isinstance(entities, Mapping):
        return entities
    return {
        name: list(column) if isinstance(column, Iterator) else column
        for name, column in entities.items()
    }


def asked_features(
    features: Asked | Iterable[Asked] | None, feature_service: str | None
) -> tuple[str, ...]:
    """The references of the features asked for; none where a feature service is.

    Raises:
        InvalidArgumentError: Nothing is asked for, or both, or the letters of a string; or
            something is neither a reference nor declares features.
    """
    problem = None
    if isinstance(features, str):
        problem = f"features is the string {features!r}"
    elif feature_service is not None and not isinstance(feature_service, str):
        problem = f"feature_service is {feature_service!r}"
    else:
        names = tuple(_references(features))
        if bool(names) != bool(feature_service):
            return names
        problem = "both are given" if names else "neither is given"
    raise InvalidArgumentError(
        argument="features and feature_service",
        problem=problem,
        remedy="give a list of features, or the name of a feature service",
    )


def _references(asked: object) -> Iterable[str]:
    if asked is None:
        return
    if isinstance(asked, str):
        yield str(asked)
    elif isinstance(asked, DeclaredFeature):
        yield str(asked.reference)
    elif isinstance(asked, DeclaredFeatures):
        for each in asked.features:
            yield from _references(each)
    elif isinstance(asked, Iterable) and not isinstance(asked, bytes):
        for each in asked:
            yield from _references(each)
    else:
        raise InvalidArgumentError(
            argument="features",
            problem=f"{asked!r} is no feature",
            remedy="give group:feature, or a declared feature, group or feature service",
        )
