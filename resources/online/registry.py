"""The registry: which groups, versions and services the online store can answer for.

Offline is the truth, as for rows: ids, documents and flips are recorded in the catalogue table
first, and only then stand in the online store, where one key names the manifest in force.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...contract import store_keys
from ...contract.catalogue import Manifest, PublishedVersion, encode_manifest
from ...contract.document import decode_document, digest, encode_document
from ...contract.errors import CatalogueError, IdsExhaustedError, UnknownNameError
from ...contract.feature_group import FeatureGroupSpec, FeatureServiceSpec, FeatureSpec
from ...contract.keys import MAX_GROUP_ID
from ..offline.catalogue_table import CatalogueTable, RecordedCatalogue, RecordedVersion
from ..offline.offline_store import OfflineStore
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
        """
        published = self.published(group.name, group.version)
        if published is not None:
            known = self._stored_document(published.document)
            if known is not None and encode_document(_with_history(group, known)) == known:
                return published
        recorded = self._table.read(self._namespace)
        earlier = recorded.versions.get((group.name, group.version))
        document = encode_document(_with_history(group, earlier.document if earlier else None))
        group_id = self._allocated(group, recorded)
        self._table.register(
            self._namespace, group.name, group.version, RecordedVersion(group_id, document)
        )
        published = PublishedVersion(group_id, digest(document))
        self._store_document(document)
        self._flip(lambda manifest: manifest.with_version(group.name, group.version, published))
        return published

    def register_services(self, services: Sequence[FeatureServiceSpec]) -> None:
        """Make feature services known, or replace what is known of them; others stay."""
        changed = {service.name: service for service in services}
        self._flip(lambda manifest: replace(manifest, services={**manifest.services, **changed}))

    def go_live(self, name: str, version: int) -> None:
        """Make a registered version the one that an unversioned reference means.

        Raises:
            UnknownNameError: It is not registered.
        """
        if self.published(name, version) is None:
            versions = self.manifest().groups
            raise UnknownNameError(
                kind="published feature group version",
                name=f"{name}@{version}",
                known=[
                    f"{group}@{number}" for group in versions for number in versions[group].versions
                ],
            )
        self._table.go_live(self._namespace, name, version)
        self._flip(lambda manifest: manifest.with_live(name, version))

    def go_live_first(self, name: str, version: int) -> None:
        """Make a version live if none of its group ever was; gives back what a flush took, too."""
        if self.manifest().groups[name].live is not None:
            return
        live = self._table.go_live(self._namespace, name, version, if_first=True).live[name]
        if self.published(name, live) is not None:
            self._flip(lambda manifest: manifest.with_live(name, live))

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

    def _allocated(self, group: FeatureGroupSpec, recorded: RecordedCatalogue) -> int:
        """The id of a group version in this store; unique over its namespaces, never reused."""
        name = f"{self._namespace}/{group.reference}"
        earlier = recorded.versions.get((group.name, group.version))
        while True:
            with self._online.errors() as client:
                raw = client.get(store_keys.IDS)
            ids: dict[str, int] = json.loads(raw) if isinstance(raw, bytes) else {}
            if name in ids:
                return ids[name]
            taken = set(ids.values())
            # After a flush another namespace may have been given our former id.
            if earlier is not None and earlier.group_id not in taken:
                group_id = earlier.group_id
            else:
                group_id = max([0, *taken, *recorded.taken_ids]) + 1
            if group_id > MAX_GROUP_ID:
                raise IdsExhaustedError(group=group.reference, limit=MAX_GROUP_ID)
            changed = json.dumps({**ids, name: group_id}, sort_keys=True).encode()
            if self._online.swap(store_keys.IDS, raw if isinstance(raw, bytes) else None, changed):
                return group_id

    def _flip(self, change: Callable[[Manifest], Manifest]) -> None:
        while True:
            pointer = self._online.manifest_digest()
            manifest = self.manifest()
            changed = change(manifest)
            if changed == manifest:
                return
            raw = encode_manifest(replace(changed, previous=pointer))
            name = digest(raw)
            with self._online.errors() as client:
                client.set(store_keys.manifest_key(self._namespace, name), raw)
            key = store_keys.catalogue_key(self._namespace)
            if self._online.swap(key, pointer.encode() if pointer else None, name.encode()):
                return

    def _store_document(self, document: bytes) -> None:
        with self._online.errors() as client:
            client.set(store_keys.document_key(self._namespace, digest(document)), document)

    def _stored_document(self, name: str) -> bytes | None:
        if name not in self._documents:
            with self._online.errors() as client:
                raw = client.get(store_keys.document_key(self._namespace, name))
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
