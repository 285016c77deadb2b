"""Deviations as sentences, the Chinese one first."""

from chengnao.incident.catalogue import category_name
from chengnao.incident.dispatch.model import return_reasons
from chengnao.incident.names import Names
from chengnao.review.deviations import Deviation, DeviationKind
from chengnao.supervision.evaluation.model import duration


def sentence(deviation: Deviation, names: Names) -> str:
    """What happened, by how much, and the reason that was given."""
    unit = names.unit(deviation.unit_id) or ""
    long = duration(deviation.seconds) if deviation.seconds is not None else ""
    said = f"：{deviation.reason}" if deviation.reason else ""
    match deviation.kind:
        case DeviationKind.SLOW_WARNING:
            return f"预警达到立案等级后 {long}才立案{said}"
        case DeviationKind.LATE_STEP:
            state = deviation.state.zh if deviation.state else ""
            return f"{unit and f'{unit}，'}{state}超时 {long}"
        case DeviationKind.LATE_WHOLE:
            return f"全程超时 {long}"
        case DeviationKind.RECATEGORISED:
            return f"原类别“{category_name(deviation.category or '')}”有误，改类{said}"
        case DeviationKind.RETURNED | DeviationKind.ASSIST_RETURNED:
            code = return_reasons().get(deviation.reason_code or "")
            return f"{unit}{deviation.kind.zh}（{code.name if code else '未注明'}）{said}"
        case DeviationKind.SUSPENDED:
            return f"{unit}挂起 {long}"
        case DeviationKind.URGED if deviation.level:
            return f"{'催办' if deviation.level == 1 else '提请上级督办'}{said}"
        case _:
            return f"{deviation.actor}{deviation.kind.zh}{said}"
