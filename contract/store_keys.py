"""Names of what lies in the online store beside the rows.

A flush or a lost primary so loses rows and what is said of them together.

Row keys begin with `{`, these with `headrace`: they cannot meet. `headrace:ids` is shared by all
namespaces of a store, because ids must be unique over them; everything else carries its namespace.
"""

IDS = b"headrace:ids"
"""One JSON map, changed by compare-and-set: `namespace/group@version` to its 2-byte id."""


CLUSTER = b"headrace:cluster"
"""In a Cluster: which slots each primary had when rows were first written, as a JSON list."""


def sweep_key(namespace: str) -> bytes:
    """Where the last walk in search of garbage stopped: a cursor of this very server."""
    return f"headrace:{namespace}:sweep".encode()


def barrier_key(namespace: str) -> bytes:
    """Written before a publish waits for replicas: whoever has that write has all earlier ones."""
    return f"headrace:{namespace}:barrier".encode()


def catalogue_key(namespace: str) -> bytes:
    """The one key that names the live manifest (a content hash)."""
    return f"headrace:{namespace}:catalogue".encode()


def manifest_key(namespace: str, digest: str) -> bytes:
    """An immutable manifest: which version of which group is live, under which document and id."""
    return f"headrace:{namespace}:manifest:{digest}".encode()


def document_key(namespace: str, digest: str) -> bytes:
    """An immutable document of a feature group version."""
    return f"headrace:{namespace}:document:{digest}".encode()


def floor_key(namespace: str, group_id: int) -> bytes:
    """The order below which a row is not live; of upsert groups below every row.

    Absent: the group's state is not, or no longer, complete, and says nothing of any entity.
    """
    return f"headrace:{namespace}:floor:{group_id}".encode()


def watermark_key(namespace: str, group_id: int) -> bytes:
    """An upper bound of the order of every stored row of the group."""
    return f"headrace:{namespace}:watermark:{group_id}".encode()


def intents_key(namespace: str, group_id: int) -> bytes:
    """A hash, partition to the greatest generation whose publish has begun: a fence."""
    return f"headrace:{namespace}:intents:{group_id}".encode()


def markers_key(namespace: str, group_id: int) -> bytes:
    """A hash, partition to the greatest generation whose publish has finished."""
    return f"headrace:{namespace}:markers:{group_id}".encode()


def epoch_key(namespace: str, group_id: int) -> bytes:
    """A hash: `epoch`, drawn when the group's online state began, so that a flush begins another.

    `revision` counts the intents that were raised in it.
    """
    return f"headrace:{namespace}:epoch:{group_id}".encode()
