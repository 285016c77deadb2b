"""The public set of recorded frames, as bytes."""

import orjson

from tests.support.shared import SHARED


def recorded(protocol: str) -> list[bytes]:
    """All records of the protocol, right and wrong ones; none where the set is absent."""
    path = SHARED / "frames" / f"{protocol}.jsonl"
    if not path.exists():
        return []
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [bytes.fromhex(each["hex"]) if "hex" in each else each["text"].encode("gb18030") for each in records]
