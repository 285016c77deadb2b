"""For LLaMA-Factory (0.9 and later): its YAML of settings, `dataset_info.json`, and conversations in its format."""

from collections.abc import Sequence
from typing import Any

import orjson
import yaml

from chengnao.models.training.exports.model import DATA, Export, TuningConfig, messages
from chengnao.models.training.recipe import Row

SETTINGS = "train.yaml"
_DATASET = "chengnao"


def export(config: TuningConfig, rows: Sequence[Row]) -> Export:
    """The folder that `llamafactory-cli train train.yaml` is run in."""
    settings: dict[str, Any] = {
        "model_name_or_path": config.model,
        "trust_remote_code": False,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "lora_target": "all",
        "dataset": _DATASET,
        "dataset_dir": ".",
        "template": config.template,
        "cutoff_len": config.max_tokens,
        "preprocessing_num_workers": 4,
        "output_dir": config.output,
        "logging_steps": 10,
        "save_steps": config.save_steps,
        "plot_loss": True,
        "report_to": "none",
        "per_device_train_batch_size": config.batch,
        "gradient_accumulation_steps": config.accumulation,
        "learning_rate": config.learning_rate,
        "num_train_epochs": config.epochs,
        "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.1,
        "bf16": config.precision == "bfloat16",
        "fp16": config.precision == "float16",
        "seed": config.seed,
    }
    if config.held_out:
        settings |= {
            "val_size": config.held_out,
            "per_device_eval_batch_size": config.batch,
            "eval_strategy": "steps",
            "eval_steps": config.save_steps,
        }
    described = {
        _DATASET: {
            "file_name": DATA,
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    }
    return Export(
        files={
            DATA: messages(config, rows),
            "dataset_info.json": orjson.dumps(described, option=orjson.OPT_INDENT_2),
            SETTINGS: yaml.safe_dump(settings, allow_unicode=True, sort_keys=False).encode(),
        },
        command=f"llamafactory-cli train {SETTINGS}",
    )
