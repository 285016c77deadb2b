"""Who may do what, written out by hand, to hold the policies and the routes against."""

from chengnao.kernel.access.model import Role

VIEW = {
    "division.read", "unit.read", "roster.read", "device.read", "reading.read", "threshold.read", "warning.read",
    "incident.read", "task.read", "report.read", "responsibility.read", "evaluation.read", "situation.read",
    "calendar.read", "limit.read", "supervision.read", "review.read", "category_rule.read", "content.review",
    "agent.read", "agent.run", "token.own", "knowledge.read", "command.read", "edge.read",
}  # fmt: skip
DESK = {
    f"incident.{verb}"
    for verb in (
        "create", "dispatch", "dismiss", "urge", "note", "answer", "recategorise", "hand_up", "hand_down", "dispute",
        "settle", "merge", "unmerge",
    )
} | {"report.create", "report.contact", "request.decide", "import.read", "import.write"}  # fmt: skip
ALLOWED: dict[Role, set[str]] = {
    Role.DUTY_OFFICER: VIEW
    | DESK
    | {"content.decide", "incident.close", "incident.reopen", "roster.write", "calendar.write", "limit.write"}
    | {"review.write", "proposal.write", "proposal.decide", "approval.decide", "command.ask", "command.decide"},
    Role.DISPATCHER: VIEW
    | DESK
    | {"responsibility.write", "review.write", "proposal.write", "category_rule.write", "approval.decide"},
    Role.HANDLER: VIEW
    | {f"incident.{verb}" for verb in ("accept", "return", "handle", "note", "resume")}
    | {"report.create", "report.contact", "request.create"},
    Role.VERIFIER: VIEW | {f"incident.{verb}" for verb in ("verify", "rework", "note")},
    Role.STEWARD: VIEW
    | {"device.write", "quarantine.read", "quarantine.write", "threshold.write", "responsibility.write", "limit.write"}
    | {"proposal.write", "proposal.decide", "category_rule.write", "approval.decide", "knowledge.write"}
    | {"command.ask", "command.decide"},
    Role.OPERATOR: VIEW
    | {"user.read", "user.write", "token.read", "token.write", "system.read", "unit.write", "device.write"}
    | {"quarantine.read", "calendar.write", "command.ask", "subscription.read"}
    | {"subscription.write", "edge.write"}
    | {"agent.publish", "agent.waive", "agent.connect"}
    | {"model.read", "model.write", "model_key.read", "model_key.write", "training.write"},
    Role.AUDITOR: VIEW
    | {"audit.read", "system.read", "user.read", "token.read", "quarantine.read"}
    | {"model.read", "model_key.read", "model_text.read", "subscription.read"},
    Role.DEVELOPER: VIEW
    | {"agent.write", "agent.evaluate", "agent.publish", "model.read", "training.write"}
    | {"knowledge.write"},
    Role.GATEWAY: {"reading.write"},
    Role.REPORTER: {"report.create"},
    Role.READER: {"device.read", "reading.read", "warning.read"},
    Role.INTEGRATOR: {"device.read", "reading.read", "warning.read", "device.write", "reading.write"},
    Role.AGENT_CLIENT: {"agent.read", "agent.run", "knowledge.read"},
}
