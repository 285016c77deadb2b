"""Traces for OpenTelemetry: the one place that knows the names of its GenAI conventions (still in development, v1.37).

They leave the platform only where a collector is named in the settings. Texts are never among them.
"""

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Any

import httpx

from chengnao.agents.runtime.model import Run, RunState, Step, StepKind
from chengnao.kernel.settings import Settings

log = logging.getLogger(__name__)

_OPERATIONS = {StepKind.MODEL: "chat", StepKind.TOOL: "execute_tool"}


def spans(run: Run, steps: list[Step]) -> list[dict[str, Any]]:
    """The run and its steps as OTLP spans, in the JSON form."""
    root = _span_id(run.id, 0)
    began = run.started_at or run.created_at
    whole = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": run.agent_id,
        "gen_ai.agent.version": str(run.version),
        "gen_ai.conversation.id": run.id,
        "gen_ai.usage.total_tokens": run.tokens,
        "chengnao.run.state": run.state.value,
        "chengnao.run.by": "" if run.by is None else run.by.value,
        "chengnao.run.money": run.money,
    }
    failed = run.state is RunState.FAILED
    code = (run.error or {}).get("code")
    found = [_span(run, root, "", f"invoke_agent {run.agent_id}", began, run.ended_at or began, whole, code, failed)]
    for step in steps:
        ends, error = step.at, (step.error or {}).get("code")
        begins = ends - timedelta(milliseconds=step.milliseconds)
        operation = _OPERATIONS.get(step.kind, step.kind.value)
        name = f"{operation} {step.name}"
        attributes = _attributes(run, step, operation)
        span = _span(run, _span_id(run.id, step.seq), root, name, begins, ends, attributes, error, error is not None)
        found.append(span)
    return found


def _attributes(run: Run, step: Step, operation: str) -> dict[str, Any]:
    common = {"gen_ai.operation.name": operation, "gen_ai.agent.id": run.agent_id}
    match step.kind:
        case StepKind.MODEL:
            return common | {
                "gen_ai.provider.name": "chengnao",
                "gen_ai.request.model": step.name,
                "gen_ai.response.model": step.model or "",
                "gen_ai.usage.input_tokens": step.prompt_tokens,
                "gen_ai.usage.output_tokens": step.completion_tokens,
            }
        case StepKind.TOOL:
            return common | {"gen_ai.tool.name": step.name, "gen_ai.tool.call.id": f"c{step.seq}"}
        case _:
            return common | {f"chengnao.{step.kind.value}.name": step.name}


async def export(settings: Settings, run: Run, steps: list[Step]) -> None:
    """Send the trace to the collector of the settings, if there is one; a collector that is away is only logged."""
    if settings.otlp_url is None:
        return
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": [_attribute("service.name", "chengnao-agents")]},
                "scopeSpans": [{"scope": {"name": "chengnao.agents"}, "spans": spans(run, steps)}],
            }
        ]
    }
    try:
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            (await client.post(settings.otlp_url.rstrip("/") + "/v1/traces", json=body)).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("the trace of run %s did not reach %s: %s", run.id, settings.otlp_url, error)


def _span(
    run: Run,
    span_id: str,
    parent: str,
    name: str,
    begins: datetime,
    ends: datetime,
    attributes: dict[str, Any],
    error: str | None,
    failed: bool,
) -> dict[str, Any]:
    if error is not None:
        attributes = attributes | {"error.type": error}
    return {
        "traceId": run.trace_id,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(int(begins.timestamp() * 1e9)),
        "endTimeUnixNano": str(int(ends.timestamp() * 1e9)),
        "attributes": [_attribute(key, value) for key, value in attributes.items()],
        "status": {"code": 2 if failed else 1},
    }


def _attribute(key: str, value: Any) -> dict[str, Any]:
    kind: dict[str, Any]
    match value:
        case bool():
            kind = {"boolValue": value}
        case int():
            kind = {"intValue": str(value)}
        case float():
            kind = {"doubleValue": value}
        case _:
            kind = {"stringValue": str(value)}
    return {"key": key, "value": kind}


def _span_id(run_id: str, seq: int) -> str:
    return hashlib.sha256(f"{run_id}:{seq}".encode()).hexdigest()[:16]
