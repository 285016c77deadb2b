"""Names of persons, where the words beside them say that they are names.

A name without such a cue is not looked for: a Chinese name is two or three ordinary characters, and a text in which
every second word is hidden helps nobody.
"""

import re
from collections.abc import Iterator

_COMMON = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆"
    "汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔"
    "伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙"
    "鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬"
    "师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_DOUBLE = "欧阳|上官|司马|诸葛|皇甫|尉迟|公孙|慕容|司徒|令狐|夏侯|东方|端木|轩辕|宇文|长孙|澹台|申屠|百里|呼延"
_SURNAME = f"(?:{_DOUBLE}|[{_COMMON}])"
_HAN = r"[\u4e00-\u9fff]"
_TITLE = (
    "先生|女士|小姐|同志|老师|师傅|大爷|大妈|阿姨|婆婆|嬢嬢|大姐|大哥|医生|主任|经理|书记|局长|科长|队长|站长|所长"
    "|校长|警官|律师"
)
_NOT_GIVEN = rf"(?!{_TITLE}|某|的|电话|手机|微信|身份证|住在|家住|反映|来电|联系)"
_NAME = rf"(?P<name>{_SURNAME}{_NOT_GIVEN}{_HAN}{{1,2}})(?![*])"
_AFTER = (
    r"(?=[\s,，.。;；:：、!！?？()（）/|\d]|$|电话|手机|身份证|住|家住|反映|来电|反应|称|说|投诉|举报|咨询|求助|表示"
    r"|男|女|系|微信|联系|的)"
)
_COLON = r"\s*(?:[:：]|是|为|叫)?\s*"

_SAYS_SO = re.compile(
    rf"(?:我叫|我名叫|本人叫|名字叫|名叫|姓名{_COLON}|名字{_COLON}|联系人{_COLON}|收件人{_COLON}|户主{_COLON}|法人(?:代表)?{_COLON}"
    rf"|(?:来电人|投诉人|举报人|反映人|诉求人|申请人|报警人|报料人|当事人|监护人|负责人)(?:姓名)?\s*[:：]\s*)"
    rf"{_NAME}{_AFTER}"
)
_SAYS_SO_OPEN = re.compile(rf"(?:我叫|我名叫|本人叫|名字叫|姓名\s*[:：]\s*|联系人\s*[:：]\s*){_NAME}")
_LIKELY = re.compile(
    rf"(?:来电人|投诉人|举报人|反映人|诉求人|申请人|报警人|当事人|业主|住户|居民|村民|市民|租户|户主|患者|学生|司机|我是|本人|房东)"
    rf"{_NAME}(?=[\s,，。;；:：、()（）\d]|$|电话|手机|身份证|反映|来电|反应|称|投诉|举报|咨询|求助|，)"
)
_BEFORE_A_NUMBER = re.compile(
    rf"(?:联系|找|致电|打给|转告|通知)\s*{_NAME}(?=\s*[（(]?(?:电话|手机)?\s*[:：]?\s*1\d{{10}})"
)
_TITLED = re.compile(rf"(?P<name>(?![和于向连时应查单从]){_SURNAME}{_NOT_GIVEN}{_HAN}{{1,2}}?)(?={_TITLE})")

_WORDS = (
    "方面 高度 马上 全部 全体 曾经 于是 向来 何时 何况 单独 安全 成天 时常 毛病 白天 汽车 时间 方便 房东 党员 "
    "司机 商户 商家 车主 路人 华人 农民 居民 明天 明显 金额 马路 温馨 关于 应该 应当 成员 万一 任何 常年 计划 "
    "家属 和平 安排 和谐 程度 包括 包工头 连续 全家 冷静 古稀 解决 项目 管理 管理员 管道 师傅 老师 高三 高中 "
    "高中生 向上 向阳 关闭 关心 温度 严重 盛情 康复 应急 时候 方向 房屋 家庭 社区 学校 小区 物业 楼栋 门诊 "
    "周末 周日 周一 周二 周三 周四 周五 周六 周边 周围"
)
_NO_NAMES = frozenset(_WORDS.split())
_NO_NAME_ENDS = tuple("人民户员工生的地得了着过区县镇乡村街路巷楼栋号苑园城院厂店站局")


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each name that a cue tells: 我叫…, 姓名：…, …先生."""
    for pattern in (_SAYS_SO, _SAYS_SO_OPEN, _BEFORE_A_NUMBER, _TITLED):
        for match in pattern.finditer(text):
            if not _is_word(match["name"]):
                yield match.span("name")
    for match in _LIKELY.finditer(text):
        name = match["name"]
        if not _is_word(name) and not name.endswith(_NO_NAME_ENDS):
            yield match.span("name")


def _is_word(name: str) -> bool:
    return not _NO_NAMES.isdisjoint((name, name[:2], name[1:]))


def mask_name(name: str, following: str) -> str:
    """`张*` for a name; the surname alone where a form of address follows: 张伟先生 becomes 张先生."""
    surname = name[:2] if re.match(_DOUBLE, name) and len(name) > 2 else name[0]
    given = name[len(surname) :]
    addressed = re.match(_TITLE, following) and not following.startswith(given)
    return surname if addressed else surname + "*" * len(given)
