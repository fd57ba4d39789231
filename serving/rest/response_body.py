"""Answers as JSON: what was looked up, what exists, and how a group is to be asked."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import TooLargeError
from ...contract.json_values import instant, seconds, to_json
from ...contract.proto.headrace.v1 import feature_service_pb2 as pb
from ...contract.rows import from_microseconds
from ...contract.status import Status
from ..contract_messages import group_contract
from ..online_features import OnlineFeatures


def lookup_body(
    answer: OnlineFeatures, entities: Mapping[str, Sequence[object]], limit: int
) -> dict[str, Any]:
    """An answer with one inner list per entity, which has one item per feature name.

    Raises:
        TooLargeError: It would have more values than the limit.
    """
    names = answer.feature_names
    if len(answer) * len(names) > limit:
        raise TooLargeError(
            what="values (entities × features)", count=len(answer) * len(names), limit=limit
        )
    exists = answer.table_versions >= 0
    instants = np.unique(answer.event_timestamps[exists])
    spelled = {moment: _instant(moment) for moment in instants.astype(np.int64).tolist()}
    return {
        "feature_names": names,
        "entities": to_json(entities),
        "values": [[to_json(row[name]) for name in names] for row in answer.to_dicts()],
        "statuses": [[_STATUSES[status] for status in row] for row in answer.statuses.tolist()],
        "event_timestamps": [
            [spelled.get(moment) for moment in row]
            for row in _spread(answer, answer.event_timestamps.astype(np.int64)).tolist()
        ],
        "table_versions": _where(exists, answer.table_versions, answer),
        "generations": _where(exists, answer.generations, answer),
        "feature_groups": [
            {"name": name, "version": version}
            for name, version in zip(answer.groups, answer.versions, strict=True)
        ],
        "answered_at": _instant(int(answer.answered_at.astype(np.int64))),
    }


def groups_body(response: pb.ListFeatureGroupsResponse) -> dict[str, Any]:
    """Every published version of every group."""
    return {
        "feature_groups": [
            {
                "name": group.name,
                "version": group.version,
                "live": group.live,
                "entity": group.entity,
                "feature_count": group.feature_count,
                "description": group.description,
                "owners": list(group.owners),
            }
            for group in response.feature_groups
        ]
    }


def group_body(message: pb.FeatureGroupContract) -> dict[str, Any]:
    """One version of a group: whom it describes, and what one may ask."""
    group = group_contract(message)
    return {
        "name": group.name,
        "version": group.version,
        "live": group.live,
        "status": message.status,
        "online": message.online,
        "entity": group.entity.name,
        "join_keys": [
            {"name": key.name, "data_type": key.dtype.name} for key in group.entity.join_keys
        ],
        "features": [
            {
                "name": feature.name,
                "data_type": feature.dtype.name,
                "nullable": feature.nullable,
                "description": feature.description,
            }
            for feature in group.features
        ],
        "ttl_seconds": None if group.ttl is None else seconds(group.ttl),
        "description": group.description,
        "owners": list(group.owners),
        "contract_id": group.contract_id,
    }


_STATUSES = [status.name for status in Status]


def _spread(
    answer: OnlineFeatures, per_group: npt.NDArray[np.int64 | np.bool_]
) -> npt.NDArray[Any]:
    """An array of (entities × groups) as one of (entities × features)."""
    spread: npt.NDArray[Any] = per_group[:, answer.group_index]
    return spread


def _where(
    exists: npt.NDArray[np.bool_], per_group: npt.NDArray[np.int64], answer: OnlineFeatures
) -> list[list[int | None]]:
    return [
        [number if there else None for number, there in zip(*pair, strict=True)]
        for pair in zip(
            _spread(answer, per_group).tolist(), _spread(answer, exists).tolist(), strict=True
        )
    ]


def _instant(microseconds: int) -> str:
    return instant(from_microseconds(microseconds))
