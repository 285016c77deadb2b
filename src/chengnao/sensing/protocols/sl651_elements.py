"""The elements of SL 651-2014: identifiers in both modes, digits, units and names. Data only.

Digits and decimals are what the standard lays down for each; a frame carries its own in the byte after the identifier,
and that one counts.
"""

from typing import NamedTuple


class Element(NamedTuple):
    """One element; `code` is its identifier in HEX/BCD mode, `name` the one in ASCII mode."""

    code: int
    name: str
    digits: int
    decimals: int
    unit: str
    title_zh: str
    title_en: str

    @property
    def definition(self) -> int:
        """The byte that stands after the identifier: bytes in the high 5 bits, decimals in the low 3."""
        return ((self.digits + 1) // 2) << 3 | self.decimals


_TABLE = """
01 AC     5 2 m²     断面面积|cross-section
02 AI     3 1 ℃      瞬时气温|air temperature
03 C      3 1 ℃      瞬时水温|water temperature
05 DT     4 2 h      时段长|length of period (hours.minutes)
06 ED     5 1 mm     日蒸发量|evaporation of the day
07 EJ     5 1 mm     当前蒸发|evaporation so far
08 FL     5 0 hPa    气压|air pressure
09 GH     5 2 m      闸门开启高度|gate opening
0A GN     3 0 -      输水设备、闸门(组)编号|number of device or gate
0B GS     2 0 -      输水设备类别|kind of device
0C GT     3 0 -      闸门开启孔数|gates open
0D GTP    3 1 ℃      地温|ground temperature
0E H      6 2 m      地下水瞬时埋深|depth to groundwater
0F HW     5 2 m      波浪高度|wave height
10 M10    4 1 %      10 cm 土壤含水量|soil moisture at 10 cm
11 M20    4 1 %      20 cm 土壤含水量|soil moisture at 20 cm
12 M30    4 1 %      30 cm 土壤含水量|soil moisture at 30 cm
13 M40    4 1 %      40 cm 土壤含水量|soil moisture at 40 cm
14 M50    4 1 %      50 cm 土壤含水量|soil moisture at 50 cm
15 M60    4 1 %      60 cm 土壤含水量|soil moisture at 60 cm
16 M80    4 1 %      80 cm 土壤含水量|soil moisture at 80 cm
17 M100   4 1 %      100 cm 土壤含水量|soil moisture at 100 cm
18 MST    4 1 %      湿度|humidity
19 NS     2 0 -      开机台数|pumps running
1A P1     5 1 mm     1 小时降水量|rain in 1 h
1B P2     5 1 mm     2 小时降水量|rain in 2 h
1C P3     5 1 mm     3 小时降水量|rain in 3 h
1D P6     5 1 mm     6 小时降水量|rain in 6 h
1E P12    5 1 mm     12 小时降水量|rain in 12 h
1F PD     5 1 mm     日降水量|rain of the day
20 PJ     5 1 mm     当前降水量|rain so far today
21 PN01   5 1 mm     1 分钟降水量|rain in 1 min
22 PN05   5 1 mm     5 分钟降水量|rain in 5 min
23 PN10   5 1 mm     10 分钟降水量|rain in 10 min
24 PN30   5 1 mm     30 分钟降水量|rain in 30 min
25 PR     5 1 mm     暴雨量|rain of the storm
26 PT     6 1 mm     降水量累计值|rain counted
27 Q      9 3 m³/s   瞬时流量|discharge
28 Q1     9 3 m³/s   取(排)水口流量 1|intake flow 1
29 Q2     9 3 m³/s   取(排)水口流量 2|intake flow 2
2A Q3     9 3 m³/s   取(排)水口流量 3|intake flow 3
2B Q4     9 3 m³/s   取(排)水口流量 4|intake flow 4
2C Q5     9 3 m³/s   取(排)水口流量 5|intake flow 5
2D Q6     9 3 m³/s   取(排)水口流量 6|intake flow 6
2E Q7     9 3 m³/s   取(排)水口流量 7|intake flow 7
2F Q8     9 3 m³/s   取(排)水口流量 8|intake flow 8
30 QA     9 3 m³/s   总出库流量、过闸总流量|total outflow
31 QZ     9 3 m³/s   输水设备流量、过闸(组)流量|flow of device or gates
32 SW     11 3 万t   输沙量|sediment load
33 UC     2 0 -      风向|wind direction (1 to 8)
34 UE     2 0 -      风力|wind force
35 US     4 1 m/s    风速|wind speed
36 VA     5 3 m/s    断面平均流速|mean velocity
37 VJ     5 3 m/s    当前瞬时流速|velocity
38 VT     4 2 V      电源电压|supply voltage
39 Z      7 3 m      瞬时河道水位、潮位|stage
3A ZB     7 3 m      库(闸、站)下水位|stage below
3B ZU     7 3 m      库(闸、站)上水位|stage above
3C Z1     7 3 m      取(排)水口水位 1|intake stage 1
3D Z2     7 3 m      取(排)水口水位 2|intake stage 2
3E Z3     7 3 m      取(排)水口水位 3|intake stage 3
3F Z4     7 3 m      取(排)水口水位 4|intake stage 4
40 Z5     7 3 m      取(排)水口水位 5|intake stage 5
41 Z6     7 3 m      取(排)水口水位 6|intake stage 6
42 Z7     7 3 m      取(排)水口水位 7|intake stage 7
43 Z8     7 3 m      取(排)水口水位 8|intake stage 8
44 SQ     9 3 kg/m³  含沙量|sediment concentration
46 PH     4 2 -      pH|pH
47 DO     4 1 mg/L   溶解氧|dissolved oxygen
48 COND   5 0 µS/cm  电导率|conductivity
49 TURB   3 0 NTU    浊度|turbidity
4A CODMN  4 1 mg/L   高锰酸盐指数|permanganate index
4B REDOX  5 1 mV     氧化还原电位|redox potential
4C NH4N   6 2 mg/L   氨氮|ammonia nitrogen
4D TP     5 3 mg/L   总磷|total phosphorus
4E TN     5 2 mg/L   总氮|total nitrogen
4F TOC    4 2 mg/L   总有机碳|total organic carbon
50 CU     7 4 mg/L   铜|copper
51 ZN     6 4 mg/L   锌|zinc
52 SE     7 5 mg/L   硒|selenium
53 AS     7 5 mg/L   砷|arsenic
54 THG    7 5 mg/L   总汞|mercury
55 CD     7 5 mg/L   镉|cadmium
56 PB     7 5 mg/L   铅|lead
57 CHLA   4 2 mg/L   叶绿素 a|chlorophyll a
58 WP1    5 2 kPa    水压 1|water pressure 1
59 WP2    5 2 kPa    水压 2|water pressure 2
5A WP3    5 2 kPa    水压 3|water pressure 3
5B WP4    5 2 kPa    水压 4|water pressure 4
5C WP5    5 2 kPa    水压 5|water pressure 5
5D WP6    5 2 kPa    水压 6|water pressure 6
5E WP7    5 2 kPa    水压 7|water pressure 7
5F WP8    5 2 kPa    水压 8|water pressure 8
60 SYL1   11 3 m³    水表 1 剩余水量|water left, meter 1
61 SYL2   11 3 m³    水表 2 剩余水量|water left, meter 2
62 SYL3   11 3 m³    水表 3 剩余水量|water left, meter 3
63 SYL4   11 3 m³    水表 4 剩余水量|water left, meter 4
64 SYL5   11 3 m³    水表 5 剩余水量|water left, meter 5
65 SYL6   11 3 m³    水表 6 剩余水量|water left, meter 6
66 SYL7   11 3 m³    水表 7 剩余水量|water left, meter 7
67 SYL8   11 3 m³    水表 8 剩余水量|water left, meter 8
68 SBL1   10 2 m³/h  水表 1 每小时水量|water an hour, meter 1
69 SBL2   10 2 m³/h  水表 2 每小时水量|water an hour, meter 2
6A SBL3   10 2 m³/h  水表 3 每小时水量|water an hour, meter 3
6B SBL4   10 2 m³/h  水表 4 每小时水量|water an hour, meter 4
6C SBL5   10 2 m³/h  水表 5 每小时水量|water an hour, meter 5
6D SBL6   10 2 m³/h  水表 6 每小时水量|water an hour, meter 6
6E SBL7   10 2 m³/h  水表 7 每小时水量|water an hour, meter 7
6F SBL8   10 2 m³/h  水表 8 每小时水量|water an hour, meter 8
70 VTA    4 1 V      交流 A 相电压|voltage, phase A
71 VTB    4 1 V      交流 B 相电压|voltage, phase B
72 VTC    4 1 V      交流 C 相电压|voltage, phase C
73 VIA    4 1 A      交流 A 相电流|current, phase A
74 VIB    4 1 A      交流 B 相电流|current, phase B
75 VIC    4 1 A      交流 C 相电流|current, phase C
"""


def _element(line: str) -> Element:
    code, name, digits, decimals, unit, titles = line.split(maxsplit=5)
    title_zh, _, title_en = titles.partition("|")
    return Element(int(code, 16), name, int(digits), int(decimals), "" if unit == "-" else unit, title_zh, title_en)


ELEMENTS = {element.code: element for element in map(_element, _TABLE.strip().splitlines())}
BY_NAME = {element.name: element for element in ELEMENTS.values()}

OBSERVED, STATION, MANUAL, PICTURE, RAIN_5MIN, LEVELS, VELOCITIES = 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xFD
STEP, STATE = 0x04, 0x45
ARRAYS = {RAIN_5MIN: "DRP", LEVELS: "DRZ"} | {LEVELS + number: f"DRZ{number + 1}" for number in range(1, 8)}
"""Twelve values of an hour: rain in 5 minutes (0.1 mm), levels 1 to 8 in cm above a base that the station keeps."""

STATION_TYPES = {
    0x50: "降水 / rain",
    0x48: "河道 / river",
    0x4B: "水库、湖泊 / reservoir",
    0x5A: "闸坝 / gate",
    0x44: "泵站 / pumps",
    0x54: "潮汐 / tide",
    0x4D: "墒情 / soil moisture",
    0x47: "地下水 / groundwater",
    0x51: "水质 / water quality",
    0x49: "取水口 / intake",
    0x4F: "排水口 / outlet",
}

FUNCTIONS = {
    0x2F: "链路维持报 / keep-alive",
    0x30: "测试报 / test",
    0x31: "均匀时段信息报 / uniform period",
    0x32: "定时报 / regular",
    0x33: "加报 / threshold",
    0x34: "小时报 / hourly",
    0x35: "人工置数报 / manual text",
    0x36: "图片报 / picture",
    0x37: "查询实时数据 / read now",
    0x38: "查询时段数据 / read a period",
    0x39: "查询人工置数 / read manual text",
    0x3A: "查询指定要素 / read elements",
    0x40: "修改基本配置表 / set basic configuration",
    0x41: "读取基本配置表 / read basic configuration",
    0x42: "修改运行参数 / set parameters",
    0x43: "读取运行参数 / read parameters",
    0x44: "查询水泵电机实时数据 / read pumps",
    0x45: "查询软件版本 / read version",
    0x46: "查询状态和报警 / read state",
    0x47: "初始化固态存储 / clear storage",
    0x48: "恢复出厂设置 / factory settings",
    0x49: "修改密码 / change password",
    0x4A: "设置时钟 / set clock",
    0x4B: "设置 IC 卡状态 / IC card",
    0x4C: "控制水泵 / switch pumps",
    0x4D: "控制阀门 / move valves",
    0x4E: "控制闸门 / move gates",
    0x4F: "水量定值控制 / quota",
    0x50: "查询事件记录 / read events",
    0x51: "查询时钟 / read clock",
}

ALARMS = (
    "mains_off", "battery_low", "level_over", "flow_over", "quality_over", "flow_meter_fault", "level_meter_fault",
    "door", "storage_fault", "ic_card", "pump_state", "water_left_low",
)  # fmt: skip
"""Bits of the state word, lowest first."""
