"""How the catalogue is read: one key names the manifest, which names the documents."""

from collections.abc import Mapping

from ..contract.catalogue import Manifest, PublishedVersion, decode_manifest
from ..contract.document import canonical_json, decode_document, digest, service_to_json
from ..contract.errors import CatalogueError
from ..contract.feature_group import FeatureGroupSpec, FeatureServiceSpec
from ..contract.keys import entity_encoder, group_prefix
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.status import microseconds
from ..contract.store_keys import (
    catalogue_key,
    document_key,
    floor_key,
    manifest_key,
    watermark_key,
)
from .contract_messages import contract_message, service_message, summary_message
from .contracts import ServedGroup, ServedService, Snapshot
from .reading import Reading


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
