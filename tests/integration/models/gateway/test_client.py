"""The client that the platform's own code uses, against the gateway on its socket."""

import time
from collections.abc import AsyncIterator

import pytest

from chengnao.kernel.errors import Invalid
from chengnao.models.client import ChatRequest, ModelClient
from chengnao.models.errors import BudgetSpent, ModelUnavailable
from tests.integration.models.gateway.conftest import Served
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines

MESSAGES = [{"role": "user", "content": "路灯不亮"}]


@pytest.fixture
async def client(served: Served) -> AsyncIterator[ModelClient]:
    async with ModelClient(served.settings) as made:
        yield made


async def test_an_answer_with_what_it_cost(served: Served, vendor: Vendor, client: ModelClient) -> None:
    vendor.say({"category": "lamp"})
    schema = {"type": "object", "properties": {"category": {"type": "string"}}}
    request = ChatRequest(
        messages=MESSAGES,
        purpose="incident-triage",
        schema=schema,
        max_tokens=50,
        temperature=0.0,
        data="internal",
        unit_id="城管局",
        division_code="500103",
        trace="run-7",
    )
    reply = await client.chat(request)
    assert reply.text == '{"category": "lamp"}'
    assert (reply.prompt_tokens, reply.completion_tokens) == (10, 5)
    assert reply.money == pytest.approx(20e-6)
    assert (reply.model, reply.target) == ("m-one", "provider:one/m-one")
    body = vendor.asked[0].body
    assert body is not None
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert (body["max_tokens"], body["temperature"]) == (50, 0.0)
    found = await served.rows("SELECT unit_id, division_code, purpose, trace, data_class FROM model_calls")
    assert found == [("城管局", "500103", "incident-triage", "run-7", "internal")]


async def test_each_reason_is_an_error_of_its_own(served: Served, vendor: Vendor, client: ModelClient) -> None:
    with pytest.raises(ModelUnavailable) as none:
        await client.chat(ChatRequest(messages=MESSAGES, purpose="p", data="sensitive"))
    assert none.value.code == "model_no_target"
    vendor.say(Said("不是 JSON"))
    with pytest.raises(ModelUnavailable) as unfit:
        await client.chat(ChatRequest(messages=MESSAGES, purpose="p", schema={"type": "object"}))
    assert unfit.value.code == "model_answer_invalid"
    vendor.say(Said(delay=3.0))
    began = time.monotonic()
    with pytest.raises(ModelUnavailable) as slow:
        await client.chat(ChatRequest(messages=MESSAGES, purpose="p", seconds=0.3))
    assert slow.value.code == "model_target_too_slow"
    assert time.monotonic() - began < 2.0
    with pytest.raises(Invalid) as unknown:
        await client.chat(ChatRequest(messages=MESSAGES, purpose="p", route="nowhere"))
    assert unknown.value.code == "model_route_unknown"
    await served.budget(name="日预算", requests=0)
    with pytest.raises(BudgetSpent) as spent:
        await client.chat(ChatRequest(messages=MESSAGES, purpose="p"))
    assert "日预算" in spent.value.text()
    assert spent.value.retry_after > 0


async def test_it_says_whether_a_route_can_answer(served: Served, client: ModelClient) -> None:
    assert await client.available("chat")
    assert not await client.available("nowhere")


async def test_where_the_gateway_is_off_or_down_it_says_so_at_once(served: Served) -> None:
    off = ModelClient(served.settings.model_copy(update={"models": False}))
    assert not await off.available("chat")
    with pytest.raises(ModelUnavailable) as caught:
        await off.chat(ChatRequest(messages=MESSAGES, purpose="p"))
    assert caught.value.code == "models_off"
    async with ModelClient(served.settings.model_copy(update={"base_port": 1024})) as down:
        assert not await down.available("chat")
        with pytest.raises(ModelUnavailable) as refused:
            await down.chat(ChatRequest(messages=MESSAGES, purpose="p"))
    assert refused.value.code == "models_down"
