"""What a pod of a shared deployment finds in its environment; nothing listens at the addresses."""

from collections.abc import Mapping

SHARED = ("staging", "production")


def shared_variables(name: str) -> Mapping[str, str]:
    """The variables that the stores of a deployment are found by."""
    return {
        "HEADRACE_DEPLOYMENT": name,
        "HEADRACE_OFFLINE": "s3://features/offline",
        "HEADRACE_REDIS": "redis+cluster://:password@online-0:6379,online-1:6379",
    }
