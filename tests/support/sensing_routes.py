"""The routes of devices, readings, commands, subscriptions, edge gateways and the quarantine."""

from tests.support.route import Route, json, lonlat

SENSING: dict[str, Route] = {
    "GET /api/device-classes": Route("device.read"),
    "GET /api/devices": Route("device.read"),
    "GET /api/devices/map": Route("device.read", lambda r: {"params": {"bbox": "105,28,111,33", "zoom": 9}}),
    "POST /api/devices": Route(
        "device.write",
        lambda r: json(
            id=f"new-{r.division}",
            name="新设备",
            class_code="water_flow",
            division_code=r.division,
            unit_id=r.unit,
            protocol="http",
            **lonlat(r),
        ),
    ),
    "GET /api/device-groups": Route("device.read"),
    "POST /api/devices/import": Route(
        "device.write", lambda r: {"files": {"file": ("devices.csv", "设备编号,设备名称,设备类型,区划代码\n".encode())}}
    ),
    "GET /api/device-imports": Route("device.write"),
    "GET /api/device-imports/{device_import_id}": Route("device.write"),
    "GET /api/device-imports/{device_import_id}/errors": Route("device.write"),
    "GET /api/device-import-template": Route("device.write"),
    "POST /api/devices/{device_id}/life": Route("device.write", lambda r: json(life="maintenance")),
    "GET /api/devices/{device_id}/upkeep": Route("device.read"),
    "POST /api/devices/{device_id}/upkeep": Route("device.write", lambda r: json(kind="inspected")),
    "GET /api/devices/{device_id}/credentials": Route("device.write"),
    "POST /api/devices/{device_id}/credentials": Route("device.write"),
    "DELETE /api/devices/{device_id}/credentials/{credential_id}": Route("device.write"),
    "GET /api/devices/{device_id}": Route("device.read"),
    "PATCH /api/devices/{device_id}": Route("device.write", lambda r: json(name="改名")),
    "GET /api/readings/latest": Route("reading.read"),
    "GET /api/readings/export": Route(
        "reading.read", lambda r: {"params": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}}
    ),
    "GET /api/devices/{device_id}/latest": Route("reading.read"),
    "GET /api/devices/{device_id}/readings": Route(
        "reading.read",
        lambda r: {"params": {"metric": "flow", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}},
    ),
    "POST /api/devices/{device_id}/commands": Route("command.ask", lambda r: json(name="set_clock")),
    "GET /api/devices/{device_id}/commands": Route("command.read"),
    "GET /api/commands": Route("command.read"),
    "GET /api/commands/{command_id}": Route("command.read"),
    "POST /api/commands/{command_id}/decision": Route("command.decide", lambda r: json(approve=True)),
    "POST /api/commands/{command_id}/withdraw": Route("command.ask"),
    "GET /api/subscriptions/types": Route("subscription.read"),
    "GET /api/subscriptions": Route("subscription.read"),
    "POST /api/subscriptions": Route(
        "subscription.write",
        lambda r: json(
            name="推送", url="https://1.1.1.1/hook", types=["warning.*"], division_code=r.division, unit_id=r.unit
        ),
    ),
    "PATCH /api/subscriptions/{subscription_id}": Route("subscription.write", lambda r: json(state="paused")),
    "GET /api/subscriptions/{subscription_id}/deliveries": Route("subscription.read"),
    "POST /api/subscriptions/{subscription_id}/deliveries/{sequence}/retry": Route("subscription.write"),
    "DELETE /api/subscriptions/{subscription_id}": Route("subscription.write"),
    "GET /api/edges": Route("edge.read"),
    "POST /api/edges": Route("edge.write", lambda r: json(name="站房", division_code=r.division, unit_id=r.unit)),
    "GET /api/edges/{edge_id}": Route("edge.read"),
    "GET /api/edges/{edge_id}/history": Route("edge.read"),
    "PUT /api/edges/{edge_id}/wanted": Route("edge.write", lambda r: json(version="9.9.9")),
    "POST /api/edges/{edge_id}/end": Route("edge.write"),
    "GET /api/discovered": Route("quarantine.read"),
    "GET /api/discovered/guess": Route("quarantine.read", lambda r: {"params": {"source": "http", "address": "x-1"}}),
    "POST /api/discovered/replay": Route("quarantine.write", lambda r: json(source="http", address="x-1")),
    "POST /api/discovered/discard": Route("quarantine.write", lambda r: json(source="http", address="x", reason="旧")),
    "GET /api/devices/{device_id}/findings": Route("quarantine.read"),
    "GET /api/devices/{device_id}/health": Route("reading.read"),
    "GET /api/quarantine": Route("quarantine.read"),
    "GET /api/quarantine/{held_id}": Route("quarantine.read"),
    "POST /api/quarantine/{held_id}/replay": Route("quarantine.write"),
    "POST /api/quarantine/{held_id}/discard": Route("quarantine.write", lambda r: json(reason="无用")),
}
