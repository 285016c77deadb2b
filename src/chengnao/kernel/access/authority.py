"""Authorisation by Cedar policies, validated against their schema when they are loaded."""

from importlib.resources import files
from typing import Any

import cedarpy

from chengnao.kernel.access.model import Principal, Resource
from chengnao.kernel.errors import Forbidden
from chengnao.kernel.organisation.model import ancestors


class Authority:
    """Decides whether a principal may do an action on a record; an error while deciding is a refusal."""

    def __init__(self, policies: str, schema: str) -> None:
        """Load the policies; raises ValueError where they do not parse or do not fit the schema."""
        self.policies = cedarpy.PolicySet.from_str(policies)
        self.schema = cedarpy.Schema.from_str(schema)
        result = cedarpy.validate_policies(policies, schema)
        if not result.validation_passed:
            raise ValueError("policies do not fit their schema: " + "; ".join(str(each) for each in result.errors))

    @classmethod
    def load(cls) -> "Authority":
        """The policies that the package carries."""
        folder = files("chengnao.kernel.access") / "policies"
        return cls((folder / "policies.cedar").read_text("utf-8"), (folder / "schema.cedarschema").read_text("utf-8"))

    def allows(self, principal: Principal, action: str, resource: Resource) -> bool:
        """True only where a policy permits and nothing went wrong in deciding."""
        if principal.kind == "system":
            return True
        asker = {"type": "User" if principal.kind == "user" else "Machine", "id": principal.id}
        record = {"type": "Record", "id": "record"}
        request = {
            "principal": asker,
            "action": {"type": "Action", "id": action},
            "resource": record,
            "context": {},
        }
        entities = [
            {
                "uid": asker,
                "attrs": {"roles": sorted(principal.roles), **_owner(principal.division_code, principal.unit_id)},
                "parents": [],
            },
            {"uid": record, "attrs": _owner(resource.division_code, resource.unit_id), "parents": []},
            *_divisions(principal.division_code, resource.division_code),
        ]
        result = cedarpy.is_authorized(request, self.policies, entities, self.schema)
        return result.decision is cedarpy.Decision.Allow and not result.diagnostics.errors

    def require(self, principal: Principal, action: str, resource: Resource) -> None:
        """Return where the action is allowed; raises Forbidden where it is not."""
        if not self.allows(principal, action, resource):
            raise Forbidden("forbidden", action=action)


def _owner(division_code: str, unit_id: str | None) -> dict[str, Any]:
    owner: dict[str, Any] = {"division": {"__entity": {"type": "Division", "id": division_code}}}
    return owner if unit_id is None else owner | {"unit": unit_id}


def _divisions(*codes: str) -> list[dict[str, Any]]:
    entities = {}
    for code in codes:
        chain = ancestors(code)
        for child, parent in zip(chain, [*chain[1:], None], strict=True):
            parents = [] if parent is None else [{"type": "Division", "id": parent}]
            entities[child] = {"uid": {"type": "Division", "id": child}, "attrs": {}, "parents": parents}
    return list(entities.values())
