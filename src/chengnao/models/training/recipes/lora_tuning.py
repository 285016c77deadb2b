"""LoRA on a small transformer: the base, the loop, the checkpoints.

Order and dropout of each step follow from the seed and the step's number alone, so that a run that was killed and goes
on from its checkpoint ends with the same weights as one that was never killed. Weights, and what the optimiser
remembers of them, are kept as safetensors: nothing here reads a pickle.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import orjson
import torch
from peft import LoraConfig as PeftConfig
from peft import PeftModel, TaskType, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from chengnao.kernel.errors import Invalid
from chengnao.models.training.recipe import Work
from chengnao.models.training.recipes.lora import LoraConfig

BASE = "base.safetensors"
ABOUT = "chengnao.json"
_SPECIAL = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")
_VOCABULARY = 6000
"""Characters that a tokenizer made anew knows, the most frequent ones."""
_KEPT_CHECKPOINTS = 2
_CLIP = 1.0
_WARM_UP = 0.06
"""Share of the steps over which the learning rate rises; then it falls to nothing in a straight line."""

Batch = dict[str, torch.Tensor]
Batches = Callable[[Sequence[int]], Batch]
"""Makes the input of the model from the numbers of rows."""


@dataclass(frozen=True)
class Base:
    """What is tuned: a model and its tokenizer; `folder` is None where they were made anew."""

    model: Any
    tokenizer: Any
    folder: Path | None

    @property
    def embeddings(self) -> list[str]:
        """Modules that a model made anew must learn too, for its adapters alone would work on noise."""
        if self.folder is not None:
            return []
        return (
            ["word_embeddings"]
            if isinstance(self.model, BertForSequenceClassification)
            else ["embed_tokens", "lm_head"]
        )


def base_folder(home: Path, name: str) -> Path:
    """The folder of a base; raises Invalid where there is none, or its weights are not safetensors."""
    folder = home / "models" / name
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise Invalid("training_base_missing", field="config.base_model", value=name)
    return folder


def make_base(work: Work, config: LoraConfig, texts: Sequence[str], labels: Sequence[str] | None) -> Base:
    """The base of the job: the folder's, or a tiny one made from the seed and the characters of the texts."""
    torch.manual_seed(config.seed)
    if config.base_model is None:
        torch.set_num_threads(1)  # so small a model is slower with more: they wait for each other
        tokenizer = _character_tokenizer(texts, config.max_tokens)
        model = _tiny(config, len(tokenizer), labels)
        save_file(_own_weights(model), work.result / BASE)
        return Base(model, tokenizer, None)
    folder = base_folder(work.home, config.base_model)
    safe = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    weights = safe | {"use_safetensors": True, "dtype": torch.float32}
    if labels is None:
        return Base(AutoModelForCausalLM.from_pretrained(folder, **weights), tokenizer, folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels), **weights)
    model.config.pad_token_id = tokenizer.pad_token_id
    return Base(model, tokenizer, folder)


def _character_tokenizer(texts: Sequence[str], max_tokens: int) -> PreTrainedTokenizerFast:
    counts: dict[str, int] = {}
    for text in texts:
        for sign in text:
            counts[sign] = counts.get(sign, 0) + 1
    frequent = sorted(counts, key=lambda sign: (-counts[sign], sign))[:_VOCABULARY]
    vocabulary = {sign: number for number, sign in enumerate([*_SPECIAL, *frequent])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=_SPECIAL[1]))
    tokenizer.pre_tokenizer = Split(Regex("(?m:.)"), "isolated")
    names = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), _SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_tokens, **names)


def _tiny(config: LoraConfig, vocabulary: int, labels: Sequence[str] | None) -> Any:
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": 4,
        "intermediate_size": config.width * 2,
        "max_position_embeddings": config.max_tokens,
        "pad_token_id": 0,
    }
    if labels is not None:
        return BertForSequenceClassification(BertConfig(num_labels=len(labels), **shape))
    whole = Qwen2Config(num_key_value_heads=4, tie_word_embeddings=False, bos_token_id=2, eos_token_id=3, **shape)
    return Qwen2ForCausalLM(whole)


def with_adapter(base: Base, config: LoraConfig, task: TaskType) -> PeftModel:
    torch.manual_seed(config.seed + 1)
    settings = PeftConfig(
        task_type=task,
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        modules_to_save=base.embeddings or None,
    )
    return get_peft_model(base.model, settings)


def tune(
    work: Work, config: LoraConfig, model: PeftModel, rows: int, batches: Batches, watch: Callable[[int], None]
) -> int:
    """Train on rows 0 to `rows`, from the last checkpoint on where there is one; returns the number of steps.

    `watch` is called with the step at each checkpoint, to measure. Raises Stopped where the job is to end, with a
    checkpoint of the last step kept.
    """
    per_epoch = ceil(rows / config.batch)
    total = per_epoch * config.epochs
    weights = {name: each for name, each in model.named_parameters() if each.requires_grad}
    optimiser = torch.optim.AdamW(weights.values(), lr=config.learning_rate)
    done = _restore(work.checkpoints, weights, optimiser)
    model.train()
    for step in range(done, total):
        epoch, place = divmod(step, per_epoch)
        order = torch.randperm(rows, generator=torch.Generator().manual_seed(config.seed * 1000 + epoch)).tolist()
        torch.manual_seed(config.seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _rate(step, total)
        loss = model(**batches(order[place * config.batch : (place + 1) * config.batch])).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), _CLIP)
        optimiser.step()
        work.metric("loss", step + 1, float(loss.detach()))
        if (step + 1) % config.checkpoint_steps == 0 or work.stopping:
            _save(work.checkpoints, step + 1, weights, optimiser)
            if not work.stopping:
                watch(step + 1)
                model.train()
        work.step("train", (step + 1) / total)
    return total


def _rate(step: int, total: int) -> float:
    rising = max(1, int(total * _WARM_UP))
    return (step + 1) / rising if step < rising else max(0.0, (total - step) / max(1, total - rising))


def _save(folder: Path, step: int, weights: dict[str, torch.nn.Parameter], optimiser: torch.optim.AdamW) -> None:
    """Keep a checkpoint whole: it has its name only once all of it is on the disk."""
    scratch = folder / ".new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    save_file({name: each.detach().contiguous() for name, each in weights.items()}, scratch / "weights.safetensors")
    memory = {
        f"{name}|{key}": torch.as_tensor(value).contiguous()
        for name, each in weights.items()
        for key, value in optimiser.state[each].items()
    }
    save_file(memory, scratch / "optimiser.safetensors")
    for path in scratch.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    target = folder / f"step-{step:08d}"
    shutil.rmtree(target, ignore_errors=True)
    scratch.replace(target)
    for old in sorted(folder.glob("step-*"))[:-_KEPT_CHECKPOINTS]:
        shutil.rmtree(old, ignore_errors=True)


def _restore(folder: Path, weights: dict[str, torch.nn.Parameter], optimiser: torch.optim.AdamW) -> int:
    """Take up the newest checkpoint; returns the steps that it holds, 0 where there is none."""
    kept = sorted(folder.glob("step-*"))
    if not kept:
        return 0
    found = load_file(kept[-1] / "weights.safetensors")
    with torch.no_grad():
        for name, each in weights.items():
            each.copy_(found[name])
    for key, value in load_file(kept[-1] / "optimiser.safetensors").items():
        name, _, part = key.rpartition("|")
        optimiser.state[weights[name]][part] = value
    return int(kept[-1].name.removeprefix("step-"))


def save_result(work: Work, base: Base, model: PeftModel, about: dict[str, Any]) -> None:
    """The adapter and the tokenizer beside a base that was made anew; `about` says what else using it takes."""
    model.save_pretrained(work.result, safe_serialization=True)
    (work.result / "README.md").unlink(missing_ok=True)
    base.tokenizer.save_pretrained(work.result)
    if base.folder is None:
        base.model.config.save_pretrained(work.result)
    name = None if base.folder is None else str(base.folder.relative_to(work.home / "models"))
    (work.result / ABOUT).write_bytes(orjson.dumps(about | {"base_model": name}))


def load_result(home: Path, folder: Path, kind: type[Any]) -> tuple[Any, Any, dict[str, Any]]:
    """The tuned model, its tokenizer and what `save_result` was told; `kind` is the Auto class of the task."""
    about = orjson.loads((folder / ABOUT).read_bytes())
    if about["base_model"] is None:
        model = kind.from_config(AutoConfig.from_pretrained(folder, local_files_only=True))
        model.load_state_dict(load_file(folder / BASE))
    else:
        weights = {"use_safetensors": True, "dtype": torch.float32, "trust_remote_code": False}
        more = {"num_labels": len(about["labels"])} if "labels" in about else {}
        model = kind.from_pretrained(base_folder(home, about["base_model"]), local_files_only=True, **weights, **more)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tuned = PeftModel.from_pretrained(model, folder, use_safetensors=True)
    tuned.eval()
    return tuned, tokenizer, about


def _own_weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: each.detach().clone().contiguous() for name, each in model.state_dict().items()}
