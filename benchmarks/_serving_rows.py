"""The rows of `serving.py` in the store, as we and as the straightforward server keep them."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import redis
from google.protobuf.struct_pb2 import ListValue

from headrace.benchmarks._serving_straight import key
from headrace.benchmarks._serving_values import CASES, ENTITIES, GROUPS, KEY, feature_names, value
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.client import FeatureClient
from headrace.tests.serving.publishing import Publisher

if TYPE_CHECKING:
    from headrace.contract.keys import KeyValue
    from headrace.contract.rows import Value

OURS = "/headrace.v1.FeatureService/GetOnlineFeatures"
ANSWERED_AT = 8
"""The last bytes of our answers: when they were made."""

_CUSTOMER = EntitySpec("customer", (JoinKey(KEY, DType.INT64),))


def write(port: int) -> None:
    """Publish every group, and write the same values as hashes."""
    with redis.Redis(port=port) as store:
        publisher = Publisher(store, "default")
        for group, count in GROUPS.items():
            rows: dict[tuple[KeyValue, ...], list[Value]] = {
                (entity,): [value(group, entity, number) for number in range(count)]
                for entity in range(ENTITIES)
            }
            publisher.publish(_spec(group), rows)
            with store.pipeline(transaction=False) as writes:
                for entity in range(ENTITIES):
                    values = [repr(value(group, entity, number)) for number in range(count)]
                    named = dict(zip(feature_names(group), values, strict=True))
                    writes.hset(key(group, entity), mapping=named)
                writes.execute()


def write_requests(folder: Path) -> None:
    """The requests that we and the straightforward server take, by the number of the case."""
    for number, case in enumerate(CASES):
        request = pb.GetOnlineFeaturesRequest(
            features=case.names,
            entities=[
                pb.EntityColumn(join_key=KEY, int64_values=pb.Int64Values(values=case.ids)),
            ],
        )
        (folder / f"{number}.request").write_bytes(request.SerializeToString())


def check(folder: Path, address: str, method: str, *, roots: bytes | None = None) -> None:
    """Compare what a server answers with what is right, and keep the answers.

    With root certificates, over TLS.

    Raises:
        RuntimeError: It answers wrongly.
    """
    credentials = None if roots is None else grpc.ssl_channel_credentials(roots)
    for number, case in enumerate(CASES):
        with _channel(address, credentials) as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            request = (folder / f"{number}.request").read_bytes()
            raw = call(request, wait_for_ready=True, timeout=60)
        (folder / f"{number}.reply").write_bytes(raw)
        if method == OURS:
            with FeatureClient(address, credentials=credentials) as client:
                got = client.get_online_features(case.names, entities={KEY: case.ids})
            found = got.to_numpy().tolist()
        else:
            rows = ListValue.FromString(raw).values
            found = [[each.number_value for each in row.list_value.values] for row in rows]
        if found != case.values:
            message = f"{address} answers {case.name} wrongly"
            raise RuntimeError(message)


def _channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, credentials)


def _spec(group: str) -> FeatureGroupSpec:
    return FeatureGroupSpec(
        name=group,
        version=1,
        entity=_CUSTOMER,
        features=tuple(FeatureSpec(name, DType.FLOAT64) for name in feature_names(group)),
        ttl=timedelta(days=36_500),
        online=Online.SNAPSHOT,
        owners=("team:benchmark",),
        partitions="DAILY",
    )
