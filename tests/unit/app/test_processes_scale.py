"""Several processes of one kind, as the settings ask for them."""

from pathlib import Path

from chengnao.app.processes import services, several
from chengnao.kernel.settings import load_settings


def test_a_single_process_has_the_name_of_its_kind() -> None:
    assert several("gateway", 1) == ["gateway"]
    assert several("writer", 2) == ["writer-1", "writer-2"]


def test_gateways_share_a_port_and_writers_the_log(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, gateways=3, writers=2, models=False, agents=False)
    found = {spec.name: spec.port for spec in services(settings)}
    assert [name for name in found if name.startswith("gateway")] == ["gateway-1", "gateway-2", "gateway-3"]
    assert {found[f"gateway-{number}"] for number in (1, 2, 3)} == {settings.port("gateway")}
    assert [name for name in found if name.startswith("writer")] == ["writer-1", "writer-2"]
