"""What a person may read of the knowledge."""

from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.organisation.model import ancestors
from chengnao.knowledge.model import ANYBODY, PLATFORM, Readership


def readership_of(principal: Principal) -> Readership:
    """Public texts, internal ones of the own division, of those above it and those below it.

    Sensitive texts are for the unit that owns them, units they are shared with, who put them in, and auditors; a client
    of agents sees none of them, and other machines see public texts alone.
    """
    if principal.kind == "system":
        return PLATFORM
    if principal.kind == "machine" and Role.AGENT_CLIENT not in principal.roles:
        return ANYBODY
    code = principal.division_code
    marks = [*(ANYBODY.marks or ()), f"over:{code}", *(f"under:{above}" for above in ancestors(code))]
    if principal.kind == "machine":
        return Readership(tuple(marks))
    marks.append(f"user:{principal.id}")
    if principal.unit_id is not None:
        marks.append(f"unit:{principal.unit_id}")
    elif principal.roles - {Role.HANDLER}:
        marks.append(f"desk:{code}")
    if Role.AUDITOR in principal.roles:
        marks.append(f"audit:{code}")
    return Readership(tuple(marks))
