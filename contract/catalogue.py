"""The manifest: which version of which group is live in a namespace, under which document and id.

A manifest is immutable and named by its content hash. One key of the online store names the
manifest in force; a flip, also of several groups at once, is a compare-and-set on that key.
"""

from dataclasses import dataclass, field, replace

from .document import FORMAT, canonical_json, read_json, service_from_json, service_to_json
from .feature_group import FeatureServiceSpec


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """One published version of a group.

    Attributes:
        group_id: The 2-byte id that stands for (namespace, group, version) in every key.
        document: The content hash of its document.
    """

    group_id: int
    document: str


@dataclass(frozen=True, slots=True)
class PublishedGroup:
    """A group in the manifest.

    Attributes:
        live: The version that an unversioned reference means, if any.
        versions: Everything that is published of it, by version.
    """

    live: int | None
    versions: dict[int, PublishedVersion]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that is published in one namespace, at one moment.

    Attributes:
        previous: The content hash of the manifest that this one replaced; what `rollback` goes back
            to.
    """

    namespace: str
    groups: dict[str, PublishedGroup] = field(default_factory=dict)
    services: dict[str, FeatureServiceSpec] = field(default_factory=dict)
    previous: str | None = None

    def with_version(self, group: str, version: int, published: PublishedVersion) -> "Manifest":
        """This manifest with one version of a group added or replaced; what is live stays."""
        known = self.groups.get(group, PublishedGroup(None, {}))
        changed = replace(known, versions={**known.versions, version: published})
        return replace(self, groups={**self.groups, group: changed})

    def with_live(self, group: str, version: int) -> "Manifest":
        """This manifest with another live version of a group, which it must hold already."""
        return replace(
            self, groups={**self.groups, group: replace(self.groups[group], live=version)}
        )


def encode_manifest(manifest: Manifest) -> bytes:
    """The canonical JSON of a manifest."""
    return canonical_json(
        {
            "format": FORMAT,
            "namespace": manifest.namespace,
            "previous": manifest.previous,
            "groups": {
                name: {
                    "live": group.live,
                    "versions": {
                        str(version): {"id": published.group_id, "document": published.document}
                        for version, published in group.versions.items()
                    },
                }
                for name, group in manifest.groups.items()
            },
            "services": {
                name: service_to_json(service) for name, service in manifest.services.items()
            },
        },
    )


def decode_manifest(raw: bytes) -> Manifest:
    """The manifest that these bytes hold.

    Raises:
        ValueError: Its format is not one that this release reads.
    """
    manifest = read_json(raw, kind="manifest")
    return Manifest(
        namespace=manifest["namespace"],
        previous=manifest["previous"],
        groups={
            name: PublishedGroup(
                group["live"],
                {
                    int(version): PublishedVersion(published["id"], published["document"])
                    for version, published in group["versions"].items()
                },
            )
            for name, group in manifest["groups"].items()
        },
        services={
            name: service_from_json(service) for name, service in manifest["services"].items()
        },
    )
