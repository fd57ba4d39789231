from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.streaming import answer_reply, error_reply, legible_id

IDS = st.integers(0, 2**64 - 1)


@given(IDS, st.binary(max_size=300), st.integers(0, 5))
def test_the_id_of_a_message_whose_rest_is_broken_is_read(
    request_id: int, rest: bytes, cut: int
) -> None:
    whole = pb.StreamOnlineFeaturesRequest(id=request_id).SerializeToString()

    assert legible_id(whole + b"\x12" + rest) == request_id
    assert 0 <= legible_id(whole[:cut]) < 2**64


@given(st.binary(max_size=30))
def test_of_any_bytes_an_id_is_read_that_a_reply_can_carry(raw: bytes) -> None:
    reply = pb.StreamOnlineFeaturesResponse.FromString(error_reply(legible_id(raw), 3, "no"))

    assert (reply.error.code, reply.error.message) == (3, "no")


@given(IDS, st.integers(0, 300))
def test_a_reply_is_what_protobuf_makes_of_id_and_response(request_id: int, groups: int) -> None:
    response = pb.GetOnlineFeaturesResponse(
        groups=[pb.FeatureGroupRows(feature_group="g", version=1)] * groups, answered_at=5
    )

    reply = pb.StreamOnlineFeaturesResponse.FromString(
        answer_reply(request_id, response.SerializeToString())
    )

    assert reply == pb.StreamOnlineFeaturesResponse(id=request_id, response=response)
