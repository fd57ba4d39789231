"""What one writes without thinking twice: grpc.aio, an HMGET for each entity, a message per value.

.venv/bin/python benchmarks/_serving_straight.py PORT REDIS_PORT
"""

import asyncio
import sys

import grpc.aio
import redis.asyncio as redis
from google.protobuf.struct_pb2 import ListValue, Value

from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb

SERVICE, NAME = "straight.FeatureService", "GetOnlineFeatures"


def key(group: str, entity: int) -> str:
    """The hash that holds an entity's features, as text by their names."""
    return f"straight:{group}:{entity}"


async def main(port: int, redis_port: int) -> None:
    """Serve until the process is killed."""
    store = redis.Redis(port=redis_port)

    async def answer(request: pb.GetOnlineFeaturesRequest, _: object) -> ListValue:
        names: dict[str, list[str]] = {}
        for feature in request.features:
            group, _, name = feature.partition(":")
            names.setdefault(group, []).append(name)
        (column,) = request.entities
        async with store.pipeline(transaction=False) as reads:
            for entity in column.int64_values.values:
                for group, features in names.items():
                    reads.hmget(key(group, entity), features)
            found = iter(await reads.execute())
        rows = []
        for _ in column.int64_values.values:
            values = [Value(number_value=float(each)) for _ in names for each in next(found)]
            rows.append(Value(list_value=ListValue(values=values)))
        return ListValue(values=rows)

    server = grpc.aio.server()
    method: grpc.RpcMethodHandler[pb.GetOnlineFeaturesRequest, ListValue] = (
        grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=pb.GetOnlineFeaturesRequest.FromString,
            response_serializer=ListValue.SerializeToString,
        )
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {NAME: method}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
