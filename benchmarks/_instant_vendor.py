"""A vendor that answers at once: what is measured beside it is what stands in between.

python -m benchmarks._instant_vendor PORT
"""

import asyncio
import json
import re
import sys

TEXT = "您反映的路灯问题已转市政设施处，预计两个工作日内修复。"
BODY = json.dumps(
    {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "instant",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 25, "total_tokens": 145},
    },
    ensure_ascii=False,
).encode()
ANSWER = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Vendor(asyncio.Protocol):
    """Reads requests with a length, answers each with the same words."""

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self.rest, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self.rest) < whole:
                return
            self.rest = self.rest[whole:]
            self.transport.write(ANSWER)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
