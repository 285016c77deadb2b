"""Which division a name in a file means, whole or cut short, of today or of before a reform. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from chengnao.incident.importing.model import Odd, ReportRow
from chengnao.kernel.errors import Conflict
from chengnao.kernel.organisation.model import CITY, Division
from chengnao.kernel.vocabulary import Tier

_ENDINGS = (
    "土家族苗族自治县",
    "苗族土家族自治县",
    "土家族自治县",
    "自治县",
    "街道办事处",
    "街道",
    "新区",
    "区",
    "县",
    "镇",
    "乡",
)
_SHORTEST = 2


class DivisionIndex:
    """All divisions by their names; what a reform ended stands for its first successor."""

    def __init__(self, divisions: Iterable[Division], day: date) -> None:
        # In the order of time, so that the latest to bear a name is the one that has it.
        every = sorted(divisions, key=lambda each: (each.valid_from, each.code))
        self._now = now = {each.code for each in every if each.valid_on(day)}
        self._districts: dict[str, str] = {}
        self._streets: dict[str, set[str]] = {}
        for each in every:
            code = each.code if each.code in now else next((s for s in each.successor_codes if s in now), None)
            if code is None or each.tier is Tier.CITY:
                continue
            for name in _names(each.name):
                if each.tier is Tier.DISTRICT:
                    self._districts[name] = code
                else:
                    self._streets.setdefault(name, set()).add(code)
        self._whole = {each.name for each in every if each.tier is Tier.DISTRICT}

    def valid(self, code: str) -> bool:
        """Whether there is a division of this code today."""
        return code in self._now

    def named(self, district: str, street: str) -> str | None:
        """The division of these names; None where they are not known, or where only one of several can be meant."""
        within = self._districts.get(_plain(district))
        if district and within is None:
            return None
        found = {code for code in self._streets.get(_plain(street), ()) if within is None or code[:6] == within}
        if len(found) == 1:
            return found.pop()
        return within

    def in_text(self, text: str) -> str | None:
        """The division that an address begins with, in whole names; None where it names none, or several."""
        plain = _plain(text)
        districts = {name for name in self._whole if name in plain}
        # 渝北区 stands in no other name, but 江北 would in 江北嘴: hence whole names only, and the longest.
        longest = {name for name in districts if not any(name != other and name in other for other in districts)}
        codes = {self._districts[name] for name in longest}
        if len(codes) != 1:
            return None
        district = codes.pop()
        streets = {
            code
            for name, found in self._streets.items()
            if len(name) > _SHORTEST and name.endswith(("街道", "镇", "乡")) and name in plain
            for code in found
            if code[:6] == district
        }
        return streets.pop() if len(streets) == 1 else district


def _names(name: str) -> list[str]:
    """The name as it stands, and without what it ends in."""
    short = next((name[: -len(end)] for end in _ENDINGS if name.endswith(end)), name)
    return [name, short] if len(short) >= _SHORTEST else [name]


def _plain(text: str) -> str:
    return "".join(text.split()).removeprefix("重庆市").removeprefix("重庆")


def placed(
    row: ReportRow, index: DivisionIndex, told: str | None, default: str | None, owner: str
) -> tuple[ReportRow, str]:
    """The row with what is odd about its place, and its division.

    By its code or coordinates, the names in its columns, its address, what its words `told`, or the `default`, in this
    order. Raises Conflict where nothing tells one, or where it does not lie in the owner's.
    """
    odd = list(row.odd)
    named = index.named(row.district, row.street)
    if (row.district or row.street) and named is None:
        odd.append(Odd.DIVISION_UNKNOWN)
    found = row.division_code or named or index.in_text(row.address) or told
    if named is not None and found is not None and named.startswith(found):
        found = named  # the street, where the coordinates tell the district
    if found is None:
        found = default
        odd.append(Odd.DIVISION_GIVEN)
    if found is None:
        raise Conflict("import_division_missing")
    if not index.valid(found):
        raise Conflict("import_division_unknown", value=found)
    if owner != CITY and not found.startswith(owner):
        raise Conflict("import_division_foreign", division=found, own=owner)
    return replace(row, odd=tuple(dict.fromkeys(odd))), found
