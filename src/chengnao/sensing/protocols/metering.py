"""Meters behind a concentrator (DTU): it connects in with a line of text, and the platform asks its meters in turn.

A concentrator is a device whose `address` is the text it registers with; any other line it sends is a heartbeat. The
meters behind it are devices of the same protocol whose setting `via` names its id. A meter with a modem of its own
speaks without a line and is asked itself. Meters share one pair of wires, so one question is open at a time, what is
echoed is no answer, and a silent meter is asked three times before the next one.

Settings of a meter: `read_seconds` (how often, 300 where it does not say; a line that is silent for ten minutes is
closed) and those of its protocol. Of a concentrator: `answer_seconds` (how long an answer may take, 5).
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.shape import (
    Act,
    Command,
    Frame,
    Known,
    Now,
    Receipt,
    Refusal,
    Refused,
    Reply,
    Report,
    Value,
)

READ_SECONDS, ANSWER_SECONDS = 300.0, 5.0
TRIES = 3
MAX_PARTS = 32
"""Frames that one answer may go on for."""
MAX_ORDERS = 32

# A line that nothing ends is taken for one only where it holds a letter: stray bytes may look like digits.
_LINE = re.compile(rb"[\r\n\x00 ]*([A-Za-z0-9_:.,=@#*/+-][ -~]{2,62}[!-~])(?:[\r\n\x00]+|(\Z))")
_LETTER = re.compile(rb"[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text between frames: a registration or a heartbeat."""

    raw: bytes
    text: str
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        return {"registration": self.text}


def read_lines(piece: bytes, ended: bool) -> tuple[list[Any], int]:
    """The lines at the front of a piece, and how many bytes they take."""
    lines: list[Any] = []
    used = 0
    while (found := _LINE.match(piece, used)) is not None:
        text = found.group(1)
        if found.group(2) is not None and not (ended and _LETTER.search(text)):
            break
        lines.append(Line(text, text.decode("ascii")))
        used = found.end()
    return lines, used


@dataclass(frozen=True, slots=True)
class Question:
    """A frame for one meter, in one or more forms that are tried in turn, and what its answer will be known by."""

    meter: str
    code: str
    forms: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a meter's frame says."""

    meter: str
    code: str
    answer: bool
    """False for a frame of the centre: an echo."""
    values: Sequence[Value] = ()
    error: Mapping[str, Any] | None = None
    more: bool = False
    """The answer goes on in a further frame that must be asked for."""


M = TypeVar("M", bound=Frame)
M_contra = TypeVar("M_contra", bound=Frame, contravariant=True)


class Language(Protocol[M_contra]):
    """How one protocol asks meters and what their answers mean."""

    def questions(self, meter: Known) -> list[Question]:
        """What is read of a meter in each round."""

    def further(self, question: Question, number: int) -> Question:
        """Asks for the part with the number of an answer, counted from 1 for the second frame."""

    def heard(self, parts: Sequence[M_contra]) -> Heard:
        """What one frame, or all frames of one answer, say."""

    def fits(self, question: Question, heard: Heard) -> bool:
        """Whether the answer may be to this question."""

    def order(self, command: Command, meter: Known, now: Now) -> Question:
        """The command as a question; raises Invalid."""


@dataclass(slots=True)
class _Open(Generic[M]):
    """The question that waits for its answer."""

    question: Question
    asked: float
    tries: int = 1
    order: str | None = None
    """Key of the command it stands for."""
    parts: list[M] = field(default_factory=list)


class MeterDialogue(Generic[M]):
    """The conversation over one concentrator's connection, or over a single meter's."""

    def __init__(self, language: Language[M]) -> None:
        self._language = language
        self._device: Known | None = None
        self._concentrator = False
        self._due: dict[str, float] = {}
        self._queue: deque[Question] = deque()
        self._orders: deque[tuple[str, Question]] = deque()
        self._open: _Open[M] | None = None
        self._unserved: set[tuple[str, str]] = set()
        """What a meter has said it does not have; asked again on a new connection."""
        self._answered: set[str] = set()
        self._silent: set[str] = set()

    def address(self, frame: M | Line) -> str:
        if self._concentrator and self._device is not None:
            return self._device.address
        return frame.text if isinstance(frame, Line) else self._language.heard([frame]).meter

    def unknown(self, frame: M | Line, now: Now) -> bytes:
        return b""

    def hear(self, frame: M | Line, device: Known, now: Now) -> list[Act]:
        self._device = device
        if isinstance(frame, Line):
            self._concentrator = True
            return self._go_on(now)
        heard = self._language.heard([frame])
        if not heard.answer:
            return []  # an echo of the question
        meter = self._roster().get(heard.meter)
        if meter is None:
            params = {"field": "address", "value": heard.meter}
            return [Refused(Refusal("unknown_device", frame.raw, params)), *self._go_on(now)]
        return [*self._answer(frame, heard, now), *self._go_on(now)]

    def tick(self, now: Now) -> list[Act]:
        if self._device is None:
            return []
        acts: list[Act] = []
        if self._open is not None and now.seconds - self._open.asked >= self._patience():
            if self._open.tries < TRIES:
                forms = self._open.question.forms
                acts.append(Reply(forms[self._open.tries % len(forms)]))
                self._open.tries, self._open.asked = self._open.tries + 1, now.seconds
            else:
                acts += self._give_up()
        return [*acts, *self._go_on(now)]

    def close(self) -> list[Act]:
        waiting = list(self._orders)
        if self._open is not None and self._open.order is not None:
            waiting.append((self._open.order, self._open.question))
        self._orders.clear()
        self._open = None
        return [Receipt(key, False, {"reason": "disconnected"}, question.meter) for key, question in waiting]

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """Put the command before the next reading; nothing is sent here, as the wires may be in use."""
        if len(self._orders) >= MAX_ORDERS:
            raise Invalid("commands_waiting", field="name", value=command.name, waiting=len(self._orders))
        self._orders.append((command.key, self._language.order(command, device, now)))
        if self._open is not None or self._device is None:
            return b""
        return b"".join(act.data for act in self._go_on(now) if isinstance(act, Reply))

    def _roster(self) -> Mapping[str, Known]:
        assert self._device is not None
        return {self._device.address: self._device, **self._device.behind}

    def _patience(self) -> float:
        return _seconds(self._device, "answer_seconds", ANSWER_SECONDS, least=0.5)

    def _answer(self, frame: M, heard: Heard, now: Now) -> list[Act]:
        """An answer, to the open question or one that the meter gives by itself."""
        waiting = self._open
        fits = waiting is not None and self._language.fits(waiting.question, heard)
        if waiting is not None and fits:
            waiting.parts.append(frame)
            if heard.more and len(waiting.parts) <= MAX_PARTS:
                further = self._language.further(waiting.question, len(waiting.parts))
                waiting.asked, waiting.tries = now.seconds, 1
                waiting.question = further
                return [Reply(further.forms[0])]
            heard = self._language.heard(waiting.parts)
            self._open = None
        self._answered.add(heard.meter)
        self._silent.discard(heard.meter)
        acts: list[Act] = []
        if waiting is not None and fits and waiting.order is not None:
            detail = {"code": heard.code, **frame.fields(), **(heard.error or {})}
            acts.append(Receipt(waiting.order, heard.error is None, detail, waiting.question.meter))
        elif heard.error is not None:
            self._unserved.add((heard.meter, waiting.question.code if waiting is not None and fits else heard.code))
            params = {"field": "address", "value": heard.meter, **heard.error}
            acts.append(Refused(Refusal("meter_refuses", frame.raw, params)))
        if heard.values:
            raw = b"".join(part.raw for part in waiting.parts) if waiting is not None and fits else frame.raw
            acts.append(Report(heard.values, None, raw, device=heard.meter))
        return acts

    def _give_up(self) -> list[Act]:
        """No answer after all tries: the meter's other questions of this round are not asked either."""
        gone, self._open = self._open, None
        assert gone is not None
        if gone.order is not None:
            return [Receipt(gone.order, False, {"reason": "no_answer"}, gone.question.meter)]
        self._silent.add(gone.question.meter)
        self._answered.discard(gone.question.meter)
        self._queue = deque(each for each in self._queue if each.meter != gone.question.meter)
        return []

    def _go_on(self, now: Now) -> list[Act]:
        """Ask the next question where none is open; at the end of a round tell how many meters answered."""
        if self._open is not None:
            return []
        if self._orders:
            key, question = self._orders.popleft()
            return self._ask(question, now, key)
        acts: list[Act] = []
        if not self._queue:
            acts = self._end_of_round()
            self._begin_round(now)
        if self._queue:
            acts += self._ask(self._queue.popleft(), now, None)
        return acts

    def _ask(self, question: Question, now: Now, order: str | None) -> list[Act]:
        self._open = _Open(question, now.seconds, order=order)
        return [Reply(question.forms[0])]

    def _begin_round(self, now: Now) -> None:
        roster = self._roster()
        for address in self._due.keys() - roster.keys():
            del self._due[address]
        for address, meter in roster.items():
            if now.seconds < self._due.get(address, now.seconds):
                continue
            self._due[address] = now.seconds + _seconds(meter, "read_seconds", READ_SECONDS, least=1)
            asked = self._language.questions(meter)
            self._queue += [each for each in asked if (address, each.code) not in self._unserved]

    def _end_of_round(self) -> list[Act]:
        answered, silent = len(self._answered), len(self._silent)
        self._answered, self._silent = set(), set()
        if not self._concentrator or answered + silent == 0:
            return []
        return [Report([Value("answering", answered), Value("silent", silent)], None, b"")]


def meter_wire_dialogue(language: Callable[[], Language[Any]]) -> Callable[[], MeterDialogue[Any]]:
    """Makes the conversations of one protocol."""
    return lambda: MeterDialogue(language())


def _seconds(device: Known | None, name: str, usual: float, *, least: float) -> float:
    given = None if device is None else device.settings.get(name)
    if isinstance(given, int | float) and not isinstance(given, bool) and least <= given <= 86_400 * 31:
        return float(given)
    return usual


def check_digits(device: Known, name: str, count: int) -> str:
    """A setting of so many hexadecimal digits; raises Invalid where it is not there or something else."""
    given = device.settings.get(name)
    if isinstance(given, str) and len(given) == count and all(each in "0123456789abcdefABCDEF" for each in given):
        return given
    raise Invalid(
        "invalid_value",
        field=name,
        value=given,
        reason_zh=f"设备设置应含 {count} 位十六进制数字",
        reason_en=f"the setting of the device has {count} hexadecimal digits",
    )
