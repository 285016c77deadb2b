"""The speech model over `/v1/audio/transcriptions`."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Form, UploadFile
from fastapi.responses import PlainTextResponse

from chengnao.models.embedded import speech
from chengnao.models.serving import Serving
from chengnao.models.serving.web import application, run


def serve(what: Serving) -> None:
    """Serve until the process is told to end; raises Unavailable without the extra `speech`."""
    model = speech.load_model(what.home)
    one_at_a_time = asyncio.Lock()
    app = application(what)

    def transcribed(data: bytes, language: str | None) -> dict[str, Any]:
        sound = speech.decode(data)
        segments = list(speech.hear(model, sound, language))
        return {
            "text": "".join(each.text for each in segments),
            "language": language,
            "duration": speech.seconds_of(sound),
            "segments": [
                {"id": number, "start": each.start, "end": each.end, "text": each.text, "confidence": each.confidence}
                for number, each in enumerate(segments)
            ],
        }

    @app.post("/v1/audio/transcriptions", response_model=None)
    async def transcriptions(
        file: UploadFile,
        language: Annotated[str | None, Form()] = "zh",
        response_format: Annotated[Literal["json", "verbose_json", "text"], Form()] = "json",
    ) -> PlainTextResponse | dict[str, Any]:
        data = await file.read()
        async with one_at_a_time:
            found = await asyncio.to_thread(transcribed, data, language)
        if response_format == "text":
            return PlainTextResponse(found["text"])
        return found if response_format == "verbose_json" else {"text": found["text"]}

    run(app, what)
