"""Recipe files for other trainers: only options that their documents name, data in the format that they document."""

import shlex

import orjson
import pytest
import yaml
from pydantic import ValidationError

from chengnao.models.training.exports import llamafactory, swift
from chengnao.models.training.exports.model import TuningConfig

ROWS = [{"prompt": "路灯坏了怎么办？", "answer": "请拨打12345。"}, {"prompt": "a'b\n$(c)", "answer": '"x"'}]
# Names of options as the trainers document them: LLaMA-Factory's data_args, model_args, finetuning_args and the
# TrainingArguments of transformers; ms-swift's Command-line-parameters (version 4).
LLAMAFACTORY = {
    "model_name_or_path",
    "trust_remote_code",
    "stage",
    "do_train",
    "finetuning_type",
    "lora_rank",
    "lora_alpha",
    "lora_dropout",
    "lora_target",
    "dataset",
    "dataset_dir",
    "template",
    "cutoff_len",
    "max_samples",
    "preprocessing_num_workers",
    "dataloader_num_workers",
    "output_dir",
    "logging_steps",
    "save_steps",
    "plot_loss",
    "overwrite_output_dir",
    "save_only_model",
    "report_to",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "num_train_epochs",
    "lr_scheduler_type",
    "warmup_ratio",
    "bf16",
    "fp16",
    "seed",
    "ddp_timeout",
    "resume_from_checkpoint",
    "val_size",
    "per_device_eval_batch_size",
    "eval_strategy",
    "eval_steps",
}
SWIFT = {
    "model",
    "tuner_type",
    "dataset",
    "val_dataset",
    "split_dataset_ratio",
    "torch_dtype",
    "num_train_epochs",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "learning_rate",
    "lora_rank",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "max_length",
    "warmup_ratio",
    "gradient_accumulation_steps",
    "eval_steps",
    "save_steps",
    "save_total_limit",
    "logging_steps",
    "output_dir",
    "seed",
    "system",
    "lr_scheduler_type",
    "report_to",
    "resume_from_checkpoint",
    "check_model",
    "dataloader_num_workers",
}


def test_llamafactory_gets_settings_that_it_knows_and_data_that_it_can_find() -> None:
    config = TuningConfig(model="/models/qwen", rank=16, alpha=32, held_out=0.2, system="你是政务助手")
    made = llamafactory.export(config, ROWS)
    settings = yaml.safe_load(made.files["train.yaml"])
    assert set(settings) <= LLAMAFACTORY
    assert (settings["lora_rank"], settings["lora_alpha"], settings["val_size"]) == (16, 32, 0.2)
    assert isinstance(settings["learning_rate"], float)
    info = orjson.loads(made.files["dataset_info.json"])[settings["dataset"]]
    rows = [orjson.loads(line) for line in made.files[info["file_name"]].splitlines()]
    tags = info["tags"]
    first = rows[0][info["columns"]["messages"]]
    assert [each[tags["role_tag"]] for each in first] == [
        tags["system_tag"],
        tags["user_tag"],
        tags["assistant_tag"],
    ]
    assert first[1][tags["content_tag"]] == ROWS[0]["prompt"]
    assert made.command == "llamafactory-cli train train.yaml"


def test_llamafactory_without_held_out_rows_evaluates_nothing() -> None:
    settings = yaml.safe_load(llamafactory.export(TuningConfig(held_out=0.0), ROWS).files["train.yaml"])
    assert not {"val_size", "eval_strategy", "eval_steps"} & set(settings)


def test_swift_gets_a_command_that_it_knows_whatever_the_names_hold() -> None:
    config = TuningConfig(model="a folder/$(rm)'x", output="saves/it's")
    script = swift.export(config, ROWS).files["train.sh"].decode()
    words = shlex.split(script.replace("\\\n", " ").split("set -e\n")[1])
    assert words[:2] == ["swift", "sft"]
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert {name.removeprefix("--") for name in given} <= SWIFT
    assert given["--model"] == "a folder/$(rm)'x"
    assert given["--output_dir"] == "saves/it's"
    assert given["--tuner_type"] == "lora"


def test_swift_of_version_3_has_the_older_name() -> None:
    assert b"--train_type lora" in swift.export(TuningConfig(), ROWS, version=3).files["train.sh"]


def test_swift_data_is_conversations() -> None:
    lines = swift.export(TuningConfig(), ROWS).files["train.jsonl"].splitlines()
    assert [each["role"] for each in orjson.loads(lines[1])["messages"]] == ["user", "assistant"]
    assert orjson.loads(lines[1])["messages"][0]["content"] == ROWS[1]["prompt"]


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"precision": "int8"}, {"template": "Qwen Chat"}, {"unknown": 1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TuningConfig.model_validate(wrong)
