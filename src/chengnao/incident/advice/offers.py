"""The rules of the agents that advise, and each of them as a tool that proposes."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from chengnao.agents.general.proposals import proposing
from chengnao.agents.tools import Rule, Tool
from chengnao.incident.advice import explaining, rules, searching, talking

VIEW = "incident.read"


class QueryIn(BaseModel):
    query: Annotated[str, Field(min_length=1, max_length=200)]


class WarningIn(BaseModel):
    """Give the warning, or facts: device, category, level, direction, threshold, unit, points (minutes ago, value)."""

    warning_id: Annotated[str | None, Field(max_length=64)] = None
    facts: dict[str, Any] | None = None


class QuestionIn(BaseModel):
    question: Annotated[str, Field(min_length=1, max_length=500)]


class CallIn(BaseModel):
    """Give the recording, or a transcript that is there already."""

    transcript: Annotated[str | None, Field(max_length=4000)] = None
    draft_id: Annotated[str | None, Field(max_length=64)] = None


class LookIn(BaseModel):
    """Give the photo, or measures: persons, brightness, contrast, sharpness, width, height."""

    photo_id: Annotated[str | None, Field(max_length=64)] = None
    measures: dict[str, Any] | None = None
    crowd_at: Annotated[int | None, Field(ge=1, le=10_000)] = None


SMART_SEARCH = Rule("smart-search", "按词检索事件、知识和设备", searching.smart_search)
INCIDENT_TRIAGE = Rule("incident-triage", "按分类器、等级规则和责任清单给出研判", rules.triage)
RECOMMENDATION = Rule("recommendation", "相似案例、知识依据和承办单位", rules.recommendation)
WARNING_EXPLANATION = Rule("warning-explanation", "按规则、读数和以往处置解释预警", explaining.warning_explanation)
CUSTOMER_SERVICE = Rule("customer-service", "按公开知识摘录作答，并告知反映和查询的办法", talking.customer_service)
CALL_TRANSCRIPTION = Rule("call-transcription", "转写并提取类别、地点和时间", talking.call_transcription)
CAMERA_REVIEW = Rule("camera-review", "人数、密集程度和画面质量", talking.camera_review)

OFFERS: tuple[Tool[Any, Any] | Rule, ...] = (
    proposing(
        "search.everything", "全站检索", "检索事件、预警、设备和页面", VIEW, QueryIn, SMART_SEARCH, personal=True
    ),
    proposing(
        "warning.explain",
        "预警分析",
        "分析一条预警的读数走势、周边同类预警和以往处置",
        "warning.read",
        WarningIn,
        WARNING_EXPLANATION,
    ),
    proposing(
        "service.answer",
        "公开知识作答",
        "从公开知识中摘录答案，并判断应反映、查询还是拨打电话",
        "division.read",
        QuestionIn,
        CUSTOMER_SERVICE,
    ),
    proposing(
        "call.extract",
        "通话要素提取",
        "转写录音，提取类别、地点、时间、对象和金额",
        "report.read",
        CallIn,
        CALL_TRANSCRIPTION,
        personal=True,
    ),
    proposing("picture.look", "画面研判", "给出人数、密集程度和画面质量", VIEW, LookIn, CAMERA_REVIEW),
    SMART_SEARCH,
    INCIDENT_TRIAGE,
    RECOMMENDATION,
    WARNING_EXPLANATION,
    CUSTOMER_SERVICE,
    CALL_TRANSCRIPTION,
    CAMERA_REVIEW,
)
