"""The registry: which groups, versions and services the online store can answer for.

Offline is the truth, as for rows: ids, documents, services and flips are recorded in the catalogue
table first. The manifest in force online is a projection of that record, made as a whole: so a
store that came back empty knows everything again at once, or nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...contract import store_keys
from ...contract.catalogue import (
    Manifest,
    PublishedGroup,
    PublishedVersion,
    decode_manifest,
    encode_manifest,
)
from ...contract.document import (
    canonical_json,
    decode_document,
    digest,
    encode_document,
    service_from_json,
    service_to_json,
)
from ...contract.errors import CatalogueError, UnknownNameError, VersionDroppedError
from ...contract.feature_group import FeatureGroupSpec, FeatureServiceSpec, FeatureSpec
from ..offline.catalogue_table import CatalogueTable
from ..offline.offline_store import OfflineStore
from ..offline.recorded_catalogue import RecordedCatalogue, RecordedVersion
from .group_ids import allocate_id, allocated_ids
from .online_store import OnlineStore


class Registry:
    """The catalogue of one namespace; every change is atomic and may be repeated."""

    def __init__(self, online: OnlineStore, offline: OfflineStore) -> None:
        """Name both stores; nothing is read or written yet."""
        self._online = online
        self._table = CatalogueTable(offline)
        self._namespace = online.namespace
        self._documents: dict[str, bytes] = {}

    def register(self, group: FeatureGroupSpec) -> PublishedVersion:
        """Make a group version known to the online store; which version is live does not change.

        Features that were added since the last registration get a schema of their own, behind those
        under which rows were written so far.

        Returns:
            Its id and the name of its document.

        Raises:
            VersionDroppedError: The version was dropped.
        """
        published = self.published(group.name, group.version)
        if published is not None:
            known = self._stored_document(published.document)
            if known is not None and encode_document(_with_history(group, known)) == known:
                return published
        recorded = self._table.read(self._namespace)
        key = (group.name, group.version)
        earlier = recorded.versions.get(key)
        document = encode_document(_with_history(group, earlier.document if earlier else None))
        if key not in recorded.dropped:
            group_id = allocate_id(
                self._online,
                group.reference,
                earlier.group_id if earlier else None,
                recorded.taken_ids,
            )
            recorded = self._table.register(
                self._namespace, *key, RecordedVersion(group_id, document)
            )
        if key in recorded.dropped:
            raise VersionDroppedError(group=group.reference)
        self._store_document(document)  # also where the manifest names it, and it was lost
        return self.project().groups[group.name].versions[group.version]

    def register_services(self, services: Sequence[FeatureServiceSpec]) -> None:
        """Make feature services known, or replace what is known of them; others stay."""
        known = self.manifest().services
        changed = [service for service in services if known.get(service.name) != service]
        if changed:
            self._table.register_services(
                self._namespace,
                {
                    service.name: (service.version, canonical_json(service_to_json(service)))
                    for service in changed
                },
            )
            self.project()

    def go_live(self, versions: Mapping[str, int]) -> None:
        """Make registered versions what unversioned references mean, all at one instant.

        Args:
            versions: The version of each group; other groups stay as they are.

        Raises:
            UnknownNameError: One is not registered; nothing is changed.
        """
        known = self._table.read(self._namespace).versions
        for name, version in versions.items():
            if (name, version) not in known:
                raise UnknownNameError(
                    kind="published feature group version",
                    name=f"{name}@{version}",
                    known=[f"{group}@{number}" for group, number in known],
                )
        self._table.go_live(self._namespace, versions)
        self.project()

    def go_live_first(self, name: str, version: int) -> None:
        """Make a version live if none of its group ever was."""
        if self.manifest().groups[name].live is None:
            self._table.go_live(self._namespace, {name: version}, if_first=True)
            self.project()

    def roll_back(self, versions: Mapping[str, int]) -> None:
        """Make the versions that were live before live again, all at one instant."""
        self._table.roll_back(self._namespace, versions)
        self.project()

    def release(self, group: FeatureGroupSpec, partition: str, generation: int) -> None:
        """Record that a deferred commit is published from now on, also after the store is lost."""
        self._table.release(
            self._namespace, group.name, group.version, partition=partition, generation=generation
        )

    def drop(self, name: str, version: int) -> RecordedCatalogue:
        """Take a version that is not live out of the catalogue, for ever; its rows stay."""
        recorded = self._table.drop(self._namespace, name, version)
        self.project()
        return recorded

    def project(self) -> Manifest:
        """Make the manifest in force say what is recorded offline; writes nothing if it does.

        Returns:
            The manifest that is then in force.
        """
        while True:
            # The pointer is read before the record: a flip in between makes the swap fail.
            pointer = self._online.manifest_digest()
            recorded = self._table.read(self._namespace)
            try:
                manifest = self.manifest()
            except CatalogueError:
                manifest = Manifest(self._namespace)
            changed = self._projected(recorded, manifest)
            if changed == manifest:
                return manifest
            raw = encode_manifest(replace(changed, previous=pointer))
            name = digest(raw)
            with self._online.errors() as client:
                client.set(store_keys.manifest_key(self._online.catalogue_namespace, name), raw)
            key = store_keys.catalogue_key(self._online.catalogue_namespace)
            if self._online.swap(key, pointer.encode() if pointer else None, name.encode()):
                return decode_manifest(raw)

    def manifest(self) -> Manifest:
        """What is in force in the online store."""
        return self._online.manifest()

    def published(self, name: str, version: int) -> PublishedVersion | None:
        """A version in the manifest; `None` when the online store does not know it."""
        group = self.manifest().groups.get(name)
        return group.versions.get(version) if group else None

    def recorded(self) -> RecordedCatalogue:
        """What the offline store says should be known online."""
        return self._table.read(self._namespace)

    def document(self, name: str) -> FeatureGroupSpec:
        """The group that a document describes.

        Raises:
            CatalogueError: The online store lost it.
        """
        raw = self._stored_document(name)
        if raw is None:
            raise CatalogueError(name=f"document {name}", reason="it is missing")
        return decode_document(raw)

    def _projected(self, recorded: RecordedCatalogue, manifest: Manifest) -> Manifest:
        """The manifest that the record describes; its documents are stored on the way."""
        ids = allocated_ids(self._online)
        groups: dict[str, PublishedGroup] = {}
        for (name, version), each in recorded.versions.items():
            reference = f"{name}@{version}"
            group_id = ids.get(f"{self._namespace}/{reference}") or self._restored_id(
                recorded, (name, version)
            )
            published = PublishedVersion(group_id, digest(each.document))
            known = manifest.groups.get(name, PublishedGroup(None, {}))
            if known.versions.get(version) != published:
                self._store_document(each.document)
            group = groups.setdefault(name, PublishedGroup(recorded.live.get(name), {}))
            group.versions[version] = published
        services = {
            name: service_from_json(json.loads(document))
            for name, document in recorded.services.items()
        }
        return replace(manifest, groups=groups, services={**manifest.services, **services})

    def _restored_id(self, recorded: RecordedCatalogue, key: tuple[str, int]) -> int:
        """An id for a version that lost it, which is its former one unless that was given away."""
        each = recorded.versions[key]
        name, version = key
        group_id = allocate_id(self._online, f"{name}@{version}", each.group_id, recorded.taken_ids)
        if group_id != each.group_id:
            self._table.register(self._namespace, *key, replace(each, group_id=group_id))
        return group_id

    def _store_document(self, document: bytes) -> None:
        with self._online.errors() as client:
            client.set(
                store_keys.document_key(self._online.catalogue_namespace, digest(document)),
                document,
            )

    def _stored_document(self, name: str) -> bytes | None:
        if name not in self._documents:
            with self._online.errors() as client:
                raw = client.get(store_keys.document_key(self._online.catalogue_namespace, name))
            if not isinstance(raw, bytes):
                return None
            self._documents[name] = raw
        return self._documents[name]


def _with_history(group: FeatureGroupSpec, earlier: bytes | None) -> FeatureGroupSpec:
    """The group with the schemas under which its rows were written before, its own last."""
    if earlier is None:
        return group
    *before, last = decode_document(earlier).all_schemas
    if _layout(last) != _layout(group.features):
        before.append(last)
    return replace(group, schemas=(*before, group.features) if before else ())


def _layout(schema: Sequence[FeatureSpec]) -> list[tuple[str, int]]:
    return [(feature.name, feature.dtype) for feature in schema]
