"""A platform whose data folder has a language model serves it by itself; one without says what to do."""

import importlib.util
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chengnao.kernel.database import Database
from chengnao.models.card import ModelKind
from chengnao.models.deployment.service import DEFAULTS
from chengnao.models.gateway.service import seed_routes
from tests.support.gateway import GatewayProcess

pytestmark = pytest.mark.engines

MODEL = DEFAULTS[ModelKind.CHAT]


@pytest.fixture
async def gateway(database: Database, database_url: str) -> AsyncIterator[GatewayProcess]:
    """A gateway's process, not started yet, over a database with the first routes."""
    async with database.unit_of_work() as uow:
        await seed_routes(uow)
        await uow.commit()
    process = GatewayProcess(database_url)
    yield process
    process.close()


def asked_until(gateway: GatewayProcess, code: str | None, seconds: float, **body: Any) -> httpx.Response:
    """The answer, once its error has this code; None: once it is an answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = gateway.chat(**body)
        if answer.is_success if code is None else code in answer.text:
            return answer
        assert time.monotonic() < deadline, f"{answer.text}\n{gateway.log()}"
        time.sleep(0.5)


async def test_without_a_model_the_route_says_what_to_do(gateway: GatewayProcess) -> None:
    gateway.start()
    answer = asked_until(gateway, "model_none_installed", 20)
    assert answer.status_code == 503
    assert f"chengnao models pull {MODEL}" in answer.text
    assert "未安装语言模型" in json.loads(answer.text)["error"]["message"]


async def test_a_language_model_is_deployed_by_itself_and_answers_through_the_gateway(
    gateway: GatewayProcess,
) -> None:
    weights = Path(os.environ.get("CHENGNAO_MODEL_HOME", "")) / "models" / MODEL
    if "CHENGNAO_MODEL_HOME" not in os.environ or not weights.exists():
        pytest.skip("not run: no model (CHENGNAO_MODEL_HOME)")
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("not run: no model (the extra llm is not installed)")
    (gateway.home / "models").mkdir(parents=True, exist_ok=True)
    (gateway.home / "models" / MODEL).symlink_to(weights)
    gateway.start()
    schema = {
        "type": "object",
        "properties": {"category": {"type": "string", "enum": ["道路", "噪声", "供水"]}},
        "required": ["category"],
        "additionalProperties": False,
    }
    answer = asked_until(
        gateway,
        None,
        180,
        text="市民反映：小区门口的马路上井盖不见了。这属于哪一类？",
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
    )
    found = answer.json()
    assert json.loads(found["choices"][0]["message"]["content"]) == {"category": "道路"}
    assert found["usage"]["completion_tokens"] > 0
