"""What the gate keeps back, for commands that show it: quarantined rows and held partitions."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..assets.declarations import Dimension, FeatureGroup, Source
    from .installation import Installation


def quarantined(
    installation: "Installation", declared: "Source | Dimension | FeatureGroup"
) -> list[dict]:
    """The partitions with quarantined rows: how many, since when, from which run."""
    from ..assets.pinned_inputs import asset_name
    from ..assets.quarantine import Quarantine

    quarantine = Quarantine.beside(declared.table, installation.deployment.offline)
    return [
        {
            "asset": asset_name(declared),
            "partition": partition,
            "rows": commit.rows,
            "since": commit.committed_at,
            "run_id": commit.run_id,
            "breaches": commit.verdicts["breaches"],
        }
        for partition, commit in quarantine.commits().items()
    ]


def held(installation: "Installation", group: "FeatureGroup") -> list[dict]:
    """The partitions that wait for approval, and what changed since they were computed."""
    from ..assets.approval import changes_since
    from ..assets.held import HeldPartitions

    store = installation.deployment.offline
    return [
        {
            "feature_group": group.spec.reference,
            "partition": partition,
            "rows": commit.rows,
            "since": commit.committed_at,
            "run_id": commit.run_id,
            "changes": list(changes_since(group, commit, store)),
        }
        for partition, commit in HeldPartitions.beside(group.table, store).waiting().items()
    ]
