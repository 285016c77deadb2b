"""Answering a question: from a path and its options to what is shown.

However many entities a page has, each level of `$expand` costs one statement to the registry or one to the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.organisation.model import CITY
from chengnao.sensing.open.sta.grammar import Binary, Name, Node
from chengnao.sensing.open.sta.kinds import NAVIGATION, PLACED, Kind, Way
from chengnao.sensing.open.sta.observations import Observed, Read, Wanted, names_in, read_of_each, read_page
from chengnao.sensing.open.sta.options import MAX_TOP, Options
from chengnao.sensing.open.sta.paths import Step, Target
from chengnao.sensing.open.sta.repository import Found, Narrowed, Row, ThingRepository
from chengnao.sensing.open.sta.shaping import Entity, shape
from chengnao.sensing.readings.store import ReadingsStore

MAX_STREAMS = 10_000
"""Of so many datastreams observations can be asked for by what the datastreams are."""

_SINGLE = Options(top=1)
_UP = frozenset({"Datastream", "FeatureOfInterest"})


@dataclass
class Part:
    """A page of entities, whether more follow, and the count of all where it was asked for."""

    entities: list[Entity]
    more: bool = False
    count: int | None = None


class Reader:
    """One request's reading; `base` is the address of the service."""

    def __init__(
        self, repository: ThingRepository, store: ReadingsStore, scope: Scope, base: str, now: datetime
    ) -> None:
        self.repository = repository
        self.store = store
        self.scope = scope
        self.base = base
        self.now = now

    async def entity(self, target: Target, options: Options) -> Entity:
        """The one entity that the path leads to; raises NotFound."""
        parent: Entity | None = None
        for step in target.steps[:-1]:
            parent = await self._walk(parent, step)
        found = await self._walk(parent, target.last)
        await self._finish([found], options)
        return found

    async def part(self, target: Target, options: Options) -> Part:
        """A page of the set that the path leads to."""
        parent: Entity | None = None
        for step in target.steps[:-1]:
            parent = await self._walk(parent, step)
        kind = target.last.kind
        if kind is Kind.OBSERVATIONS:
            found = await self._observations(parent, options)
        elif parent is not None and kind in PLACED and not parent.row.place_ok:
            found = Part([], count=0 if options.count else None)
        else:
            found = self._part(kind, await self.repository.part_of(kind, self.scope, options, _of(parent), self.now))
        await self._finish(found.entities, options)
        return found

    async def _walk(self, parent: Entity | None, step: Step) -> Entity:
        """One step along the path; raises NotFound where there is nothing in the scope."""
        if step.kind is Kind.OBSERVATIONS:
            return await self._observation(parent, step)
        narrowed = _of(parent)
        if step.key is not None:
            narrowed = _keyed(narrowed, step)
        elif parent is not None and step.kind is Kind.SENSORS:
            narrowed = Narrowed(class_code=parent.row.class_code)
        elif parent is not None and step.kind is Kind.OBSERVED_PROPERTIES:
            narrowed = Narrowed(metric=parent.row.metric)
        found = await self.repository.part_of(step.kind, self.scope, _SINGLE, narrowed, self.now)
        if not found.rows:
            raise _nothing(step.kind, step.key)
        return Entity(step.kind, found.rows[0])

    async def _observation(self, parent: Entity | None, step: Step) -> Entity:
        stream, _, milliseconds = (step.key or "").partition("@")
        device, _, metric = stream.partition(".")
        row = (await self.repository.devices(self.scope, [device])).get(device)
        outside = parent is not None and parent.row.id != device
        if not milliseconds.lstrip("-").isdecimal() or len(milliseconds) > 15 or row is None or outside:
            raise _nothing(step.kind, step.key)
        wanted = Wanted([device], metric, milliseconds=int(milliseconds))
        read = await read_page(self.store, wanted, _SINGLE, self.now)
        if not read.rows:
            raise _nothing(step.kind, step.key)
        return Entity(step.kind, row._replace(metric=metric), read.rows[0])

    async def _observations(self, parent: Entity | None, options: Options) -> Part:
        """Of a datastream, of a place, or of all that lie in the scope and fit what the filter says of them."""
        own, about = _halves(options.filter)
        options = replace(options, filter=own)
        if parent is not None and about is None:
            metric = parent.row.metric if parent.kind is Kind.DATASTREAMS else None
            return await self._observed(await read_page(self.store, Wanted([parent.row.id], metric), options, self.now))
        everywhere = self.scope.division_code == CITY and self.scope.unit_id is None
        if about is None and everywhere:
            return await self._observed(await read_page(self.store, Wanted(), options, self.now))
        asked = Options(filter=about, top=MAX_STREAMS)
        found = await self.repository.part_of(Kind.DATASTREAMS, self.scope, asked, _of(parent), self.now)
        if found.more:
            raise Invalid("sta_too_wide", limit=MAX_STREAMS)
        if not found.rows:
            return Part([], count=0 if options.count else None)
        wanted = Wanted(streams=[(row.id, row.metric) for row in found.rows])
        return await self._observed(await read_page(self.store, wanted, options, self.now))

    async def _observed(self, read: Read) -> Part:
        rows = await self.repository.devices(self.scope, sorted({each.device for each in read.rows}))
        return Part([_observation(each, rows.get(each.device)) for each in read.rows], read.more, read.count)

    @staticmethod
    def _part(kind: Kind, found: Found) -> Part:
        return Part([Entity(kind, row) for row in found.rows], found.more, found.count)

    async def _finish(self, entities: Sequence[Entity], options: Options) -> None:
        """Shape the entities and put in what is expanded, level by level."""
        for entity in entities:
            shape(entity, self.base, options)
        if not entities:
            return
        kind = entities[0].kind
        for name, inner in options.expand.items():
            way = NAVIGATION[kind][name]
            parts = await self._related(entities, way, inner)
            await self._finish([child for part in parts for child in part.entities], inner)
            for entity, part in zip(entities, parts, strict=True):
                self._put(entity, name, way, inner, part)

    def _put(self, entity: Entity, name: str, way: Way, options: Options, part: Part) -> None:
        if not way.many:
            entity.shown[name] = part.entities[0].shown if part.entities else None
            return
        if part.count is not None:
            entity.shown[f"{name}@iot.count"] = part.count
        entity.shown[name] = [child.shown for child in part.entities]
        if part.more:
            entity.shown[f"{name}@iot.nextLink"] = next_link(f"{self.base}/{entity.path}/{name}", options)

    async def _related(self, entities: Sequence[Entity], way: Way, options: Options) -> list[Part]:
        """What each of the entities, all of one kind, leads to."""
        match way.kind:
            case Kind.DATASTREAMS if entities[0].kind is Kind.THINGS:
                ids = [entity.row.id for entity in entities]
                found = await self.repository.datastreams_of(self.scope, options, ids, self.now)
                return [self._part(way.kind, found[device]) for device in ids]
            case Kind.DATASTREAMS if way.many:
                return [await self._narrowed(way.kind, entity, options) for entity in entities]
            case Kind.OBSERVATIONS if entities[0].kind is Kind.DATASTREAMS:
                return await self._newest(entities, options)
            case Kind.OBSERVATIONS:
                return [await self._observations(entity, options) for entity in entities]
            case Kind.SENSORS:
                return [Part([Entity(way.kind, Row(entity.row.class_code))]) for entity in entities]
            case Kind.OBSERVED_PROPERTIES:
                return [Part([Entity(way.kind, Row(entity.row.metric))]) for entity in entities]
        return [self._same(way, entity, options) for entity in entities]

    def _same(self, way: Way, entity: Entity, options: Options) -> Part:
        """Another side of the same device."""
        there = way.kind not in PLACED or entity.row.place_ok
        keep = there and (not way.many or (options.top > 0 and options.skip == 0))
        count = int(there) if way.many and options.count else None
        return Part([Entity(way.kind, entity.row)] if keep else [], count=count)

    async def _narrowed(self, kind: Kind, parent: Entity, options: Options) -> Part:
        return self._part(kind, await self.repository.part_of(kind, self.scope, options, _of(parent), self.now))

    async def _newest(self, entities: Sequence[Entity], options: Options) -> list[Part]:
        streams = [(entity.row.id, entity.row.metric) for entity in entities]
        found = await read_of_each(self.store, list(dict.fromkeys(streams)), options, self.now)
        parts = []
        for entity, stream in zip(entities, streams, strict=True):
            read = found[stream]
            children = [_observation(each, entity.row) for each in read.rows]
            parts.append(Part(children, read.more, read.count))
        return parts


def _observation(observed: Observed, row: Row | None) -> Entity:
    known = Row(observed.device, observed.device) if row is None else row
    return Entity(Kind.OBSERVATIONS, known._replace(metric=observed.metric), observed)


def _of(parent: Entity | None) -> Narrowed:
    """What a set is narrowed to under this entity."""
    if parent is None:
        return Narrowed()
    match parent.kind:
        case Kind.SENSORS:
            return Narrowed(class_code=parent.row.id)
        case Kind.OBSERVED_PROPERTIES:
            return Narrowed(metric=parent.row.id)
        case Kind.DATASTREAMS | Kind.OBSERVATIONS:
            return Narrowed(parent.row.id, parent.row.metric)
    return Narrowed(parent.row.id)


def _keyed(narrowed: Narrowed, step: Step) -> Narrowed:
    """The same, and the entity with the step's key; a key of another device finds nothing."""
    key = step.key or ""
    match step.kind:
        case Kind.SENSORS:
            return Narrowed(class_code=key)
        case Kind.OBSERVED_PROPERTIES:
            return Narrowed(metric=key)
        case Kind.DATASTREAMS:
            device, _, metric = key.partition(".")
            wanted = Narrowed(device, metric)
        case _:
            wanted = Narrowed(key)
    if narrowed.device not in {None, wanted.device} or (
        wanted.metric is not None and narrowed.metric not in {None, wanted.metric}
    ):
        raise _nothing(step.kind, step.key)
    return replace(wanted, class_code=narrowed.class_code, metric=wanted.metric or narrowed.metric)


def _halves(node: Node | None) -> tuple[Node | None, Node | None]:
    """A filter of observations in two: what it says of the readings, and what of their datastreams.

    Raises Invalid where one condition mixes both.
    """
    own: list[Node] = []
    about: list[Node] = []
    for each in _conjuncts(node):
        names = names_in(each)
        if names <= _UP and names:
            about.append(_upward(each))
        elif names & _UP:
            raise Invalid("sta_property", field="$filter", kind="Observations", name=", ".join(sorted(names))[:80])
        else:
            own.append(each)
    return _all(own), _all(about)


def _conjuncts(node: Node | None) -> Iterable[Node]:
    if isinstance(node, Binary) and node.operator == "and":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    elif node is not None:
        yield node


def _all(nodes: Sequence[Node]) -> Node | None:
    whole: Node | None = None
    for each in nodes:
        whole = each if whole is None else Binary("and", whole, each)
    return whole


def _upward(node: Node) -> Node:
    """The condition as a datastream sees it."""
    if isinstance(node, Name):
        if node.parts[0] == "FeatureOfInterest":
            rest = ("location", *node.parts[2:]) if node.parts[1:2] == ("feature",) else node.parts[1:]
            return Name(("Thing", "Locations", *rest))
        return Name(node.parts[1:] or ("id",))
    changes: dict[str, Any] = {}
    for name in ("left", "right", "operand"):
        if hasattr(node, name):
            changes[name] = _upward(getattr(node, name))
    if hasattr(node, "arguments"):
        changes["arguments"] = tuple(_upward(each) for each in node.arguments)
    return replace(node, **changes) if changes else node


def next_link(address: str, options: Options) -> str:
    """Where the rest of a set is."""
    given: Mapping[str, str] = {
        **options.raw,
        "$top": str(min(options.top, MAX_TOP)),
        "$skip": str(options.skip + options.top),
    }
    return f"{address}?{urlencode(given, quote_via=quote, safe='$,()/;=:')}"


def _nothing(kind: Kind, key: str | None) -> NotFound:
    return NotFound("not_found", kind=str(kind), id=(key or "")[:120])
