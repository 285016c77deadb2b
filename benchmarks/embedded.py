"""How good the embedded models are, each beside the simplest thing that does the same.

    python -m benchmarks.embedded [--only NAME ...] [--home FOLDER] [--data FOLDER] [--street PICTURE ...]

embedding: the nearest other text of SIB-200 in Chinese, is it of the same topic; beside character tf-idf.
ocr: a printed letter, clean and as a telephone takes it; the share of wrong characters.
speech: a synthesised call; the share of wrong characters, and the time it takes.
vad: what is kept of the call between 5 s of hiss on both sides.
plates: rendered plates, clean and noisy; whole numbers and characters that are right. No real plate is at hand.
persons: pictures named by --street; how many people are found (nothing here says how many there are).
forecast: the mean absolute error over several days of public series; beside yesterday and last week.

What is not installed or not pulled is "not run: no model", a set that is not here "not run: no data".
"""

import argparse
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import default_home
from chengnao.models.embedded import forecast, fracast, ocr, speech
from chengnao.models.embedded.embedding import embed
from chengnao.models.embedded.persons import find_persons
from chengnao.models.embedded.pictures import read_pixels
from chengnao.models.embedded.plates import read_plates
from tests.support.letters import LETTER, character_errors, page, photographed, saved
from tests.support.plates import BLUE, GREEN, YELLOW, numbers, street

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "tests" / "integration" / "incident" / "recordings" / "pothole.ogg"
SAID = "我要反映渝中区大坪街道长江二路的路面塌陷，有一个大坑，请尽快派人来修。"
HISS_SECONDS = 5


@dataclass(frozen=True)
class Options:
    home: Path
    data: Path
    street: tuple[Path, ...]


@dataclass(frozen=True)
class Result:
    what: str
    items: int
    value: str
    beside: str = ""
    took: str = ""


def embedding(options: Options) -> Iterator[Result]:
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    with gzip.open(options.data / "sib200_zho_hans.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    texts, topics = [row["text"] for row in rows], np.array([row["label"] for row in rows])
    embed(texts[:1])
    began = time.process_time()
    meaning = embed(texts)
    took = (time.process_time() - began) / len(texts)
    letters = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts)
    ours, theirs = _same_topic(meaning @ meaning.T, topics), _same_topic((letters @ letters.T).toarray(), topics)
    yield Result(
        "SIB-200 zho_Hans: nearest text has the topic",
        len(texts), f"{ours:.3f}", f"character tf-idf {theirs:.3f}", f"{took * 1000:.0f} ms/text",
    )  # fmt: skip


def _same_topic(likeness: NDArray[np.floating], topics: NDArray[np.str_]) -> float:
    np.fill_diagonal(likeness, -np.inf)
    return float((topics[likeness.argmax(axis=1)] == topics).mean())


def letters(options: Options) -> Iterator[Result]:
    image = page()
    for name, data in (("clean", saved(image, "PNG")), ("photographed", photographed(image))):
        began = time.process_time()
        (found,) = ocr.read_pages(data)
        took = time.process_time() - began
        wrong = character_errors(LETTER, found.text)
        size = sum(not each.isspace() for each in LETTER)
        yield Result(f"a printed letter, {name}: wrong characters", size, f"{wrong:.3f}", took=f"{took:.1f} s CPU")


def calls(options: Options) -> Iterator[Result]:
    model = speech.load_model(options.home)
    sound = speech.decode(RECORDING.read_bytes())
    began = time.process_time()
    text = "".join(segment.text for segment in speech.hear(model, sound))
    took = (time.process_time() - began) / speech.seconds_of(sound)
    wrong = character_errors(_words(SAID), _words(text))
    yield Result(
        "a synthesised call: wrong characters", len(_words(SAID)), f"{wrong:.3f}", took=f"{took:.2f} x its time"
    )


def _words(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def voice(options: Options) -> Iterator[Result]:
    speech.load_model(options.home)
    sound = speech.decode(RECORDING.read_bytes())
    hiss = np.random.default_rng(0).normal(0, 0.003, HISS_SECONDS * speech.RATE).astype(np.float32)
    began = time.process_time()
    found = import_module("faster_whisper.vad").get_speech_timestamps(np.concatenate([hiss, sound, hiss]))
    took = (time.process_time() - began) / (speech.seconds_of(sound) + 2 * HISS_SECONDS)
    spans = ", ".join(f"{each['start'] / speech.RATE:.1f}-{each['end'] / speech.RATE:.1f} s" for each in found)
    truth = f"true {HISS_SECONDS}.0-{HISS_SECONDS + speech.seconds_of(sound):.1f} s"
    yield Result("speech between hiss", 1, spans, truth, f"{took * 1000:.0f} ms CPU/s")


def plates(options: Options) -> Iterator[Result]:
    rng = np.random.default_rng(7)
    kinds = (
        ("blue, 200 pixels wide, clean", 200, False, BLUE, 7),
        ("yellow, 200 pixels wide, clean", 200, False, YELLOW, 7),
        ("green with 8 characters, clean", 200, False, GREEN, 8),
        ("blue, 200 pixels wide, noisy", 200, True, BLUE, 7),
        ("blue, 120 pixels wide, noisy", 120, True, BLUE, 7),
        ("blue, 80 pixels wide, noisy", 80, True, BLUE, 7),
    )
    for name, width, noisy, ground, length in kinds:
        whole = characters = 0
        began = time.process_time()
        wanted = numbers(rng, 40, length)
        for number in wanted:
            read = read_plates(street(number, rng, width, noisy, ground), options.home, reveal=True)
            text = read[0].number.replace("·", "") if read else ""
            whole += text == number
            characters += sum(one == other for one, other in zip(text, number, strict=False))
        took = (time.process_time() - began) / len(wanted)
        share = characters / (length * len(wanted))
        yield Result(
            f"rendered plates, {name}: whole numbers",
            len(wanted), f"{whole / len(wanted):.3f}", f"characters {share:.3f}", f"{took * 1000:.0f} ms CPU",
        )  # fmt: skip


def persons(options: Options) -> Iterator[Result]:
    for path in options.street:
        picture = read_pixels(path.read_bytes())
        find_persons(picture, options.home)
        began = time.process_time()
        found = find_persons(picture, options.home)
        took = time.process_time() - began
        sure = " ".join(f"{person.confidence:.2f}" for person in found)
        yield Result(
            f"{path.name}: people found", 1, str(len(found)), f"confidence {sure}", f"{took * 1000:.0f} ms CPU"
        )
    if not options.street:
        raise FileNotFoundError("--street")


def series(options: Options) -> Iterator[Result]:
    fracast.fracast(np.arange(10.0), 1, options.home)  # is it there?
    for name, step, horizon, values in _public_series(options.data):
        day = round(timedelta(days=1) / step)
        errors: dict[str, list[float]] = {}
        began, count = time.process_time(), 0
        for row in values:
            for start in range(len(row) - 3 * horizon, len(row) - horizon + 1, horizon):
                past, truth = row[:start], row[start : start + horizon]
                methods = forecast.methods_for(past, day, options.home)
                for method, guess in methods.items():
                    errors.setdefault(method, []).append(float(np.abs(guess(past, horizon)[:, 1] - truth).mean()))
                chosen = forecast.forecast(past, horizon, step, options.home)
                errors.setdefault("chosen", []).append(float(np.abs(np.array(chosen.middle) - truth).mean()))
                inside = (truth >= np.array(chosen.low)) & (truth <= np.array(chosen.high))
                errors.setdefault("inside", []).append(float(inside.mean()))
                count += 1
        took = (time.process_time() - began) / count
        mean = {method: float(np.mean(found)) for method, found in errors.items()}
        beside = ", ".join(
            f"{method} {value:.3f}" for method, value in mean.items() if method not in ("chosen", "inside")
        )
        yield Result(
            f"{name}: MAE of the chosen method", count, f"{mean['chosen']:.3f}",
            f"{beside}; {mean['inside']:.0%} within low..high", f"{took * 1000:.0f} ms CPU",
        )  # fmt: skip


def _public_series(data: Path) -> Iterator[tuple[str, timedelta, int, NDArray[np.float64]]]:
    """Name, step, how many steps are forecast, and series; five-minute speeds are also taken hour by hour."""
    with gzip.open(data / "los-loop" / "los_speed.csv.gz", "rt") as file:
        speeds = np.loadtxt(file, delimiter=",", skiprows=1).T[::20]
    yield "Los-loop, 11 detectors, next hour of 5 min", timedelta(minutes=5), 12, speeds
    hourly = speeds[:, : speeds.shape[1] // 12 * 12].reshape(len(speeds), -1, 12).mean(axis=2)
    yield "Los-loop, 11 detectors, next day by hours", timedelta(hours=1), 24, hourly
    for name, per_hour in (("realKnownCause/nyc_taxi", 2), ("realKnownCause/ambient_temperature_system_failure", 1)):
        with gzip.open(data / "nab" / f"{name}.csv.gz", "rt") as file:
            values = np.array([float(line.rstrip().split(",")[1]) for line in file if line[0].isdigit()])
        hours = values[: len(values) // per_hour * per_hour].reshape(-1, per_hour).sum(axis=1)
        parts = np.stack([hours[end - 35 * 24 : end] for end in range(35 * 24, len(hours), 20 * 24)])
        yield f"NAB {name.split('/')[1]}, next 2 days by hours", timedelta(hours=1), 48, parts


PARTS: dict[str, Callable[[Options], Iterator[Result]]] = {
    "embedding": embedding,
    "ocr": letters,
    "speech": calls,
    "vad": voice,
    "plates": plates,
    "persons": persons,
    "forecast": series,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--home", type=Path, default=default_home())
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--street", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    options = Options(given.home, given.data, tuple(given.street))
    table = Table(title="Embedded models")
    for heading in ("model", "what", "items", "value", "beside", "took"):
        table.add_column(heading, justify="right" if heading in ("items", "value") else "left")
    for name in given.only:
        try:
            for result in PARTS[name](options):
                table.add_row(name, result.what, str(result.items), result.value, result.beside, result.took)
        except Unavailable as error:
            table.add_row(name, f"not run: no model ({error.code})")
        except FileNotFoundError as error:
            table.add_row(name, f"not run: no data ({error.filename or error})")
    out = io.StringIO()
    Console(file=out, width=180).print(table)
    print(out.getvalue())


if __name__ == "__main__":
    main()
