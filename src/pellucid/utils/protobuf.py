"""Read integers of protobuf messages, the format of ONNX files."""


def read_varint(message: bytes | memoryview, position: int) -> tuple[int, int]:
    """Return the integer that starts at a position, seven bits in each byte, and the position after it.

    Raises:
        ValueError: if it has more than ten bytes.
        IndexError: if the message ends within it.
    """
    value = 0
    for count in range(10):
        byte = message[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, position + count + 1
    raise ValueError("an integer of more than ten bytes")
