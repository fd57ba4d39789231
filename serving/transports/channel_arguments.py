"""What grpcio itself is told to refuse, the same for both transports."""

from ..settings import Limits

_KEEPALIVE_MILLISECONDS = 60_000
_PINGS_APART_MILLISECONDS = 10_000
_PENDING, _PENDING_AT_MOST = 1_000, 3_000
_SPARE_CALLS = 512


def open_at_most(limits: Limits) -> int:
    """How many calls of all kinds a server takes: what `limits` allow, and room for more.

    The room is for checks of health, and for calls that are told that they are too many.
    """
    return limits.calls + limits.streams + limits.watches + _SPARE_CALLS


def channel_arguments(limits: Limits, *, shares_port: bool) -> list[tuple[str, int]]:
    """The options of a server.

    Args:
        limits: The server's.
        shares_port: Other workers of the same supervisor listen on the port, too. Otherwise a
            second server on a taken port would get every other connection, so it is refused.
    """
    return [
        ("grpc.so_reuseport", int(shares_port)),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_concurrent_streams", open_at_most(limits)),  # of one connection
        # Beyond these, calls that nobody has taken yet are shed at no cost to Python, but with the
        # status CANCELLED: a last resort, of which a burst of honest calls must stay clear.
        ("grpc.server.max_pending_requests", _PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _PENDING_AT_MOST),
        # Peers that vanished without a word give their descriptor back within two minutes.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _PINGS_APART_MILLISECONDS),
    ]
