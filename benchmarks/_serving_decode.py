"""What a client does with an answer's bytes: from a protobuf to numpy's arrays."""

import time
from pathlib import Path

from headrace.benchmarks._runs import Cost
from headrace.benchmarks._serving_values import CASES, KEY
from headrace.contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures
from headrace.serving.client import FeatureClient
from headrace.serving.conversation import Conversation
from headrace.serving.question import Question

_TIMES = 3_000


def decode(folder: str, address: str) -> Cost:
    """Microseconds from received bytes to values and statuses in arrays: the least of many."""
    found = {}
    with FeatureClient(address) as client:
        for number, case in enumerate(CASES):
            raw = (Path(folder) / f"{number}.reply").read_bytes()
            conversation = Conversation(address)
            question = Question.of(
                case.names, None, entities={KEY: case.ids}, max_age=None, stale="null"
            )
            # The contracts are asked for once; afterwards a lookup is one question and one answer.
            exchange = conversation.look_up(question)
            contracts = client._connections.method(request := next(exchange))(request)  # noqa: SLF001  # a call that no method makes
            exchange.send(contracts)
            taken = []
            for _ in range(_TIMES):
                exchange = conversation.look_up(question)
                next(exchange)
                begun = time.perf_counter()
                try:
                    exchange.send(RawOnlineFeatures.FromString(raw))
                except StopIteration as end:
                    end.value.to_numpy()
                    _ = end.value.statuses
                taken.append(time.perf_counter() - begun)
            found[case.name] = min(taken) * 1e6
    return found
