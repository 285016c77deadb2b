"""A row of a file as it was understood, or what is wrong with it; and how a row may be odd."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chengnao.kernel.messages import message
from chengnao.kernel.places import Bd09Place, Gcj02Place, Place
from chengnao.kernel.vocabulary import Named


class Crs(Named):
    """What the coordinates of a file are counted in."""

    WGS84 = "wgs84", "WGS84（或 CGCS2000）", "WGS84 (or CGCS2000)"
    GCJ02 = "gcj02", "GCJ-02（高德、腾讯）", "GCJ-02 (Amap, Tencent)"
    BD09 = "bd09", "BD-09（百度）", "BD-09 (Baidu)"

    def place(self, lon: float, lat: float) -> Place:
        """The place in WGS84; raises Invalid where it is not on the globe."""
        match self:
            case Crs.GCJ02:
                return Gcj02Place(lon, lat).to_wgs84()
            case Crs.BD09:
                return Bd09Place(lon, lat).to_wgs84()
            case _:
                return Place(lon, lat)


class Mode(Named):
    """What becomes of the rows."""

    AUTO = "auto", "自动判断", "as the columns tell"
    """HISTORIC where the file tells a state, a deadline or a closing time, else NEW."""
    NEW = "new", "新诉求", "new reports"
    """Each row enters the loop now, as if it had been told today."""
    HISTORIC = "historic", "历史案件", "cases with their own times"
    """Each row is a case of an earlier system and keeps its own times and its end."""


class Odd(Named):
    """Why a row that was kept deserves a look."""

    NO_CONTENT = "no_content", "没有描述，以类别代替", "no description; the category stands in"
    NO_PLACE = "no_place", "没有地点", "no place"
    HALF_PLACE = "half_place", "经纬度只有一半", "only half of a coordinate"
    SWAPPED = "coordinates_swapped", "经纬度写反，已对调", "longitude and latitude were swapped, and set right"
    OUTSIDE_CHINA = "outside_china", "坐标不在中国境内", "outside of China"
    OUTSIDE_CITY = "outside_city", "坐标不在重庆市内", "outside of Chongqing"
    NO_CATEGORY = "no_category", "没有类别", "no category"
    CATEGORY_UNKNOWN = "category_unknown", "类别不在目录中", "a category that the catalogue does not know"
    STATUS_UNKNOWN = "status_unknown", "状态不认识", "a state that is not known"
    CHANNEL_UNKNOWN = "channel_unknown", "来源不认识", "a channel that is not known"
    NO_CREATED = "no_created", "没有来电时间", "no time of creation"
    CLOSED_BEFORE_CREATED = "closed_before_created", "办结早于来电", "closed before it was created"
    DUE_BEFORE_CREATED = "due_before_created", "截止早于来电", "due before it was created"
    OPEN_WITH_CLOSED_DATE = "open_with_closed_date", "有办结时间但状态未办结", "a closing time, but the state is open"
    FUTURE_DATE = "future_date", "时间在将来", "a time in the future"
    PHONE_UNREADABLE = "phone_unreadable", "电话格式异常", "an unreadable telephone number"
    DUPLICATE_ID = "duplicate_id", "工单号重复", "the number occurs more than once"
    DIVISION_UNKNOWN = "division_unknown", "区县或街道不认识", "a district or street that is not known"
    DIVISION_GIVEN = "division_given", "区划取自本次导入的默认值", "the division is the import's default"


class Status(StrEnum):
    """What the source says of a case."""

    OPEN = "open"
    CLOSED = "closed"
    DUPLICATE = "duplicate"
    """Closed because it was known already."""
    OPEN_DUPLICATE = "open_duplicate"
    TRANSFERRED = "transferred"
    """Closed here and handed on to somebody else."""
    DISMISSED = "dismissed"

    @property
    def ended(self) -> bool:
        return self not in (Status.OPEN, Status.OPEN_DUPLICATE)


@dataclass(frozen=True)
class Spot:
    """Where a row stands, as its owner sees it: the number that Excel shows beside it, or the line of the file."""

    file: str
    sheet: str
    row: int


@dataclass(frozen=True)
class RowError:
    """What is wrong with one row; its text says how to put it right."""

    spot: Spot
    code: str
    column: str = ""
    """The header as the file writes it."""
    value: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, language: str = "zh") -> str:
        known = {"column": self.column, **self.params}
        known.setdefault("value", self.value)
        return message(self.code, "en" if language == "en" else "zh", **known)

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.spot.file,
            "sheet": self.spot.sheet,
            "row": self.spot.row,
            "column": self.column,
            "value": self.value,
            "code": self.code,
            "message": self.text("zh"),
            "message_en": self.text("en"),
        }


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used as it stands, with its cells by header so that it can be put right."""

    spot: Spot
    cells: Mapping[str, str]
    errors: Sequence[RowError]


@dataclass(frozen=True)
class ReportRow:
    """A row as it was understood."""

    spot: Spot
    cells: Mapping[str, str]
    content: str
    category: str | None = None
    """A code of the catalogue; None where the row names none that is known."""
    given_category: str = ""
    external_id: str = ""
    channel: str | None = None
    address: str = ""
    district: str = ""
    street: str = ""
    division_code: str | None = None
    """As the row says, or the district around its place."""
    place: Place | None = None
    created_at: datetime | None = None
    closed_at: datetime | None = None
    due_at: datetime | None = None
    status: Status | None = None
    given_status: str = ""
    name: str = ""
    phone: str = ""
    unit: str = ""
    result: str = ""
    odd: tuple[Odd, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the case is over, by its state or, where that is not known, by its closing time."""
        return self.closed_at is not None if self.status is None else self.status.ended


Row = ReportRow | BadRow


@dataclass(frozen=True)
class SheetReport:
    """What was found in one sheet, for whoever imports it."""

    sheet: str
    header_row: int | None
    """None in a file of JSON lines, whose keys are the header."""
    columns: Mapping[str, str]
    """Header -> field."""
    unknown: Sequence[str] = ()
    """Columns that mean nothing to us; their cells are kept with the row."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Columns that mean a field which another column gives already: header -> that other header."""
    skipped: str = ""
    """Why the sheet was left out: `hidden`, `empty` or `no_header`."""
