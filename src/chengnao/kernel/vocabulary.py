"""The words of the plan as values: tiers, sectors, fields, stages of the loop, levels of a warning."""

from enum import IntEnum, StrEnum
from typing import Self


class Named(StrEnum):
    """An enumeration whose members carry a Chinese and an English name."""

    zh: str
    en: str

    def __new__(cls, code: str, zh: str = "", en: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.zh = zh
        member.en = en
        return member


class Tier(Named):
    """The three tiers of governance centres (三级治理中心)."""

    CITY = "city", "市", "city"
    DISTRICT = "district", "区县", "district"
    STREET = "street", "镇街", "street"


class Sector(Named):
    """The eight sectors (八大板块)."""

    PARTY_BUILDING = "party-building", "党建统领", "Party building"
    ECONOMY = "economy", "经济发展", "Economy"
    SOCIAL_GOVERNANCE = "social-governance", "社会治理", "Social governance"
    LIVING_SERVICES = "living-services", "生产生活服务", "Production and living services"
    ECOLOGY = "ecology", "生态景观", "Ecology and landscape"
    FACILITIES = "facilities", "设施运行", "Facility operation"
    EMERGENCY = "emergency", "应急动员", "Emergency mobilisation"
    CIVIC_CULTURE = "civic-culture", "文明创建", "Civic culture"


class Field(Named):
    """The nine fields of the plan (九大重点领域)."""

    PLANNING = "spatial-planning", "全域国土空间规划智治", "Spatial planning"
    CONSTRUCTION = "construction", "城市建设更新提升", "Construction and renewal"
    OPERATIONS = "operations", "城市运营维护一体管控", "Operation and maintenance"
    SAFETY = "safety", "构建安全韧性城市", "Safety and resilience"
    TRANSPORT = "transport", "城市交通综合治理", "Transport"
    LAW_ENFORCEMENT = "law-enforcement", "行政执法一体化", "Administrative law enforcement"
    COMMUNITY = "community", "平安稳定社区治理", "Community peace"
    CIVILITY = "civility", "城市文明综合治理", "Civility"
    PUBLIC_SERVICES = "public-services", "城市公共服务高效供给", "Public services"


class Stage(Named):
    """The four stages of the closed loop."""

    SENSE = "sense", "感知预警", "Sense and warn"
    DECIDE = "decide", "决策处置", "Decide and handle"
    SUPERVISE = "supervise", "监督评价", "Supervise and evaluate"
    REVIEW = "review", "复盘改进", "Review and improve"


class DataClass(Named):
    """How sensitive data are: who and which model may be given them."""

    PUBLIC = "public", "公开", "Public"
    INTERNAL = "internal", "内部", "Internal"
    SENSITIVE = "sensitive", "敏感", "Sensitive"

    def may_see(self, data: "DataClass") -> bool:
        """Whether what is cleared for this class may see such data."""
        order = list(DataClass)
        return order.index(data) <= order.index(self)


class Level(IntEnum):
    """The level of a warning: 1 is the gravest."""

    RED = 1
    ORANGE = 2
    YELLOW = 3
    BLUE = 4

    @property
    def zh(self) -> str:
        return {1: "红色", 2: "橙色", 3: "黄色", 4: "蓝色"}[self]

    @property
    def en(self) -> str:
        return self.name.lower()
