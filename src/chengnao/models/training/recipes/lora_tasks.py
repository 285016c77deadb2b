"""What is tuned with LoRA: a label for each text, or an answer to each question; each with its own measure."""

from collections import defaultdict
from collections.abc import Sequence
from math import exp
from typing import Any

import numpy as np
import torch
from peft import PeftModel, TaskType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.svm import LinearSVC
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from chengnao.models.training.recipe import Outcome, Row, Work
from chengnao.models.training.recipes.lora import LoraChatConfig, LoraClassifierConfig
from chengnao.models.training.recipes.lora_tuning import (
    Base,
    Batch,
    load_result,
    make_base,
    save_result,
    tune,
    with_adapter,
)

_HELD_OUT = 5
"""One row in so many is measured on."""
_AT_ONCE = 32
_IGNORED = -100
"""The label of a token that is not learnt, as transformers has it."""


def tune_classifier(work: Work, config: LoraClassifierConfig) -> Outcome:
    """Tune, and measure on the held-out rows beside character tf-idf with a linear SVM."""
    rows = work.rows()
    labels = sorted({row["label"] for row in rows})
    learn, ask = _split([row["label"] for row in rows], config.seed)
    learnt, asked = [rows[each] for each in learn], [rows[each] for each in ask]
    base = make_base(work, config, [row["text"] for row in learnt], labels)
    model = with_adapter(base, config, TaskType.SEQ_CLS)
    work.step("prepare", 1.0)
    targets = torch.tensor([labels.index(row["label"]) for row in learnt])

    def batches(numbers: Sequence[int]) -> Batch:
        texts = [learnt[each]["text"] for each in numbers]
        return _encoded(base.tokenizer, texts, config.max_tokens) | {"labels": targets[list(numbers)]}

    def watch(step: int) -> None:
        work.metric(
            "accuracy", step, _figures(asked, _guesses(model, base.tokenizer, labels, asked, config))["accuracy"]
        )

    steps = tune(work, config, model, len(learnt), batches, watch)
    work.step("evaluate", 0.0)
    guesses = _guesses(model, base.tokenizer, labels, asked, config)
    work.step("evaluate", 0.5)
    save_result(work, base, model, {"task": "classify", "labels": labels, "max_tokens": config.max_tokens})
    rival = None if work.rival is None else _rival_classifier(work, asked, config)
    work.step("evaluate", 1.0)
    return Outcome(
        evaluation=_figures(asked, guesses),
        items=len(asked),
        baseline=_figures(asked, _svm(learnt, asked, config.seed)),
        rival=rival,
        reference={"labels": {label: _share(rows, label) for label in labels}},
        detail=_described(base, model, steps),
    )


def tune_chat(work: Work, config: LoraChatConfig) -> Outcome:
    """Tune, and measure the loss on held-out answers beside that of the base as it was."""
    rows = work.rows()
    learn, ask = _split(["" for _ in rows], config.seed)
    learnt, asked = [rows[each] for each in learn], [rows[each] for each in ask]
    base = make_base(work, config, [row["prompt"] + row["answer"] for row in learnt], None)
    before = _loss(base.model, base.tokenizer, asked, config)
    model = with_adapter(base, config, TaskType.CAUSAL_LM)
    work.step("prepare", 1.0)

    def batches(numbers: Sequence[int]) -> Batch:
        return _conversations(base.tokenizer, [learnt[each] for each in numbers], config.max_tokens)

    def watch(step: int) -> None:
        work.metric("held_out_loss", step, _loss(model, base.tokenizer, asked, config))

    steps = tune(work, config, model, len(learnt), batches, watch)
    work.step("evaluate", 0.0)
    after = _loss(model, base.tokenizer, asked, config)
    save_result(work, base, model, {"task": "chat", "max_tokens": config.max_tokens})
    rival = None
    if work.rival is not None:
        other, tokenizer, _ = load_result(work.home, work.rival, AutoModelForCausalLM)
        rival = _loss_figures(_loss(other, tokenizer, asked, config))
    work.step("evaluate", 1.0)
    return Outcome(
        evaluation=_loss_figures(after),
        items=len(asked),
        baseline=_loss_figures(before),
        rival=rival,
        detail=_described(base, model, steps),
    )


def _split(labels: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Rows to learn from and rows to measure on; each label with more than one row has some of both."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        places[label].append(number)
    chance = np.random.default_rng(seed)
    ask: set[int] = set()
    for _, numbers in sorted(places.items()):
        count = max(1, len(numbers) // _HELD_OUT) if len(numbers) > 1 else 0
        ask.update(int(each) for each in chance.permutation(numbers)[:count])
    return [each for each in range(len(labels)) if each not in ask], sorted(ask)


def _encoded(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> Batch:
    found = tokenizer(list(texts), padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    return {key: found[key] for key in ("input_ids", "attention_mask")}


def _guesses(
    model: Any, tokenizer: Any, labels: Sequence[str], rows: Sequence[Row], config: LoraClassifierConfig
) -> list[str]:
    model.eval()
    found: list[str] = []
    with torch.no_grad():
        for start in range(0, len(rows), _AT_ONCE):
            texts = [row["text"] for row in rows[start : start + _AT_ONCE]]
            best = model(**_encoded(tokenizer, texts, config.max_tokens)).logits.argmax(dim=1).tolist()
            found += [labels[each] for each in best]
    return found


def _rival_classifier(work: Work, asked: Sequence[Row], config: LoraClassifierConfig) -> dict[str, float]:
    assert work.rival is not None
    model, tokenizer, about = load_result(work.home, work.rival, AutoModelForSequenceClassification)
    own = config.model_copy(update={"max_tokens": about["max_tokens"]})
    return _figures(asked, _guesses(model, tokenizer, about["labels"], asked, own))


def _figures(rows: Sequence[Row], guesses: Sequence[str]) -> dict[str, float]:
    truth = [row["label"] for row in rows]
    macro = f1_score(truth, guesses, labels=sorted(set(truth)), average="macro", zero_division=0)
    return {"accuracy": float(accuracy_score(truth, guesses)), "macro_f1": float(macro)}


def _svm(learnt: Sequence[Row], asked: Sequence[Row], seed: int) -> list[str]:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    head = LinearSVC(random_state=seed)
    head.fit(vectorizer.fit_transform([row["text"] for row in learnt]), [row["label"] for row in learnt])
    return [str(each) for each in head.predict(vectorizer.transform([row["text"] for row in asked]))]


def _conversations(tokenizer: Any, rows: Sequence[Row], max_tokens: int) -> Batch:
    """Question and answer as one text each, of which the answer alone is learnt."""
    parts = []
    for row in rows:
        question = _question(tokenizer, row["prompt"])
        answer = tokenizer(row["answer"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        question = question[: max(1, max_tokens - len(answer))]
        parts.append((question, answer[: max_tokens - len(question)]))
    longest = max(len(question) + len(answer) for question, answer in parts)
    padding = tokenizer.pad_token_id
    ids, mask, labels = [], [], []
    for question, answer in parts:
        rest = longest - len(question) - len(answer)
        ids.append([*question, *answer, *[padding] * rest])
        mask.append([1] * (longest - rest) + [0] * rest)
        labels.append([_IGNORED] * len(question) + answer + [_IGNORED] * rest)
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "labels": torch.tensor(labels),
    }


def _question(tokenizer: Any, prompt: str) -> list[int]:
    if tokenizer.chat_template:
        said = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [*start, *tokenizer(prompt, add_special_tokens=False)["input_ids"], *end]


def _loss(model: Any, tokenizer: Any, rows: Sequence[Row], config: LoraChatConfig) -> float:
    """The mean loss of each token of the answers."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(rows), _AT_ONCE):
            batch = _conversations(tokenizer, rows[start : start + _AT_ONCE], config.max_tokens)
            tokens = int((batch["labels"][:, 1:] != _IGNORED).sum())
            total += float(model(**batch).loss) * tokens
            count += tokens
    return total / max(1, count)


def _loss_figures(loss: float) -> dict[str, float]:
    return {"loss": loss, "perplexity": exp(min(loss, 50.0))}


def _share(rows: Sequence[Row], label: str) -> float:
    return [row["label"] for row in rows].count(label) / len(rows)


def _described(base: Base, model: PeftModel, steps: int) -> dict[str, Any]:
    trained, whole = model.get_nb_trainable_parameters()
    return {
        "base": "made anew" if base.folder is None else base.folder.name,
        "parameters": whole,
        "trained_parameters": trained,
        "steps": steps,
    }
