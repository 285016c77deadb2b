"""The table of all routes: the right each asks for, and a well-formed request to it."""

from base64 import b64encode
from functools import partial
from typing import Any

from tests.support import agents
from tests.support.letters import text_pdf
from tests.support.models import REMOTE
from tests.support.route import Route, json, lonlat
from tests.support.sensing_routes import SENSING
from tests.support.world import PNG, Records

PUBLIC = {
    "GET /healthz", "GET /api/clock", "POST /api/session", "DELETE /api/session", "POST /api/public/reports",
    "GET /api/public/reports/{tracking_number}", "POST /api/public/reports/{tracking_number}/answer",
    "POST /api/public/photos", "POST /api/public/audio", "GET /api/public/categories", "GET /api/public/places",
    "POST /api/public/ask",
}  # fmt: skip
OPEN311 = {
    f"{name}.{{form}}"
    for name in (
        "GET /open311/v2/discovery", "GET /open311/v2/statuses", "GET /open311/v2/services",
        "GET /open311/v2/services/{service_code}", "GET /open311/v2/requests", "POST /open311/v2/requests",
        "GET /open311/v2/requests/{service_request_id}", "GET /open311/v2/tokens/{token}",
    )
}  # fmt: skip
"""Open to read; the one that writes asks for its key in its own way, see test_open311.py."""
SIGNED_IN_ONLY = {
    "GET /api/session", "GET /api/session/tokens", "POST /api/session/tokens", "DELETE /api/session/tokens/{client_id}"
}  # fmt: skip
"""Of the own person alone; the tokens of its clients are tried in test_own_tokens.py."""


def action_body(body: dict[str, str], records: Records) -> dict[str, Any]:
    return json(version=1, **{key: value.format(unit=records.unit) for key, value in body.items()})


ACTIONS: dict[str, dict[str, str]] = {
    "dispatch": {"unit_id": "{unit}"},
    "dismiss": {"reason": "不属实"},
    "accept": {},
    "return": {"reason": "属地不符", "reason_code": "territory"},
    "handle": {"result": "已修复"},
    "verify": {"result": "已核查"},
    "rework": {"reason": "未修好"},
    "answer": {"result": "已答复"},
    "recategorise": {"category": "noise", "reason": "实为噪声"},
    "hand_up": {"reason": "跨区"},
    "hand_down": {"division_code": "500103003"},
    "dispute": {"reason": "争议"},
    "settle": {"unit_id": "{unit}", "reason": "裁定"},
    "resume": {},
    "reopen": {"reason": "未解决"},
    "merge": {},
    "unmerge": {},
    "close": {},
    "urge": {},
    "note": {"reason": "备注"},
}
ITEM = {"id": "i1", "input": {"text": "路灯不亮"}, "expected": {"advice": "派单"}, "scorer": {"kind": "exact"}}


def agent(agent_id: str) -> dict[str, Any]:
    """A definition that needs no tool and no rule."""
    made = agents.definition(id=agent_id, tools=[], fallback={"human": "handler"})
    return made.model_dump(mode="json", by_alias=True)


ROUTES: dict[str, Route] = (
    SENSING
    | {
        "GET /api/users": Route("user.read"),
        "POST /api/users": Route(
            "user.write",
            lambda r: json(
                username=f"new-{r.division}",
                display_name="新人",
                password="a long enough password",
                roles=["auditor"],
                division_code=r.division,
            ),
        ),
        "GET /api/tokens": Route("token.read"),
        "POST /api/tokens": Route(
            "token.write", lambda r: json(name="新令牌", role="gateway", division_code=r.division, unit_id=r.unit)
        ),
        "DELETE /api/tokens/{token_id}": Route("token.write"),
        "GET /api/audit": Route("audit.read"),
        "GET /api/divisions": Route("division.read"),
        "GET /api/divisions/outline": Route("division.read"),
        "GET /api/units": Route("unit.read"),
        "PUT /api/units/{unit_id}": Route(
            "unit.write", lambda r: json(id=r.unit, name=f"单位{r.division}", division_code=r.division)
        ),
        "GET /api/rosters": Route("roster.read"),
        "POST /api/rosters": Route(
            "roster.write",
            lambda r: json(
                unit_id=r.unit,
                user_id=r.ids["user"],
                starts_at="2026-01-01T00:00:00Z",
                ends_at="2026-01-01T08:00:00Z",
            ),
        ),
        "GET /api/calendar": Route("calendar.read"),
        "PUT /api/calendar/days": Route("calendar.write", lambda r: json(day="2026-12-25", working=False)),
        "DELETE /api/calendar/days/{day}": Route("calendar.write"),
        "GET /api/limits": Route("limit.read"),
        "PUT /api/limits": Route("limit.write", lambda r: json(category="*", grade=4, step="accept", amount="2 wh")),
        "DELETE /api/limits": Route(
            "limit.write", lambda r: {"params": {"category": "*", "grade": 4, "step": "accept"}}
        ),
        "GET /api/supervision/duty-list": Route("supervision.read"),
        "GET /api/supervision/urges": Route("supervision.read"),
        "GET /api/print/weekly-letter": Route("supervision.read"),
        "GET /api/thresholds": Route("threshold.read"),
        "POST /api/thresholds": Route("threshold.write", lambda r: json(**threshold(r))),
        "PUT /api/thresholds/{rule_id}": Route("threshold.write", lambda r: json(**threshold(r))),
        "DELETE /api/thresholds/{rule_id}": Route("threshold.write"),
        "GET /api/warnings": Route("warning.read"),
        "GET /api/warnings/{warning_id}": Route("warning.read"),
        "GET /api/incidents": Route("incident.read"),
        "POST /api/incidents": Route(
            "incident.create", lambda r: json(title="手工", category="other", division_code=r.division, **lonlat(r))
        ),
        "GET /api/incidents/{incident_id}": Route("incident.read"),
        "POST /api/incidents/{incident_id}/photos": Route(
            "incident.note", lambda r: {"files": {"file": ("a.png", PNG, "image/png")}}
        ),
        "POST /api/photos": Route("report.create", lambda r: {"files": {"file": ("a.png", PNG, "image/png")}}),
        "GET /api/photos/{photo_id}": Route("incident.read"),
        "GET /api/tasks/mine": Route("task.read"),
        "POST /api/reports": Route(
            "report.create", lambda r: json(content="路坏了", category="road_damage", division_code=r.division)
        ),
        "GET /api/reports": Route("report.read"),
        "POST /api/reports/import": Route(
            "import.write",
            lambda r: {
                "files": {"file": ("a.csv", "诉求内容\n路灯不亮".encode(), "text/csv")},
                "data": {"division_code": r.division},
            },
        ),
        "GET /api/imports": Route("import.read"),
        "GET /api/imports/{import_id}": Route("import.read"),
        "GET /api/imports/{import_id}/rows": Route("import.read"),
        "PUT /api/imports/{import_id}/rows/{number}": Route(
            "import.write", lambda r: json(cells={"诉求内容": "路灯不亮"})
        ),
        "POST /api/imports/{import_id}/rows/{number}/discard": Route("import.write", lambda r: json(reason="重复")),
        "GET /api/reports/{report_id}": Route("report.read"),
        "POST /api/reports/{report_id}/contact": Route("report.contact", lambda r: json(purpose="回访")),
        "POST /api/incidents/{incident_id}/requests": Route(
            "request.create", lambda r: json(kind="extension", until="2099-01-01T00:00:00Z", reason="等配件")
        ),
        "GET /api/requests": Route("incident.read"),
        "POST /api/requests/{request_id}/decision": Route("request.decide", lambda r: json(approve=True)),
        "GET /api/incidents/{incident_id}/suggestion": Route("incident.read"),
        "GET /api/return-reasons": Route("incident.read"),
        "POST /api/classify": Route("report.create", lambda r: json(text="路灯坏了")),
        "GET /api/category-rules": Route("category_rule.read"),
        "PUT /api/category-rules": Route(
            "category_rule.write",
            lambda r: json(category="noise", any_words=["坝坝舞"], division_code=r.division),
        ),
        "DELETE /api/category-rules/{category_rule_id}": Route("category_rule.write"),
        "GET /api/incidents/{incident_id}/candidates": Route("incident.read"),
        "POST /api/incidents/{incident_id}/merge": Route(
            "incident.merge", lambda r: json(into=r.ids["whole"], version=1)
        ),
        "GET /api/merges": Route("incident.read", lambda r: {"params": {"incident": r.ids["incident"]}}),
        "POST /api/merges/{merge_id}/undo": Route("incident.unmerge"),
        "POST /api/drafts": Route(
            "report.create",
            lambda r: {
                "data": {"channel": "letter", "division_code": r.division},
                "files": {"file": ("a.pdf", text_pdf(b"The road has a hole"), "application/pdf")},
            },
        ),
        "GET /api/drafts": Route("report.contact"),
        "GET /api/drafts/{draft_id}": Route("report.contact"),
        "GET /api/drafts/{draft_id}/file": Route("report.contact"),
        "PUT /api/drafts/{draft_id}": Route("report.contact", lambda r: json(version=1, text="路坏了")),
        "POST /api/drafts/{draft_id}/reading": Route("report.contact"),
        "POST /api/drafts/{draft_id}/confirm": Route("report.contact", lambda r: json(version=1)),
        "POST /api/drafts/{draft_id}/discard": Route("report.contact", lambda r: json(version=1)),
        "GET /api/categories": Route("incident.read"),
        "GET /api/responsibilities": Route("responsibility.read"),
        "PUT /api/responsibilities": Route(
            "responsibility.write", lambda r: json(division_code=r.division, category="noise", unit_id=r.unit)
        ),
        "DELETE /api/responsibilities": Route(
            "responsibility.write", lambda r: {"params": {"division_code": r.division, "category": "noise"}}
        ),
        "GET /api/evaluation": Route("evaluation.read", lambda r: {"params": {"by": "unit"}}),
        "GET /api/evaluation/cases": Route("evaluation.read", lambda r: {"params": {"indicator": "opened"}}),
        "GET /api/evaluation/check": Route("audit.read"),
        "GET /api/evaluation/export.xlsx": Route("evaluation.read"),
        "GET /api/print/evaluation": Route("evaluation.read"),
        "GET /api/review-causes": Route("review.read"),
        "GET /api/reviews": Route("review.read"),
        "POST /api/reviews": Route("review.write", lambda r: json(incident_ids=[r.ids["incident"]])),
        "GET /api/reviews/{review_id}": Route("review.read"),
        "PUT /api/reviews/{review_id}": Route(
            "review.write",
            lambda r: json(version=1, causes=[{"code": "map", "text": "清单未更新"}], lessons=["每季核对"]),
        ),
        "POST /api/reviews/{review_id}/finish": Route("review.write", lambda r: json(version=2)),
        "GET /api/print/reviews/{review_id}": Route("review.read"),
        "GET /api/proposals": Route("review.read"),
        "POST /api/proposals": Route(
            "proposal.write",
            lambda r: json(
                kind="responsibility",
                change={"division_code": r.division, "category": "noise", "unit_id": r.unit},
                reason="由其承办",
            ),
        ),
        "GET /api/proposals/{proposal_id}": Route("review.read"),
        "POST /api/proposals/{proposal_id}/replay": Route("proposal.write", lambda r: json()),
        "GET /api/proposals/{proposal_id}/cases": Route("review.read"),
        "POST /api/proposals/{proposal_id}/decision": Route(
            "proposal.decide", lambda r: json(approve=False, reason="不必"), "responsibility.write"
        ),
        "POST /api/proposals/{proposal_id}/undo": Route(
            "proposal.decide", lambda r: json(reason="不必"), "responsibility.write"
        ),
        "POST /api/agents/{agent_id}/runs": Route("agent.run", lambda r: json(input={"text": "路灯不亮"})),
        "GET /api/agents/runs": Route("agent.read"),
        "GET /api/agents/runs/{run_id}": Route("agent.read"),
        "POST /api/agents/runs/{run_id}/cancel": Route("agent.run", also="agent.publish"),
        "POST /api/agents/runs/{run_id}/feedback": Route("agent.run", lambda r: json(useful=True)),
        "GET /api/tools": Route("agent.read"),
        "GET /api/rules": Route("agent.read"),
        "GET /api/agents": Route("agent.read"),
        "POST /api/agents": Route("agent.write", lambda r: json(definition=agent("new-agent"))),
        "POST /api/agents/check": Route("agent.write", lambda r: json(yaml="id: x")),
        "GET /api/agents/{agent_id}": Route("agent.read"),
        "PUT /api/agents/{agent_id}": Route("agent.write", lambda r: json(definition=agent(r.ids["agent"]))),
        "GET /api/agents/{agent_id}/versions": Route("agent.read"),
        "GET /api/agents/{agent_id}/versions/{number}": Route("agent.read"),
        "GET /api/agents/{agent_id}/publications": Route("agent.read"),
        "POST /api/agents/{agent_id}/publish": Route("agent.publish", lambda r: json(version=1)),
        "POST /api/agents/{agent_id}/rollback": Route("agent.publish", lambda r: json(version=1)),
        "PUT /api/agents/{agent_id}/shares": Route("agent.publish", lambda r: json(unit_ids=[r.unit])),
        "GET /api/agents/{agent_id}/evals": Route("agent.read"),
        "POST /api/agents/{agent_id}/evals": Route(
            "agent.evaluate",
            lambda r: json(id=f"new-{r.division}", name={"zh": "新", "en": "New"}, items=[ITEM]),
        ),
        "GET /api/agents/{agent_id}/evals/{set_id}/items": Route("agent.read"),
        "POST /api/agents/{agent_id}/evals/{set_id}/items": Route("agent.evaluate", lambda r: json(items=[ITEM])),
        "DELETE /api/agents/{agent_id}/evals/{set_id}/items/{item_id}": Route("agent.evaluate"),
        "POST /api/agents/{agent_id}/evals/{set_id}/run": Route(
            "agent.evaluate", lambda r: json(versions=[1], split="all")
        ),
        "GET /api/evals/runs": Route("agent.read", lambda r: {"params": {"agent_id": r.ids["agent"]}}),
        "GET /api/evals/runs/{eval_run_id}": Route("agent.read"),
        "GET /api/evals/runs/{eval_run_id}/results": Route("agent.read"),
        "POST /api/evals/runs/{eval_run_id}/cancel": Route("agent.evaluate"),
        "GET /api/tool-servers": Route("agent.connect"),
        "POST /api/tool-servers": Route(
            "agent.connect", lambda r: json(id="weather", name="气象", url="http://127.0.0.1:9/mcp")
        ),
        "POST /api/tool-servers/{server_id}/look": Route("agent.connect", lambda r: json()),
        "GET /api/tool-servers/{server_id}/tools": Route("agent.connect"),
        "PUT /api/tool-servers/{server_id}/tools/{tool_name}": Route(
            "agent.connect", lambda r: json(allowed=True, digest="0" * 64)
        ),
        "DELETE /api/tool-servers/{server_id}": Route("agent.connect"),
        "POST /api/agents/{agent_id}/retire": Route("agent.publish", lambda r: json()),
        "GET /api/approvals": Route("agent.read"),
        "POST /api/approvals/{approval_id}/decision": Route("approval.decide", lambda r: json(approve=True)),
        "GET /api/models/training/recipes": Route("model.read"),
        "GET /api/models/training": Route("model.read"),
        "POST /api/models/training": Route(
            "training.write",
            lambda r: json(
                kind="incident-classifier",
                division_code=r.division,
                data={"name": "a.csv", "content": b64encode("text,label\n灯坏了,a\n路坏了,b".encode()).decode()},
            ),
        ),
        "GET /api/models/training/{job_id}": Route("model.read"),
        "POST /api/models/training/{job_id}/cancel": Route("training.write"),
        "POST /api/models/training/{job_id}/resume": Route("training.write"),
        "POST /api/models/training/{job_id}/promote": Route("model.write"),
        "POST /api/models/training/{job_id}/rollback": Route("model.write"),
        "GET /api/models": Route("model.read"),
        "POST /api/models": Route("model.write", lambda r: json(yaml=REMOTE)),
        "POST /api/models/check": Route("model.read", lambda r: json(yaml=REMOTE)),
        "GET /api/models/{model_id}": Route("model.read"),
        "GET /api/models/{model_id}/versions": Route("model.read"),
        "GET /api/models/{model_id}/versions/{version}/drift": Route("model.read"),
        "GET /api/models/{model_id}/aliases": Route("model.read"),
        "PUT /api/models/{model_id}/aliases/{alias}": Route("model.write", lambda r: json(version="1")),
        "GET /api/models/deployments": Route("model.read"),
        "POST /api/models/deployments": Route("model.write", lambda r: json(name="more", model_id="sentences")),
        "GET /api/models/deployments/{deployment}": Route("model.read"),
        "GET /api/models/deployments/{deployment}/history": Route("model.read"),
        "POST /api/models/deployments/{deployment}/{action}": Route("model.write", lambda r: json(replicas=2)),
        "GET /api/models/routes": Route("model.read"),
        "PUT /api/models/routes/{route_name}": Route(
            "model.write", lambda r: json(kind="chat", title="小", targets=[])
        ),
        "GET /api/models/providers": Route("model.read"),
        "POST /api/models/providers": Route(
            "model.write", lambda r: json(name="new", base_url="http://127.0.0.1:9/v1")
        ),
        "PUT /api/models/providers/{provider_id}": Route(
            "model.write", lambda r: json(name=f"vendor-{r.division}", base_url="http://127.0.0.1:9/v1")
        ),
        "POST /api/models/providers/{provider_id}/test": Route("model.write", lambda r: json()),
        "DELETE /api/models/providers/{provider_id}": Route("model.write"),
        "GET /api/models/retention": Route("model.read"),
        "PUT /api/models/retention": Route("model.write", lambda r: json(public=9, internal=9, sensitive=0)),
        "GET /api/models/budgets": Route("model.read"),
        "PUT /api/models/budgets": Route(
            "model.write",
            lambda r: json(name="日预算", division_code=r.division, unit_id=r.unit, period="day", requests=9),
        ),
        "DELETE /api/models/budgets/{budget_id}": Route("model.write"),
        "GET /api/models/usage": Route("model.read", lambda r: {"params": {"by": "purpose"}}),
        "GET /api/models/calls": Route("model.read"),
        "GET /api/models/calls/{call_id}/text": Route("model_text.read"),
        "GET /api/models/keys": Route("model_key.read"),
        "POST /api/models/keys": Route("model_key.write", lambda r: json(name="钥匙", division_code=r.division)),
        "DELETE /api/models/keys/{key_id}": Route("model_key.write"),
        "GET /api/search": Route("incident.read", lambda r: {"params": {"q": "路灯"}}),
        "GET /api/incidents/{incident_id}/advice": Route("incident.read"),
        "GET /api/warnings/{warning_id}/explanation": Route("warning.read"),
        "POST /api/reports/{report_id}/draft-answer": Route("incident.note", lambda r: json()),
        "GET /api/reports/{report_id}/draft-answers": Route("report.read"),
        "POST /api/writing/report": Route("evaluation.read", lambda r: json(kind="duty")),
        "POST /api/writing/check": Route("evaluation.read", lambda r: json(facts=["立案 3 件"], text="立案 4 件")),
        "POST /api/content-review": Route("content.review", lambda r: json(text="路灯已修复")),
        "GET /api/content-reviews": Route("content.review"),
        "GET /api/content-reviews/{content_review_id}": Route("content.review"),
        "POST /api/content-reviews/{content_review_id}/appeal": Route(
            "content.review", lambda r: json(reason="有出处")
        ),
        "POST /api/content-reviews/{content_review_id}/decision": Route(
            "content.decide", lambda r: json(uphold=False, reason="有出处")
        ),
        "GET /api/knowledge/bases": Route("knowledge.read"),
        "POST /api/knowledge/bases": Route("knowledge.write", lambda r: json(name="规章", division_code=r.division)),
        "POST /api/knowledge/bases/{base_id}/documents": Route(
            "knowledge.write",
            lambda r: {"files": {"file": ("a.md", "# 规定\n\n第一条 示例。".encode(), "text/markdown")}},
        ),
        "GET /api/knowledge/documents": Route("knowledge.read"),
        "GET /api/knowledge/documents/{document_id}": Route("knowledge.read"),
        "POST /api/knowledge/documents/{document_id}/versions": Route(
            "knowledge.write", lambda r: {"files": {"file": ("a.md", "第一条 新的示例。".encode(), "text/markdown")}}
        ),
        "GET /api/knowledge/search": Route("knowledge.read", lambda r: {"params": {"q": "规定"}}),
        "GET /api/knowledge/passages/{passage_id}": Route("knowledge.read"),
        "POST /api/knowledge/ask": Route("knowledge.read", lambda r: json(question="规定是什么？", model=False)),
        "POST /api/knowledge/documents/{document_id}/withdraw": Route(
            "knowledge.write", lambda r: json(reason="不再适用")
        ),
        "GET /api/situation": Route("situation.read"),
        "GET /api/situation/map": Route("situation.read"),
        "GET /api/stream": Route("situation.read"),
        "GET /api/system": Route("system.read"),
    }
    | {
        f"POST /api/incidents/{{incident_id}}/actions/{action}": Route(
            f"incident.{action}",
            partial(action_body, body),
        )
        for action, body in ACTIONS.items()
    }
)
STEPS = {
    "accept": {},
    "return": {"reason": "属地不符", "reason_code": "territory"},
    "handle": {"result": "已围挡"},
    "withdraw": {"reason": "不需要"},
}
ROUTES |= {
    f"POST /api/tasks/{{task_id}}/actions/{step}": Route(
        "incident.dispatch" if step == "withdraw" else f"incident.{step}", partial(lambda body, r: json(**body), body)
    )
    for step, body in STEPS.items()
}
ENDLESS = {"GET /api/stream"}
OF_THE_CITY = {
    "POST /api/models/training/{job_id}/promote",
    "POST /api/models/training/{job_id}/rollback",
    "PUT /api/calendar/days",
    "DELETE /api/calendar/days/{day}",
    "PUT /api/limits",
    "DELETE /api/limits",
    "POST /api/models",
    "PUT /api/models/{model_id}/aliases/{alias}",
    "POST /api/models/deployments",
    "POST /api/models/deployments/{deployment}/{action}",
    "PUT /api/models/routes/{route_name}",
    "POST /api/models/providers",
    "PUT /api/models/providers/{provider_id}",
    "POST /api/models/providers/{provider_id}/test",
    "DELETE /api/models/providers/{provider_id}",
    "PUT /api/models/retention",
    "POST /api/tool-servers",
    "POST /api/tool-servers/{server_id}/look",
    "GET /api/tool-servers/{server_id}/tools",
    "PUT /api/tool-servers/{server_id}/tools/{tool_name}",
    "DELETE /api/tool-servers/{server_id}",
}
"""Routes about what the whole city shares: nobody of a district may, whatever the role."""
NAMES_NO_RECORD = {
    "POST /api/photos",
    "POST /api/classify",
    "POST /api/content-review",
    "POST /api/writing/report",
    "POST /api/writing/check",
    "POST /api/agents",
    "POST /api/agents/check",
    "POST /api/models/check",
    "POST /api/knowledge/ask",
    "POST /api/devices/import",
    "POST /api/discovered/replay",
    "POST /api/discovered/discard",
}
"""Routes that change something but name no record of a district: there is no foreign side to them."""


def threshold(records: Records) -> dict[str, Any]:
    return {
        "device_id": records.ids["device"],
        "metric": "flow",
        "direction": "above",
        "levels": {"2": 9.0},
        "category": "water_leak",
    }
