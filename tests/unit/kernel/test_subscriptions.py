"""Which events a subscription wants, where webhooks may lead, and when a delivery is tried again."""

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.kernel.errors import Invalid
from chengnao.kernel.subscriptions.addresses import check_url, look_up, networks_of, reachable
from chengnao.kernel.subscriptions.model import Subscription, SubscriptionState, outward, wait_after

NOW = datetime(2026, 11, 25, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "id": "e1",
    "type": "warning.opened",
    "subject": "w1",
    "divisioncode": "500103",
    "unitid": None,
    "data": {"level": 1, "metric": "pressure"},
}


def wants(event: dict[str, Any] = EVENT, **values: Any) -> bool:
    fields: dict[str, Any] = {
        "id": "s1",
        "name": "",
        "url": "",
        "types": ["warning.*"],
        "filters": {},
        "state": SubscriptionState.ACTIVE,
        "division_code": "500000",
        "unit_id": None,
        "created_by": "",
        "created_at": NOW,
    }
    return Subscription(**(fields | values)).wants(event)


def test_types_divisions_and_filters() -> None:
    assert wants()
    assert wants(types=["incident.opened", "warning.opened"])
    assert not wants(types=["warning.cleared"])
    assert not wants(types=["warning"])
    assert wants(division_code="500103")
    assert not wants(division_code="500108")
    assert not wants(unit_id="u1")
    assert wants(filters={"data.level": [1, 2], "subject": ["w1"]})
    assert not wants(filters={"data.level": [2]})
    assert not wants(filters={"data.missing": [1]})
    assert not wants(state=SubscriptionState.PAUSED)


def test_attributes_without_a_value_are_left_out() -> None:
    assert "unitid" not in outward(EVENT)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1",
    ],
)  # fmt: skip
def test_the_own_network_is_not_reached(address: str) -> None:
    assert not reachable(ipaddress.ip_address(address), [])


def test_public_addresses_and_allowed_networks_are() -> None:
    assert reachable(ipaddress.ip_address("1.1.1.1"), [])
    assert reachable(ipaddress.ip_address("2606:4700::1111"), [])
    assert reachable(ipaddress.ip_address("10.1.2.3"), networks_of(["10.0.0.0/8"]))
    assert reachable(ipaddress.ip_address("::ffff:10.1.2.3"), networks_of(["10.0.0.0/8"]))
    with pytest.raises(Invalid):
        networks_of(["10.0.0.1/8"])


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "https://", "file:///etc/passwd", "https://user:x@a.example/", "https://a:99999/", "x"]
)
def test_what_is_no_webhook(url: str) -> None:
    with pytest.raises(Invalid, match=r"webhook|地址"):
        check_url(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_names_of_the_own_machine_are_found_out(host: str) -> None:
    with pytest.raises(Invalid) as caught:
        await look_up(f"https://{host}/hook", [])
    assert caught.value.code == "webhook_private"


async def test_outside_only_https_and_the_address_is_pinned() -> None:
    with pytest.raises(Invalid) as caught:
        await look_up("http://1.1.1.1/hook", [])
    assert caught.value.code == "webhook_plain"
    target = await look_up("http://localhost:8080/hook?a=1", networks_of(["127.0.0.0/8", "::1/128"]))
    assert target.url.host in {"127.0.0.1", "::1"}
    assert (target.host, target.url.path, target.server_name) == ("localhost:8080", "/hook", "localhost")


def test_waiting_doubles_up_to_an_hour() -> None:
    waits = [wait_after(attempts, timedelta()).total_seconds() for attempts in range(1, 16)]
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == 3600
    assert wait_after(1, timedelta(seconds=30)) == timedelta(seconds=30)
    assert 3 * 3600 < sum(waits) < 5 * 3600
