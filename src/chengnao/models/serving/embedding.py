"""The embedding model over `/v1/embeddings`."""

import asyncio
import base64
from typing import Any

from fastapi import Request

from chengnao.kernel.errors import Invalid
from chengnao.models.embedded.embedding import embed
from chengnao.models.serving import Serving
from chengnao.models.serving.web import application, body_of, run

_TEXTS = 2048
"""In one request, as with OpenAI."""


def serve(what: Serving) -> None:
    """Serve until the process is told to end."""
    app = application(what)

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> dict[str, Any]:
        body = await body_of(request)
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not 1 <= len(texts) <= _TEXTS or not all(isinstance(t, str) for t in texts):
            raise Invalid("serving_body", field="input", reason=f"input: 1..{_TEXTS} texts")
        rows = await asyncio.to_thread(embed, texts)
        packed = body.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode() if packed else row.tolist(),
            }
            for index, row in enumerate(rows)
        ]
        return {"object": "list", "model": what.name, "data": data}

    embed(["预热"])
    run(app, what)
