"""What a person may read of the knowledge."""

from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.organisation.model import ancestors
from chengnao.knowledge.model import ANYBODY, PLATFORM, Readership


def readership_of(principal: Principal) -> Readership:
    """Public texts, internal ones of the own division, of those above it and those below it.

    Sensitive texts are for the unit that owns them, units they are shared with, who put them in, and auditors.
    """
    if principal.kind == "system":
        return PLATFORM
    if principal.kind == "machine":
        return ANYBODY
    code = principal.division_code
    marks = [*(ANYBODY.marks or ()), f"over:{code}", f"user:{principal.id}"]
    marks += [f"under:{above}" for above in ancestors(code)]
    if principal.unit_id is not None:
        marks.append(f"unit:{principal.unit_id}")
    elif principal.roles - {Role.HANDLER}:
        marks.append(f"desk:{code}")
    if Role.AUDITOR in principal.roles:
        marks.append(f"audit:{code}")
    return Readership(tuple(marks))
