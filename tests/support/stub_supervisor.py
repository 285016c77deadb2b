"""The supervisor with PostgreSQL and NATS as they are and small stand-ins for the platform's own processes.

`STUB_DEAF=name` makes that stand-in ignore SIGTERM, `STUB_BROKEN=name` makes it exit at once.
"""

import os
import sys

from chengnao.app.processes import Plan, engines, python_process
from chengnao.app.spec import Spec
from chengnao.app.supervisor import main
from chengnao.kernel.child import Launch
from chengnao.kernel.settings import Settings

_BEATING = """
import json, os, signal, sys, time
path, deaf, broken = sys.argv[1], sys.argv[2] == "True", sys.argv[3] == "True"
if broken:
    sys.exit("this one is broken")
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    with open(path + ".new", "w") as file:
        json.dump({"at": time.time(), "ready": True, "lag": 7, "detail": ""}, file)
    os.replace(path + ".new", path)
    time.sleep(0.1)
"""


def stub(name: str, settings: Settings) -> Spec:
    real = python_process(name, settings)
    health = settings.home / "run" / f"{name}.health.json"

    async def prepare() -> Launch:
        await real.prepare()
        flags = [str(os.environ.get(key) == name) for key in ("STUB_DEAF", "STUB_BROKEN")]
        return Launch([sys.executable, "-c", _BEATING, str(health), *flags])

    return Spec(name, prepare, real.check, stop_seconds=1.0)


def plan(settings: Settings) -> Plan:
    own = [spec for spec in engines(settings) if spec.name in ("postgres", "nats")]
    city = [stub("city", settings)] if settings.demonstration else []
    return Plan(own, Launch(["true"]), [stub("worker", settings), stub("web", settings)], city)


if __name__ == "__main__":
    main(plan)
