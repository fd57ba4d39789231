"""Feature groups as the proto spells them, written by the server and read by the clients."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from ..contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureServiceSpec,
    FeatureSpec,
    JoinKey,
)
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.row_batches import BatchDecoder
from ..contract.rows import codecs


def contract_message(
    spec: FeatureGroupSpec, contract_id: str, *, live: bool
) -> pb.FeatureGroupContract:
    """What a client has to know to ask for rows of this group and to decode them."""
    message = pb.FeatureGroupContract(
        name=spec.name,
        version=spec.version,
        contract_id=contract_id,
        entity=spec.entity.name,
        join_keys=[
            pb.JoinKey(name=key.name, data_type=f"DATA_TYPE_{key.dtype.name}")
            for key in spec.entity.join_keys
        ],
        schemas=[schema_message(schema) for schema in spec.all_schemas],
        description=spec.description,
        owners=spec.owners,
        online=spec.online or "",
        live=live,
        status=spec.status,
    )
    if spec.ttl is not None:
        message.ttl.FromTimedelta(spec.ttl)
    return message


def schema_message(features: Iterable[FeatureSpec]) -> pb.RowSchema:
    """What a client has to know to decode rows of these features."""
    return pb.RowSchema(
        features=[
            pb.Feature(
                name=feature.name,
                data_type=f"DATA_TYPE_{feature.dtype.name}",
                nullable=feature.nullable,
                description=feature.description,
            )
            for feature in features
        ]
    )


def service_message(spec: FeatureServiceSpec, service_id: str) -> pb.FeatureServiceContract:
    """What a client has to know to ask for a feature service."""
    return pb.FeatureServiceContract(
        name=spec.name,
        version=spec.version,
        features=spec.features,
        owners=spec.owners,
        description=spec.description,
        service_id=service_id,
    )


def summary_message(spec: FeatureGroupSpec, *, live: bool) -> pb.FeatureGroupSummary:
    """One line of the list of feature groups."""
    return pb.FeatureGroupSummary(
        name=spec.name,
        version=spec.version,
        live=live,
        entity=spec.entity.name,
        feature_count=len(spec.features),
        description=spec.description,
        owners=spec.owners,
    )


@dataclass(frozen=True, slots=True)
class GroupContract:
    """How to ask for rows of one group version, and how to decode them.

    Attributes:
        features: The current schema.
        decoder: Of rows of every schema that a row may have been written under.
        ttl: The greatest age at which a row is known; `None` for ever.
    """

    name: str
    version: int
    contract_id: str
    entity: EntitySpec
    features: tuple[FeatureSpec, ...]
    decoder: BatchDecoder
    ttl: timedelta | None
    live: bool
    description: str
    owners: tuple[str, ...]


def group_contract(message: pb.FeatureGroupContract) -> GroupContract:
    """The contract that a message describes."""
    schemas = [_features(schema) for schema in message.schemas]
    return GroupContract(
        name=message.name,
        version=message.version,
        contract_id=message.contract_id,
        entity=EntitySpec(
            message.entity,
            tuple(JoinKey(key.name, DType(key.data_type)) for key in message.join_keys),
        ),
        features=schemas[-1],
        decoder=BatchDecoder(codecs(schemas)),
        ttl=message.ttl.ToTimedelta() if message.HasField("ttl") else None,
        live=message.live,
        description=message.description,
        owners=tuple(message.owners),
    )


def projected_contract(contract: GroupContract, projection: pb.RowSchema) -> GroupContract:
    """The contract under which rows are decoded that hold these features alone."""
    return replace(contract, decoder=BatchDecoder(codecs([_features(projection)])))


def _features(schema: pb.RowSchema) -> tuple[FeatureSpec, ...]:
    return tuple(
        FeatureSpec(feature.name, DType(feature.data_type), feature.nullable, feature.description)
        for feature in schema.features
    )
