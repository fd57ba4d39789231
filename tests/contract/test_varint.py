from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.varint import varint


@given(st.integers(1, 2**64 - 1))
def test_protobuf_reads_what_is_written(value: int) -> None:
    assert pb.StreamOnlineFeaturesRequest.FromString(b"\x08" + varint(value)).id == value
    assert pb.StreamOnlineFeaturesRequest(id=value).SerializeToString() == b"\x08" + varint(value)


def test_zero_is_one_byte() -> None:
    assert varint(0) == b"\x00"
