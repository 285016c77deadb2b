"""What answers where people speak or show something: a call, a citizen's question, a camera's picture. By rule."""

import re
from typing import Any

from chengnao.agents.general.review import INJECTION
from chengnao.agents.tools import Answer, Call, Evidence
from chengnao.incident.advice import service
from chengnao.incident.advice.sight import PersonsOut, PictureIn, RecordingIn, hear, persons, persons_out, read
from chengnao.incident.classification.model import NO_MATTER, Understanding
from chengnao.incident.reports.model import title_of
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.privacy.model import mask
from chengnao.knowledge import service as knowledge
from chengnao.knowledge.model import ANYBODY
from chengnao.models.client import ModelClient
from chengnao.models.embedded.snapshot import Quality

_AMOUNT = re.compile(
    r"(?P<it>(?:\d[\d,，]*(?:\.\d+)?|[零〇一二两三四五六七八九十百千]{1,8})\s*[万千百]?\s*(?:多|余|来)?\s*(?:元|块钱?|块|万))"
)
_PLACE = re.compile(
    r"(?:^|[，。、；\s]|[在住是去到于从的])(?P<it>[\u4e00-\u9fff]{1,9}?"
    r"(?:医院|幼儿园|小学|中学|大学|学校|大桥|立交|车站|公交站|地铁站|轻轨站|北站|西站|广场|公园|市场|小区|大厦|码头|路|街|桥|岩|坡|坝|坪|湾|沟|村|镇))"
)
_LASTING = re.compile(
    r"(?:好几|[半一二三四五六七八九十两几\d]+多?)(?:个)?(?:小时|天|周|星期|礼拜|月|年)(?:了|多)?|上(?:周|个?月)|去年(?:底|初)?|刚才|最近"
)
_KINDS = (
    "政务大厅|办事大厅|服务中心|服务站|营业厅|公司|工厂|[药电化纸钢]厂|厂[里家]|物业|开发商|中介|售楼部|工地|停车场|"
    "加油站|充电站|饭店|餐厅|餐馆|火锅店|超市|商场|菜市场|农贸市场|市场|酒店|宾馆|药店|理发店|美容院|健身房|网吧|影院|"
    "驿站|快递点|银行|医院|诊所|学校|幼儿园|培训机构|培训班|驾校|养老院|景区"
)
"""What people call those they complain of."""
_PARTY = re.compile(rf"(?:^|[，。、；\s]|[在由被找去把那个家])(?P<it>[\u4e00-\u9fff]{{0,8}}?(?:{_KINDS}))")
_EMERGENCY = (
    (re.compile(r"着火|起火|失火|火灾|燃起来|冒(大|黑|浓)烟|爆炸"), "火情请立即拨打 119，先撤到安全处。"),
    (
        re.compile(r"(燃气|天然气|煤气|液化气).{0,6}(泄漏|泄露|漏|味)|闻到.{0,4}(煤气|燃气|天然气)"),
        "请立即关阀、开窗、撤离，不要开关电器，到室外拨打燃气抢险电话或 119。",
    ),
    (re.compile(r"昏迷|晕倒|大出血|心梗|溺水|触电|受伤严重|没有呼吸"), "请立即拨打 120。"),
    (
        re.compile(r"被?困(在|住).{0,4}电梯|电梯.{0,4}(关人|困人)|有人被困"),
        "请按轿厢报警键或拨打 96333、119，不要扒门。",
    ),
    (re.compile(r"持刀|砍人|抢劫|正在打人|要跳楼|轻生|自杀"), "请立即拨打 110。"),
)
_TRACK = re.compile(
    r"(查|看|问|知道).{0,8}(进度|进展|结果|办到|处理得|处理到|答复)|办到哪|有结果|(?:SB|CQ)-?\d{8}|怎么还没(人)?(处理|来|答复|回)"
    r"|查询(编号|码)|我(上次|之前|昨天|前天)?(反映|投诉|上报|提交)(的|过)",
    re.IGNORECASE,
)
_PERSON = re.compile(r"(人工|真人|客服|工作人员|转接|接线员)|(打|拨).{0,4}(电话|热线)|电话(是)?(多少|号码)")
_ASKS = re.compile(
    r"吗|？|\?|什么|怎么(办理|申请|报|交|缴|查|样)|如何|多少|多久|几(天|个|点|号|月|年)|哪(里|些|个|儿)|谁|是否|能不能|可不可以|可以.{0,8}吗|需要|规定|条件|材料|标准"
)
_HOW_TO = {
    "report": "您可以在市民页面“我要反映”里写明时间、地点和情况，可附照片或语音；也可拨打 12345。",
    "track": "请在市民页面“查询进度”里输入查询编号和查询码；忘记查询码请拨打 12345，由工作人员核实后告知。",
    "call": "人工服务请拨打 12345，24 小时有人接听。",
    "none": "如需进一步帮助，请拨打 12345 人工热线。",
}
NOT_FOUND = "未找到依据。"
_LIMIT = 400


def next_step(question: str, understanding: Understanding | None = None) -> str:
    """What the asker needs next: call, track, report or none."""
    if any(pattern.search(question) for pattern, _ in _EMERGENCY):
        return "call"
    if _TRACK.search(question):
        return "track"
    if _PERSON.search(question):
        return "call"
    if _ASKS.search(question):
        return "none"
    tells = understanding is not None and understanding.category not in (None, NO_MATTER)
    return "report" if tells or re.search(r"反映|投诉|举报|坏了|没人管|希望.{0,12}(处理|解决|修)", question) else "none"


async def customer_service(call: Call, given: dict[str, Any]) -> Answer:
    """An answer out of public texts with its places, or that there is none; and what to do next."""
    return (await answered(call, str(given.get("question", ""))))[0]


async def answered(call: Call, question: str, client: ModelClient | None = None) -> tuple[Answer, str]:
    """The same, put into words by a model where a client is given and one answers; and who did: rule or model."""
    question = question.strip()
    urgent = next((said for pattern, said in _EMERGENCY if pattern.search(question)), "")
    understanding = None
    if not urgent:
        _, understanding = await service.guesses(call.uow, call.home, question)
    step = next_step(question, understanding)
    found: list[Evidence] = []
    said, by = "", "rule"
    if not urgent and step not in ("track", "call") and not INJECTION.search(question):
        found, said, by = await _from_public(call, question, client)
    text = urgent or said or (_HOW_TO[step] if step in ("track", "call", "report") else NOT_FOUND)
    if (urgent or said or text is NOT_FOUND) and _HOW_TO[step] not in text:
        text += _HOW_TO[step]
    answer = Answer(
        result={
            "answerable": bool(urgent or said) or step in ("track", "call", "report"),
            "answer": text[:_LIMIT],
            "sources": [each.title for each in found][:3],
            "next": step,
        },
        evidence=found,
        confidence=0.8 if urgent else 0.6 if found else 0.4,
    )
    return answer, by


async def _from_public(call: Call, question: str, client: ModelClient | None) -> tuple[list[Evidence], str, str]:
    """Verified sentences of public texts that answer the question, and who wrote them; empty where none do."""
    grounded = await knowledge.ask(
        call.uow,
        call.home,
        ANYBODY,
        question,
        client=client,
        purpose=call.agent_id,
        division_code=call.principal.division_code,
    )
    if not grounded.found:
        return [], "", "rule"
    cited = [
        Evidence(
            kind="document",
            id=each.hit.source.id,
            title=f"《{each.hit.source.about.title}》{each.hit.passage.label}",
            quote=each.quote,
        )
        for sentence in grounded.sentences
        for each in sentence.citations
    ]
    return cited, grounded.text, "model" if grounded.by == "model" else "rule"


async def call_transcription(call: Call, given: dict[str, Any]) -> Answer:
    """What a call is about: from the recording, or from a transcript that is there already."""
    transcript, heard = str(given.get("transcript", "")), None
    if not transcript and given.get("draft_id"):
        heard = await hear(call, RecordingIn(draft_id=str(given["draft_id"])))
        transcript = heard.text
    transcript = mask(transcript)
    guesses, found = await service.guesses(call.uow, call.home, transcript)
    category = guesses[0].code if guesses else "other"
    amount = _AMOUNT.search(transcript)
    return Answer(
        result={
            "category": category,
            "address": _address(transcript, found)[:100],
            "time": _first_time(transcript, found)[:40],
            "party": _party(transcript, found)[:60],
            "amount": re.sub(r"\s", "", amount["it"]) if amount else "",
            "summary": title_of(transcript)[:120],
            "transcript": transcript,
            "suspect": INJECTION.search(transcript) is not None,
        },
        evidence=[
            Evidence(
                kind="recording" if heard else "text",
                id=str(given.get("draft_id") or "transcript"),
                title="通话转写",
                quote=transcript[:120],
            )
        ],
        confidence=round(
            min(guesses[0].confidence if guesses else 0.3, (heard.confidence or 0.5) if heard else 1.0), 2
        ),
    )


def _address(text: str, found: Understanding) -> str:
    """The division and the roads of it; where no road is named, what else stands for a place."""
    named = [each.name + each.number for each in found.roads[:2]]
    if not named:
        named = [match["it"] for match in _PLACE.finditer(text)][:1]
    division = found.divisions[0].full_name if found.divisions else ""
    return division + "".join(each for each in named if each not in division)


def _first_time(text: str, found: Understanding) -> str:
    lasting = _LASTING.search(text)
    return found.times[0].words if found.times else lasting[0] if lasting else ""


def _party(text: str, found: Understanding) -> str:
    told = _PARTY.search(text)
    return found.parties[0].name if found.parties else told["it"] if told else ""


async def camera_review(call: Call, given: dict[str, Any]) -> Answer:
    """How crowded a picture is and whether it can be relied on; measured, or as measures that are given."""
    seen, text = await _seen(call, given)
    alarm = seen.reliable and seen.persons is not None and seen.persons >= int(given.get("crowd_at", 25))
    if seen.problems:
        verdict, reason = "unusable", "；".join(seen.problems)
    elif seen.persons is None:
        verdict, reason = "unknown", "未安装人数统计模型，请人工查看"
    elif alarm:
        verdict, reason = "crowded", f"画面中约 {seen.persons} 人，{seen.density}，请到现场核实并疏导"
    else:
        verdict, reason = "normal", f"画面中约 {seen.persons} 人，{seen.density}"
    return Answer(
        result={
            "verdict": verdict,
            "persons": -1 if seen.persons is None else seen.persons,
            "density": seen.density,
            "reason": reason,
            "text": text[:200],
        },
        evidence=[
            Evidence(
                kind="file",
                id=str(given.get("photo_id") or "measures"),
                title="画面",
                quote=f"{seen.width}×{seen.height}，亮度 {seen.brightness:g}，清晰度 {seen.sharpness:g}",
            )
        ],
        confidence=0.7 if seen.reliable else 0.3,
    )


async def _seen(call: Call, given: dict[str, Any]) -> tuple[PersonsOut, str]:
    measures = given.get("measures")
    if isinstance(measures, dict):
        quality = Quality(
            int(measures.get("width", 1920)),
            int(measures.get("height", 1080)),
            float(measures.get("brightness", 120.0)),
            float(measures.get("contrast", 50.0)),
            float(measures.get("sharpness", 500.0)),
        )
        count = measures.get("persons")
        seen = persons_out(quality, None if count is None else int(count))
        return seen, mask(str(measures.get("text", "")))
    picture = PictureIn(photo_id=str(given.get("photo_id", "")))
    seen = await persons(call, picture)
    try:
        words = (await read(call, picture)).text
    except ChengnaoError:
        words = ""
    return seen, words
