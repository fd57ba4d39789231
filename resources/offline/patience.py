"""How long an object store may keep its callers waiting before it counts as unavailable.

delta-rs and polars try ten times by themselves, in five to fifteen seconds a request; whoever asks
for several tables waits for each. Both go by the same limits here, each under its own names.
"""

from collections.abc import Mapping

PATIENCE: Mapping[str, str] = {
    "max_retries": "5",
    "retry_timeout": "15s",
    "connect_timeout": "5s",
    "backoff_config.init_backoff": "100ms",
    "backoff_config.max_backoff": "2s",
}
"""A request is tried again for a second or two while it is refused, and for 15 s while it hangs."""

_RETRIES = "max_retries"
_MILLISECONDS = {
    "retry_timeout": "retry_timeout_ms",
    "backoff_config.init_backoff": "retry_init_backoff_ms",
    "backoff_config.max_backoff": "retry_max_backoff_ms",
}


def polars_options(storage_options: Mapping[str, str]) -> dict[str, str | int] | None:
    """What polars takes for the storage options of delta-rs; `None` without any.

    A limit that is not written in whole milliseconds or seconds is polars' own.
    """
    options: dict[str, str | int] = {}
    for name, value in storage_options.items():
        if name == _RETRIES:
            options[name] = int(value)
        elif name in _MILLISECONDS:
            limit = _milliseconds(value)
            options |= {} if limit is None else {_MILLISECONDS[name]: limit}
        elif not name.startswith("backoff_config."):
            options[name] = value
    return options or None


def _milliseconds(text: str) -> int | None:
    for unit, factor in (("ms", 1), ("s", 1000)):
        number = text.removesuffix(unit)
        if number != text and number.isdecimal():
            return int(number) * factor
    return None
