"""What the server knows of the catalogue: one immutable snapshot, replaced as a whole.

Everything that depends on the catalogue alone is computed when a snapshot is built, so that a
request looks names up and copies bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..contract.catalogue import Manifest, PublishedVersion, decode_manifest
from ..contract.document import canonical_json, decode_document, digest, service_to_json
from ..contract.errors import CatalogueError, UnknownNameError
from ..contract.feature_group import FeatureGroupSpec, FeatureServiceSpec, Online
from ..contract.keys import KeyEncoder, entity_encoder, group_prefix
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.references import parse_reference
from ..contract.status import microseconds
from ..contract.store_keys import (
    catalogue_key,
    document_key,
    floor_key,
    manifest_key,
    watermark_key,
)
from .contract_messages import contract_message, service_message, summary_message
from .reading import Reading

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


@dataclass(frozen=True, slots=True)
class Selection:
    """The groups that a request reads, in the order in which it first names them.

    Attributes:
        join_keys: The names of all their join keys, in the same order.
    """

    groups: tuple[ServedGroup, ...]
    service: ServedService | None
    join_keys: Mapping[str, None]


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
        for text in served.spec.features if served else features:
            reference = parse_reference(text)
            group = groups.setdefault(
                (reference.group, reference.version), self.group(reference.group, reference.version)
            )
            names = [feature.name for feature in group.spec.features]
            if reference.feature is not None and reference.feature not in names:
                known = [f"{reference.group}:{name}" for name in names]
                raise UnknownNameError(
                    kind="feature", name=f"{reference.group}:{reference.feature}", known=known
                )
        join_keys = {
            name: None for group in groups.values() for name in group.spec.entity.key_names
        }
        return Selection(tuple(groups.values()), served, join_keys)

    def group(self, name: str, version: int | None) -> ServedGroup:
        """A version of a group, or its live one.

        Raises:
            UnknownNameError: It is not published.
        """
        versions = self.groups.get(name)
        if versions is None:
            raise UnknownNameError(kind="published feature group", name=name, known=self.groups)
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


def load(namespace: str, current: Snapshot | None) -> Reading[Snapshot]:
    """Read the catalogue; the current snapshot itself when it still holds.

    A catalogue that is gone never replaces one that was there: the store lost its state. Missing
    guards then turn values into ERRORs, where an empty catalogue would call the groups unknown.

    Raises:
        CatalogueError: It names what is missing, or what this release does not read.
    """
    (named,) = yield [catalogue_key(namespace)]
    if named is None:
        return current or Snapshot("", {}, {})
    name = named.decode("ascii", "replace")
    if current is not None and current.digest == name:
        return current
    (raw,) = yield [manifest_key(namespace, name)]
    if raw is None:
        raise CatalogueError(name=f"manifest {name}", reason="it is missing")
    try:
        manifest = decode_manifest(raw)
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogueError(name=f"manifest {name}", reason=str(error)) from error
    documents = yield from _documents(namespace, manifest, current)
    return _snapshot(name, manifest, documents)


def _documents(
    namespace: str, manifest: Manifest, current: Snapshot | None
) -> Reading[Mapping[str, FeatureGroupSpec]]:
    """Every document of a manifest by its content hash; only unknown ones are read."""
    documents = {group.contract_id: group.spec for group in current.every()} if current else {}
    named = {
        published.document
        for group in manifest.groups.values()
        for published in group.versions.values()
    }
    missing = sorted(named - documents.keys())
    if not missing:
        return documents
    values = yield [document_key(namespace, name) for name in missing]
    for name, raw in zip(missing, values, strict=True):
        if raw is None:
            raise CatalogueError(name=f"document {name}", reason="it is missing")
        try:
            documents[name] = decode_document(raw)
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogueError(name=f"document {name}", reason=str(error)) from error
    return documents


def _snapshot(name: str, manifest: Manifest, documents: Mapping[str, FeatureGroupSpec]) -> Snapshot:
    groups: dict[str, dict[int, ServedGroup]] = {}
    for group_name, group in manifest.groups.items():
        for version, published in group.versions.items():
            spec = documents[published.document]
            if spec.online is not None:
                live = version == group.live
                groups.setdefault(group_name, {})[version] = _served(
                    spec, published, namespace=manifest.namespace, live=live
                )
    services = {
        service_name: _served_service(service)
        for service_name, service in manifest.services.items()
    }
    return Snapshot(name, groups, services)


def _served(
    spec: FeatureGroupSpec, published: PublishedVersion, *, namespace: str, live: bool
) -> ServedGroup:
    contract_id = published.document
    header = pb.FeatureGroupRows(
        feature_group=spec.name, version=spec.version, contract_id=contract_id
    )
    return ServedGroup(
        spec=spec,
        contract_id=contract_id,
        live=live,
        prefix=group_prefix(published.group_id),
        encode=entity_encoder(spec.entity),
        guard=floor_key(namespace, published.group_id),
        watermark=watermark_key(namespace, published.group_id),
        ttl_us=None if spec.ttl is None else microseconds(spec.ttl),
        header=header.SerializeToString(),
        framed_contract=pb.GetContractResponse(
            feature_groups=[contract_message(spec, contract_id, live=live)]
        ).SerializeToString(),
        framed_summary=pb.ListFeatureGroupsResponse(
            feature_groups=[summary_message(spec, live=live)]
        ).SerializeToString(),
    )


def _served_service(spec: FeatureServiceSpec) -> ServedService:
    service_id = digest(canonical_json(service_to_json(spec)))
    response = pb.GetContractResponse(feature_services=[service_message(spec, service_id)])
    return ServedService(spec, service_id, response.SerializeToString())
