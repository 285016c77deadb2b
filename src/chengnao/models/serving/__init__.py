"""One model over OpenAI-compatible HTTP on loopback: what a deployment's replicas run, and a developer by hand.

    python -m chengnao.models.serving --model ID --port N

The process serves until it is told to end. It listens on 127.0.0.1 alone; whoever is not on this machine comes through
the gateway, which knows who asks and what it costs.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from chengnao.kernel.errors import Invalid, Unavailable
from chengnao.models.card import CARD, Card, ModelFormat, ModelKind, known_card, read_card

HOST = "127.0.0.1"
_SERVERS = {
    ModelKind.CHAT: "chengnao.models.serving.llama:serve",
    ModelKind.EMBEDDING: "chengnao.models.serving.embedding:serve",
    ModelKind.TRANSCRIPTION: "chengnao.models.serving.transcription:serve",
}


@dataclass(frozen=True)
class Serving:
    """What is served, and with what."""

    card: Card
    home: Path
    folder: Path
    """Where the card's files lie."""
    port: int
    threads: int

    @property
    def name(self) -> str:
        """What the model calls itself in its answers."""
        return f"{self.card.id}@{self.card.version}"


def serving(home: Path, model_id: str, folder: str | None, port: int, threads: int) -> Serving:
    """The model of that id, whose files lie in `folder` of the data folder; None: where `pull` puts them.

    Raises Invalid where the model cannot be served, Unavailable where its files are not there.
    """
    place = home / (folder or f"models/{model_id}")
    card = read_card(place / CARD) if (place / CARD).exists() else known_card(home, model_id)
    if card.kind not in _SERVERS or (card.kind is ModelKind.CHAT and card.format is not ModelFormat.GGUF):
        raise Invalid("serving_not_possible", field="id", value=model_id, kind=card.kind.zh, kind_en=card.kind.en)
    for file in card.files:
        if file.inside is None and card.kind is ModelKind.CHAT and not (place / file.name).exists():
            raise Unavailable("model_not_pulled", retry_after=3600, id=model_id)
    return Serving(card, home, place, port, threads)


def serve(what: Serving) -> None:
    """Serve until the process is told to end; raises Unavailable where what the model runs on is not installed."""
    module, _, function = _SERVERS[what.card.kind].partition(":")
    getattr(import_module(module), function)(what)
