"""Made personal details and made numbers that are none, each in a sentence as people write it."""

import random
from dataclasses import dataclass
from datetime import date, timedelta

from stdnum import luhn
from stdnum.cn import ric

from chengnao.kernel.privacy.model import Kind

_SURNAMES = (
    "王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 林 郭 何 高 罗 郑 梁 谢 宋 唐 许 邓 冯 韩 曹 曾 彭 蒋 冉 "
    "欧阳 司徒 上官"
)
_GIVEN = (
    "伟 芳 娜 秀英 敏 静 丽 强 磊 洋 艳 勇 军 杰 娟 涛 明 超 秀兰 霞 建国 桂英 文博 子轩 一诺 晓燕 志远 国庆 小红 春梅"
)
SURNAMES, GIVEN = _SURNAMES.split(), _GIVEN.split()
PLACES = ("110101", "310104", "440305", "500103", "500112", "510104", "520102", "330106", "420106", "610113")
PLATES = "渝川贵京粤鄂苏浙"
PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"

SENTENCES: dict[Kind, tuple[str, ...]] = {
    Kind.MOBILE: ("我的电话是{}，请回复", "联系电话：{}。", "打{}没人接", "手机{}微信同号", "请拨打+86 {}", "({})"),
    Kind.LANDLINE: ("座机{}一直占线", "请回电{}", "物业电话：{}，没人接"),
    Kind.ID_CARD: ("身份证号{}", "身份证号码：{}，住渝中区", "本人{}申请低保", "证件号 {} 。"),
    Kind.PASSPORT: ("护照号{}", "护照：{}，在重庆工作", "持{}入境"),
    Kind.BANK_CARD: ("请退到卡号{}", "银行卡 {}，开户行建行", "工资卡{}没有到账", "钱打到{}"),
    Kind.EMAIL: ("邮箱{}", "请发到 {} ，谢谢", "联系{}或来电"),
    Kind.PLATE: ("{}乱停在消防通道", "车牌号{}的车", "一辆白色轿车（{}）堵住车库"),
    Kind.WECHAT: ("微信号{}", "加微信：{}，发照片", "vx：{}", "WeChat {}"),
    Kind.QQ: ("QQ：{}", "qq号{}", "请加QQ {} 联系"),
    Kind.NAME: (
        "我叫{}，住南岸区", "姓名：{}，电话不公开", "{}先生来电反映路灯不亮", "联系人：{}", "投诉人：{}，小区停水",
        "{}女士称楼上漏水", "我是{}，想问一下", "业主{}反映电梯坏了", "申请人：{}\n地址：万州区",
    ),
}  # fmt: skip
"""Where each kind stands; the detail goes to `{}`."""

NOT_PERSONAL = (
    "订单号{d18}一直没发货", "订单编号：{d16}", "工单{d14}办结了吗", "事件编号CQ-2026{md}-{d6}",
    "受理编号SB-2026{md}-{d6}进展如何", "流水号{d17}", "快递单号SF{d13}", "运单号：{d12}", "户号{d10}欠费",
    "水表读数{d8}", "电表底数 {d6}.{d2}", "坐标106.{d6},29.{d6}", "位于 106.{d8} 29.{d8} 附近",
    "2026-11-{dd} 12:{mm}:00 停水", "2026年11月{dd}日", "2026{md}", "收费{d4}.{d2}元", "共计{d5}元",
    "合同编号HT-2026-{d8}", "案卷号5001032026{md}{d4}", "统一社会信用代码91500103MA{d8}X",
    "文号渝府发〔2026〕{d2}号", "12345", "95598 打不通", "400-{d3}-{d4}", "110报警", "学校高三（{d2}）班",
    "G{d2}高速", "K{d3}路公交", "邮编4000{d2}", "发票号码{d8}", "设备编号DEV{d11}", "车架号LSV{d14}",
    "条形码69{d11}", "批次20261125{d4}", "业主方面反映停水", "市民来电反映", "居民反映路灯不亮",
    "房东不退押金", "城管的同志来过", "旁边家庭医生签约", "我是孙电话不方便说",
    "周末老师补课", "物业经理不管", "社区书记来过", "我是高三学生，晚上太吵", "司机先生们乱停",
    "2026{md}{d6}号工单", "交易号2026{md}{d12}", "查一下{d16}到哪了", "{d17}", "单子{d19}",
)  # fmt: skip
"""Numbers and words that look like details and are none."""


@dataclass(frozen=True)
class Sample:
    """A sentence and the detail in it."""

    kind: Kind
    text: str
    detail: str


def detail(kind: Kind, rng: random.Random) -> str:
    """A made detail of the kind, in one of the forms in which people write it."""

    def digits(count: int) -> str:
        return "".join(rng.choices("0123456789", k=count))

    match kind:
        case Kind.MOBILE:
            number = "1" + rng.choice("3456789") + digits(9)
            form = rng.randrange(6)
            if form == 0:
                return f"{number[:3]} {number[3:7]} {number[7:]}"
            if form == 1:
                return f"{number[:3]}-{number[3:7]}-{number[7:]}"
            return "".join(chr(ord(each) + 0xFEE0) for each in number) if form == 2 else number
        case Kind.LANDLINE:
            area = rng.choice(["010", "023", "021", "0817", "0755", "0851"])
            return area + rng.choice(["-", "", " "]) + rng.choice("2345678") + digits(7)
        case Kind.ID_CARD:
            born = date(1940, 1, 1) + timedelta(days=rng.randrange(28_000))
            front = f"{rng.choice(PLACES)}{born:%Y%m%d}{digits(3)}"
            number = front + ric.calc_check_digit(front + "0")
            return number.lower() if rng.random() < 0.3 else number
        case Kind.PASSPORT:
            return rng.choice("EG") + digits(8) if rng.random() < 0.6 else rng.choice(["EA", "EJ"]) + digits(7)
        case Kind.BANK_CARD:
            front = rng.choice(["621700", "622202", "622848", "436742", "524094"]) + digits(
                9 if rng.random() < 0.4 else 12
            )
            number = front + luhn.calc_check_digit(front)
            return " ".join(number[at : at + 4] for at in range(0, len(number), 4)) if rng.random() < 0.3 else number
        case Kind.EMAIL:
            name = rng.choice(["zhang.san", "li_4", "w", "chen+city", digits(9)])
            return f"{name}@{rng.choice(['qq.com', '163.com', 'cqu.edu.cn'])}"
        case Kind.PLATE:
            letters = rng.choice(PLATES) + rng.choice(PLATE_LETTERS) + rng.choice(["", "·", " "])
            if rng.random() < 0.5:
                return letters + rng.choice("DF") + rng.choice(PLATE_LETTERS + "0123456789") + digits(4)
            return (
                letters + "".join(rng.choices(PLATE_LETTERS, k=2)) + digits(3)
                if rng.random() < 0.3
                else letters + digits(5)
            )
        case Kind.WECHAT:
            return rng.choice(["wxid_", "zhang", "li-", "CQ_"]) + digits(rng.randrange(3, 8))
        case Kind.QQ:
            return rng.choice("123456789") + digits(rng.randrange(4, 10))
        case Kind.NAME:
            return rng.choice(SURNAMES) + rng.choice(GIVEN)


def samples(kind: Kind, count: int, seed: int) -> list[Sample]:
    """Sentences with a detail of the kind."""
    rng = random.Random(f"{kind}{seed}")
    made = []
    for _ in range(count):
        given = detail(kind, rng)
        made.append(Sample(kind, rng.choice(SENTENCES[kind]).format(given), given))
    return made


def lookalikes(count: int, seed: int) -> list[str]:
    """Sentences without any detail."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        values = {f"d{size}": "".join(rng.choices("0123456789", k=size)) for size in range(2, 20)}
        day = date(2026, 1, 1) + timedelta(days=rng.randrange(364))
        values |= {"md": f"{day:%m%d}", "dd": f"{day:%d}", "mm": f"{rng.randrange(60):02d}"}
        made.append(NOT_PERSONAL[number % len(NOT_PERSONAL)].format(**values))
    return made
