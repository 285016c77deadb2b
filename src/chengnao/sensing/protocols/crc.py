"""Checks of 16 bits over the polynomial A001, bit-reversed 8005."""


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


TABLE = _table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS. Which byte of it goes first on the wire is the protocol's own: low in Modbus, high in SL 651."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc
