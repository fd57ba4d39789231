"""Some features of a group, as answers to requests that want no others have them."""

from collections.abc import Collection
from dataclasses import dataclass

from ..contract.feature_group import FeatureGroupSpec
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.row_projection import RowProjection
from .contract_messages import schema_message


@dataclass(frozen=True, slots=True)
class GroupProjection:
    """Some features of a group.

    Attributes:
        rows: Cuts them out of stored rows.
        header: The field of `FeatureGroupRows` that describes them, serialized.
    """

    rows: RowProjection
    header: bytes

    @classmethod
    def of(cls, spec: FeatureGroupSpec, names: Collection[str]) -> "GroupProjection | None":
        """The features of these names; `None` where they are all."""
        if len(names) == len(spec.features):
            return None
        rows = RowProjection(spec.all_schemas, names)
        header = pb.FeatureGroupRows(projection=schema_message(rows.features))
        return cls(rows, header.SerializeToString())
