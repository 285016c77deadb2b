"""The least that a gateway in Python can be: a key is checked, tokens are counted in memory, the rest passes through.

python -m benchmarks._pass_through PORT VENDOR_URL KEY
"""

import sys
from collections import Counter

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PORT, VENDOR, KEY = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = httpx.AsyncClient(limits=httpx.Limits(max_connections=200, max_keepalive_connections=200), trust_env=False)
used = Counter[str]()


async def chat(request: Request) -> Response:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return Response(status_code=401)
    answer = await client.post(VENDOR + "/chat/completions", json=await request.json())
    used.update({name: count for name, count in answer.json().get("usage", {}).items() if isinstance(count, int)})
    return Response(answer.content, answer.status_code, media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    uvicorn.run(app, port=PORT, log_level="warning", access_log=False)
