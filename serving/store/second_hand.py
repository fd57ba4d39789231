"""What a replica or a cache may say: everything but that there is nothing."""

from bisect import bisect
from collections.abc import Mapping, Sequence

from ...contract.order import ORDER_LENGTH, Order, decode_order

_BEHIND_ALL = 2**63


def in_doubt(
    guards: Sequence[int], copies: Sequence[bytes | None], rows: Mapping[int, bytes | None]
) -> list[int]:
    """The places of the rows that have to be read of the primary before they count as absent.

    They are those that are missing, those that lie below the floor (a newer one may be on its way),
    and all of a group whose floor is missing. Groups without floors have one below every row.

    Args:
        guards: The places of the guards in the reading, ascending; each judges the rows behind it.
        copies: What was read of each.
        rows: What was read of the rows, by their places.
    """
    floors = [None if copy is None else _order(copy) for copy in copies]
    doubtful = []
    ends = [*guards[1:], _BEHIND_ALL]
    guard, first, last = -1, 0, guards[0] if guards else _BEHIND_ALL
    known: bytes | None = None
    is_doubtful = False
    for at, row in rows.items():
        if not first <= at < last:
            guard = bisect(guards, at) - 1
            first, last = (guards[guard], ends[guard]) if guard >= 0 else (0, guards[0])
            known = None
        if row is None:
            doubtful.append(at)
        elif guard >= 0:
            # Rows of one publish share their head: most are judged once.
            head = row[:ORDER_LENGTH]
            if head != known:
                known, is_doubtful = head, _is_below(_order(row), floors[guard])
            if is_doubtful:
                doubtful.append(at)
    return doubtful


def _is_below(order: Order | None, floor: Order | None) -> bool:
    return order is None or floor is None or order < floor


def _order(raw: bytes) -> Order | None:
    try:
        return decode_order(raw)
    except ValueError:
        return None
