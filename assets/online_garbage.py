"""Keeping the online store free of rows that nobody reads, a night at a time."""

import time
from dataclasses import fields, replace
from datetime import timedelta

from ..resources.deployments import Deployment
from ..resources.online.garbage import Collection, collect_garbage

PATIENCE = timedelta(minutes=20)
_KEYS_AT_ONCE = 1_000_000
"""Of which a call keeps what has to be looked up offline: some 200 MB."""


def collect(
    deployment: Deployment,
    *,
    patience: timedelta = PATIENCE,
    keys_at_once: int = _KEYS_AT_ONCE,
) -> Collection:
    """Walk over the online store from where the last walk stopped, to its end or for a while.

    Safe beside publishes and lookups, and may be killed at any time.

    Args:
        deployment: Its stores. The embedded online store is started.
        patience: After which no further part of the walk is begun.
        keys_at_once: How long such a part is.

    Returns:
        What all parts found together; it is `finished` when the end was reached.

    Raises:
        StoreUnavailableError: A store broke off; what was removed till then is gone.
    """
    deadline = time.monotonic() + patience.total_seconds()
    whole = Collection()
    with deployment.publishing() as publishing:
        while not whole.finished:
            part = collect_garbage(
                online=publishing.online,
                offline=deployment.offline,
                registry=publishing.registry,
                budget=keys_at_once,
            )
            whole = _together(whole, part)
            if time.monotonic() >= deadline:
                break
    return whole


def _together(whole: Collection, part: Collection) -> Collection:
    counts = [each.name for each in fields(Collection) if each.name != "finished"]
    added = {name: getattr(whole, name) + getattr(part, name) for name in counts}
    return replace(part, **added)
