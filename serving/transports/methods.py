"""What the server is asked by name, whichever transport the request came by."""

from collections.abc import Callable, Mapping

from ...contract.proto.headrace.v1 import feature_service_pb2
from ..handler import Handler
from ..health import SERVICE as HEALTH_SERVICE
from ..reading import Reading

SERVICE = feature_service_pb2.DESCRIPTOR.services_by_name["FeatureService"].full_name

REFLECTION_SERVICES = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
"""Both names that clients ask for; the messages are the same."""

REFLECTED_SERVICES = (SERVICE, HEALTH_SERVICE, *REFLECTION_SERVICES)

DRAINING = "the server is draining; what was asked before is answered, open a new call"
"""What streams end with when the server does; their status is UNAVAILABLE."""

Unary = Callable[[bytes], Reading[bytes]]


def unary_methods(handler: Handler) -> Mapping[str, Unary]:
    """The methods of the service that answer one message with one."""
    return {
        "GetOnlineFeatures": handler.get_online_features,
        "GetContract": handler.get_contract,
        "ListFeatureGroups": handler.list_feature_groups,
    }
