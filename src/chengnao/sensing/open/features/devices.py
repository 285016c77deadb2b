"""The collection of devices."""

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.sensing.open.features.collection import Collection
from chengnao.sensing.open.features.model import Feature, Features, Question
from chengnao.sensing.open.features.repository import QUERYABLES, FeatureRepository


async def _ask(uow: UnitOfWork, scope: Scope, question: Question) -> Features:
    return await FeatureRepository(uow.session).devices(scope, question)


async def _one(uow: UnitOfWork, scope: Scope, device_id: str) -> Feature | None:
    return await FeatureRepository(uow.session).device(scope, device_id)


DEVICES = Collection(
    "devices",
    "设备 / devices",
    "登记的设备及其位置；datetime 指登记信息的更新时间。Registered devices; datetime is when the entry last changed.",
    "device.read",
    QUERYABLES,
    _ask,
    _one,
)
