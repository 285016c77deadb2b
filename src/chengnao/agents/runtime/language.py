"""The loop of pydantic-ai over models and tools of ours: each request and each call is one step of the journal."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelRetry, UnexpectedModelBehavior, UsageLimitExceeded
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset
from pydantic_ai.toolsets.abstract import ToolsetTool
from pydantic_core import SchemaValidator, core_schema

from chengnao.agents.runtime.reply import Given, Wanted, Wrong, read_reply
from chengnao.agents.tools import Tool

Think = Callable[[list[dict[str, Any]]], Awaitable[str]]
"""Asks the model with messages in OpenAI's shape and gives its text; raises what ends the model's part."""

CallTool = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Calls a tool and gives its answer as a text for the model; raises ValueError where the arguments are wrong."""

Judge = Callable[[Given], Wrong | None]

_ANY = SchemaValidator(core_schema.any_schema())
_SHOWN = 400
"""Characters of an unusable answer that the model is shown again."""


class Nonsense(Exception):
    """The model gave nothing usable, twice; `code` says what was wrong at last."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Model(Model[None]):
    _announces_lookalike_notes = False  # our prompt says what is data, in words that a small model follows

    def __init__(self, think: Think, tools: dict[str, Tool[Any, Any]], route: str) -> None:
        super().__init__()
        self._think = think
        self._tools = tools
        self._route = route
        self._requests = 0
        self.last = ""
        """The whole of the last text."""

    @property
    def model_name(self) -> str:
        return self._route

    @property
    def system(self) -> str:
        return "chengnao"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        self._requests += 1
        self.last = await self._think(_as_sent(messages))
        reply = read_reply(self.last, self._tools)
        if isinstance(reply, Wanted):
            return ModelResponse([ToolCallPart(reply.tool, reply.arguments, tool_call_id=f"m{self._requests}")])
        return ModelResponse([TextPart(self.last[:_SHOWN] or "（空）")])


class _Tools(AbstractToolset[None]):
    def __init__(self, tools: dict[str, Tool[Any, Any]], call: CallTool) -> None:
        self._tools = tools
        self._call = call

    @property
    def id(self) -> str:
        return "chengnao"

    async def get_tools(self, ctx: RunContext[None]) -> dict[str, ToolsetTool[None]]:
        return {
            name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(name=name, description=tool.description),
                max_retries=1,
                args_validator=_ANY,
            )
            for name, tool in self._tools.items()
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[None], tool: ToolsetTool[None]
    ) -> str:
        try:
            return await self._call(name, tool_args)
        except ValueError as error:
            raise ModelRetry(f"参数有误：{error}。请改正后重试。") from error


async def converse(
    instructions: str,
    prompt: str,
    tools: dict[str, Tool[Any, Any]],
    route: str,
    think: Think,
    call: CallTool,
    judge: Judge,
) -> Given:
    """What the model answers in the end; a fault is named to it once. Raises Nonsense, and what `think` raises."""
    model = _Model(think, tools, route)
    agent = Agent(model, instructions=instructions, toolsets=[_Tools(tools, call)], retries={"tools": 1, "output": 1})
    fault = ""
    answer: Given | None = None

    @agent.output_validator
    def check(text: str) -> str:
        nonlocal fault, answer
        reply = read_reply(model.last, tools)
        wrong = reply if isinstance(reply, Wrong) else judge(reply) if isinstance(reply, Given) else None
        if wrong is not None:
            fault = wrong.code
            raise ModelRetry(wrong.text)
        assert isinstance(reply, Given)
        answer = reply
        return text

    try:
        await agent.run(prompt)
    except (UnexpectedModelBehavior, UsageLimitExceeded) as error:
        raise Nonsense(fault or "tool_arguments") from error
    assert answer is not None
    return answer


def _as_sent(messages: list[ModelMessage]) -> list[dict[str, Any]]:
    """The messages in OpenAI's shape; calls and their answers as plain text, which every model understands."""
    sent: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ModelRequest):
            if message.instructions and not sent:
                sent.append({"role": "system", "content": message.instructions})
            texts = [_text(part) for part in message.parts]
            sent.append({"role": "user", "content": "\n".join(text for text in texts if text)})
        else:
            sent.append({"role": "assistant", "content": "\n".join(_said(part) for part in message.parts)})
    return sent


def _text(part: Any) -> str:
    content = getattr(part, "content", "")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return f"工具 {part.tool_name} 的结果：\n{text}" if isinstance(part, ToolReturnPart) else text


def _said(part: Any) -> str:
    if isinstance(part, ToolCallPart):
        return json.dumps({"next": part.tool_name, "arguments": part.args_as_dict()}, ensure_ascii=False)
    return str(getattr(part, "content", ""))
