"""How protobuf writes whole numbers: seven bits a byte, the least significant first."""

CONTINUES = 0x80
"""The bit of every byte but the last."""


def varint(value: int) -> bytes:
    """A number of zero or more."""
    encoded = bytearray()
    while value >= CONTINUES:
        encoded.append(value & 0x7F | CONTINUES)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
