"""For ms-swift (4; version 3 calls `tuner_type` `train_type`): its command, and conversations in its format."""

import shlex
from collections.abc import Sequence

from chengnao.models.training.exports.model import DATA, Export, TuningConfig, messages
from chengnao.models.training.recipe import Row

SCRIPT = "train.sh"


def export(config: TuningConfig, rows: Sequence[Row], *, version: int = 4) -> Export:
    """The folder that `sh train.sh` is run in."""
    options = {
        "model": config.model,
        "tuner_type" if version >= 4 else "train_type": "lora",
        "dataset": DATA,
        "split_dataset_ratio": f"{config.held_out:g}",
        "torch_dtype": config.precision,
        "num_train_epochs": f"{config.epochs:g}",
        "per_device_train_batch_size": str(config.batch),
        "gradient_accumulation_steps": str(config.accumulation),
        "learning_rate": f"{config.learning_rate:g}",
        "lora_rank": str(config.rank),
        "lora_alpha": str(config.alpha),
        "lora_dropout": f"{config.dropout:g}",
        "target_modules": "all-linear",
        "max_length": str(config.max_tokens),
        "warmup_ratio": "0.1",
        "eval_steps": str(config.save_steps),
        "save_steps": str(config.save_steps),
        "save_total_limit": "2",
        "logging_steps": "10",
        "output_dir": config.output,
        "seed": str(config.seed),
        "check_model": "false",
    }
    lines = [f"  --{name} {shlex.quote(value)}" for name, value in options.items()]
    script = "#!/bin/sh\nset -e\nswift sft \\\n" + " \\\n".join(lines) + "\n"
    return Export(files={DATA: messages(config, rows), SCRIPT: script.encode()}, command=f"sh {SCRIPT}")
