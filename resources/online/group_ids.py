"""The ids that stand for group versions in every row's key: unique over the namespaces of a store.

An id is never given out twice, not even after its version was dropped: a row that was left behind
under it must never be taken for another group's.
"""

import json
from collections.abc import Set as AbstractSet

from ...contract import store_keys
from ...contract.errors import IdsExhaustedError
from ...contract.keys import MAX_GROUP_ID
from .online_store import OnlineStore


def allocated_ids(online: OnlineStore) -> dict[str, int]:
    """Every id of the store, of all its namespaces, by `namespace/group@version`."""
    return _decoded(_stored(online))


def allocate_id(
    online: OnlineStore, reference: str, former: int | None, taken: AbstractSet[int]
) -> int:
    """The id of a group version in this store; gives one out if it has none.

    Args:
        online: The store, and the namespace in it.
        reference: `group@version`.
        former: The id that it had, here or in another store: it gets that again, unless another
            namespace was given it after a flush.
        taken: Ids that stood for something, and are not given out anew.

    Raises:
        IdsExhaustedError: The store gave out all that there are.
    """
    name = f"{online.namespace}/{reference}"
    while True:
        stored = _stored(online)
        ids = _decoded(stored)
        if name in ids:
            return ids[name]
        in_use = set(ids.values())
        group_id = former
        if group_id is None or group_id in in_use:
            group_id = max([0, *in_use, *taken]) + 1
        if group_id > MAX_GROUP_ID:
            raise IdsExhaustedError(group=reference, limit=MAX_GROUP_ID)
        changed = json.dumps({**ids, name: group_id}, sort_keys=True).encode()
        if online.swap(store_keys.IDS, stored, changed):
            return group_id


def _stored(online: OnlineStore) -> bytes | None:
    with online.errors() as client:
        raw = client.get(store_keys.IDS)
    return raw if isinstance(raw, bytes) else None


def _decoded(stored: bytes | None) -> dict[str, int]:
    return dict(json.loads(stored)) if stored else {}
