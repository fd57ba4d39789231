"""What the server knows of the catalogue: one immutable snapshot, replaced as a whole.

Everything that depends on the catalogue alone is computed when a snapshot is built, so that a
request looks names up and copies bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..contract.errors import UnknownNameError
from ..contract.feature_group import FeatureGroupSpec, FeatureServiceSpec, Online
from ..contract.keys import KeyEncoder
from ..contract.references import parse_reference
from .projections import GroupProjection

_REMEMBERED_SELECTIONS = 1024


@dataclass(frozen=True, slots=True)
class ServedGroup:
    """One version of a feature group, ready to be looked up.

    Attributes:
        contract_id: The content hash of its document.
        prefix: What stands for (namespace, group, version) in its keys.
        encode: From join key values to entity bytes.
        guard: The key of its floor; absent, the store's state of the group is not complete.
        watermark: The key of its watermark.
        ttl_us: Its time to live in microseconds; `None` for ever.
        header: The first fields of its `FeatureGroupRows`, serialized.
        framed_contract: A serialized `GetContractResponse` of it alone; these concatenate.
        framed_summary: A serialized `ListFeatureGroupsResponse` of it alone; these, too.
    """

    spec: FeatureGroupSpec
    contract_id: str
    live: bool
    prefix: bytes
    encode: KeyEncoder
    guard: bytes
    watermark: bytes
    ttl_us: int | None
    header: bytes
    framed_contract: bytes
    framed_summary: bytes

    @property
    def has_floor(self) -> bool:
        """Whether rows below the floor are gone; that of an upsert group only has to be there."""
        return self.spec.online is Online.SNAPSHOT


@dataclass(frozen=True, slots=True)
class ServedService:
    """A feature service; `service_id` changes when its features do.

    Attributes:
        framed_contract: A serialized `GetContractResponse` of it alone.
    """

    spec: FeatureServiceSpec
    service_id: str
    framed_contract: bytes


@dataclass(frozen=True)
class Selection:
    """The groups that a request reads, in the order in which it first names them.

    Attributes:
        features: For each, the names of those of its features that are asked for.
        join_keys: The names of all their join keys, in the same order.
    """

    groups: tuple[ServedGroup, ...]
    features: tuple[frozenset[str], ...]
    service: ServedService | None
    join_keys: Mapping[str, None]

    @cached_property
    def projections(self) -> Sequence[GroupProjection | None]:
        """For each group, what cuts those features out; `None` where they are all."""
        return [
            GroupProjection.of(group.spec, names)
            for group, names in zip(self.groups, self.features, strict=True)
        ]


@dataclass(frozen=True)
class Snapshot:
    """The catalogue as it was at one moment.

    Attributes:
        digest: The name of its manifest; empty when nothing was ever published.
        groups: By name, then by version.
    """

    digest: str
    groups: Mapping[str, Mapping[int, ServedGroup]]
    services: Mapping[str, ServedService]
    _selections: dict[tuple[tuple[str, ...], str], Selection] = field(default_factory=dict)

    @cached_property
    def summaries(self) -> bytes:
        """A serialized `ListFeatureGroupsResponse`: every version, by name and version."""
        return b"".join(group.framed_summary for group in self.every())

    @cached_property
    def contracts(self) -> bytes:
        """A serialized `GetContractResponse`: every service, and every live version by name."""
        services = b"".join(service.framed_contract for service in self.services.values())
        return services + b"".join(group.framed_contract for group in self.live())

    def select(self, features: tuple[str, ...], service: str) -> Selection:
        """What these references, or else this feature service, ask for.

        Raises:
            InvalidFeatureReferenceError: A reference has another form.
            UnknownNameError: A group, version, feature or service is not published.
        """
        known = self._selections.get((features, service))
        if known is None:
            known = self._selected(features, service)
            if len(self._selections) >= _REMEMBERED_SELECTIONS:
                self._selections.clear()
            self._selections[features, service] = known
        return known

    def _selected(self, features: tuple[str, ...], service: str) -> Selection:
        served = self.service(service) if service else None
        groups: dict[tuple[str, int | None], ServedGroup] = {}
        asked: dict[tuple[str, int | None], set[str]] = {}
        for text in served.spec.features if served else features:
            reference = parse_reference(text)
            key = reference.group, reference.version
            group = groups.setdefault(key, self.group(*key))
            known_names = [feature.name for feature in group.spec.features]
            if reference.feature is not None and reference.feature not in known_names:
                known = [f"{reference.group}:{name}" for name in known_names]
                raise UnknownNameError(
                    kind="feature", name=f"{reference.group}:{reference.feature}", known=known
                )
            wanted = known_names if reference.feature is None else [reference.feature]
            asked.setdefault(key, set()).update(wanted)
        join_keys = {
            name: None for group in groups.values() for name in group.spec.entity.key_names
        }
        wanted_by_group = tuple(map(frozenset, asked.values()))
        return Selection(tuple(groups.values()), wanted_by_group, served, join_keys)

    def group(self, name: str, version: int | None) -> ServedGroup:
        """A version of a group, or its live one.

        Raises:
            UnknownNameError: It is not published.
        """
        versions = self.groups.get(name)
        if versions is None:
            is_service = name in self.services
            raise UnknownNameError(
                kind="published feature group",
                name=name,
                known=self.groups,
                instead="it is a feature service; ask for it alone" if is_service else None,
            )
        if version is None:
            live = next((group for group in versions.values() if group.live), None)
            if live is None:
                raise UnknownNameError(
                    kind="feature group with a finished publish",
                    name=name,
                    known=[group.spec.name for group in self.live()],
                )
            return live
        if version not in versions:
            raise UnknownNameError(
                kind="published feature group",
                name=f"{name}@{version}",
                known=[group.spec.reference for group in versions.values()],
            )
        return versions[version]

    def service(self, name: str) -> ServedService:
        """A feature service by its name.

        Raises:
            UnknownNameError: It is not published.
        """
        if name not in self.services:
            raise UnknownNameError(kind="feature service", name=name, known=self.services)
        return self.services[name]

    def live(self) -> Iterable[ServedGroup]:
        """The live version of every group that has one, by name."""
        return (group for group in self.every() if group.live)

    def every(self) -> Iterable[ServedGroup]:
        """Every published version, by name and version."""
        return (
            self.groups[name][version]
            for name in sorted(self.groups)
            for version in sorted(self.groups[name])
        )
