"""Write `docs/spec.md`: the template `docs/spec.template.md` with its tables made from the schema and the source.

    python docs/generate_spec.py

A line `{{kind}}` or `{{kind Model}}` of the template becomes a table; see `TABLES`.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from key_readers import find_reads
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from slm import spec as language
from slm.spec.dead_keys import DEAD_KEYS
from slm.spec.fields import ABSENT
from slm.spec.net import NetBase
from slm.spec.search import DISTRIBUTIONS
from slm.spec.torch_names import LR_SCHEDULERS, OPTIMIZERS

FOLDER = Path(__file__).parent
TEMPLATE, RESULT = FOLDER / "spec.template.md", FOLDER / "spec.md"
MAX_PLACES = 3

# What a key holds, where its type alone doesn't say.
KINDS = {
    "action_pdtype": "[distribution](#actions)",
    "action_policy": "[policy](#actions)",
    "hid_layers_activation": "`torch.nn` activation, in any case",
    "out_layer_activation": "`torch.nn` activation, list of one per head, or null",
    "init_fn": "`torch.nn.init` function or null",
    "optim_spec": "map: `name` and arguments",
    "loss_spec": "map: `name` and arguments",
    "lr_scheduler_spec": "map: `name` and arguments, or null",
    "arc": "map: `modules` and `graph`",
    "gpu": "`auto`, true or false",
    "clip_reward": "number > 0, pair [low, high], or null",
    "distributed": "false, `shared` or `synced`",
    "target_entropy": "`auto` or number",
}
# Defaults that depend on other keys.
DERIVED = {
    ("DQNSpec", "training_start_step"): "`memory.batch_size`",
    ("_SoftKeys", "training_start_step"): "the larger of 1000 and `memory.batch_size`",
    ("_SoftKeys", "training_iter"): "`env.num_envs`",
    ("_ActorCriticKeys", "num_step_returns"): "required if `lam` is null",
    ("_ActorCriticKeys", "training_frequency"): "required, or `num_step_returns` if that is a number",
    ("EntropyAnnealSpec", "end_ratio"): "`start_ratio`",
    ("ScheduleSpec", "end_val"): "required, but `start_val` with `no_decay`",
    ("ScheduleSpec", "end_step"): "required, but 0 with `no_decay`",
    ("EnvSpec", "clip_obs"): "10 with `normalize_obs`, else null",
    ("EnvSpec", "clip_reward"): "1 for `ALE/` games; else 10 with `normalize_reward`, else null",
}

# Keys that nothing reads yet, with the feature that will.
RESOURCES = "search mode says so: each session computes on one core, and `--cores` says how many run at once"
PLAYGROUND = "MuJoCo Playground environments can't be trained; their specs are validated"
PLANNED = {
    "env.reward_scale": PLAYGROUND,
    "env.device": PLAYGROUND,
    "meta.search_resources.cpu": RESOURCES,
    "meta.search_resources.gpu": RESOURCES,
}


def members(union: Any) -> tuple[type[BaseModel], ...]:
    """The models of one of the language's discriminated unions."""
    return get_args(get_args(union)[0])


SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "": (language.Spec,),
    "agent": (language.AgentSpec,),
    "agent.algorithm": members(language.AlgorithmSpec),
    "agent.algorithm.<schedule>": (language.ScheduleSpec,),
    "agent.algorithm.entropy_anneal": (language.EntropyAnnealSpec,),
    "agent.memory": members(language.MemorySpec),
    "agent.net": members(language.NetSpec),
    "env": (language.EnvSpec,),
    "meta": (language.MetaSpec,),
    "meta.search_scheduler": (language.SearchSchedulerSpec,),
    "meta.search_resources": (language.SearchResourcesSpec,),
}


def keys_of(models: Iterable[type[BaseModel]]) -> list[str]:
    """The keys of some models in order, without the actor_ and critic_ twins and what no file holds."""
    keys = dict.fromkeys(key for model in models for key, field in model.model_fields.items() if not is_twin(field))
    return [key for key in keys if key != "warnings"]


def is_twin(field: FieldInfo) -> bool:
    """Whether a net's key is another one with the prefix actor_ or critic_."""
    return (field.description or "").startswith("As ") and field.default is ABSENT


def readers() -> dict[str, list[str]]:
    """Dotted key → places where the code reads it, of all keys of the language."""
    reads = find_reads()
    return {
        f"{section}.{key}".lstrip("."): list(dict.fromkeys(p for model in models for p in reads.get((model, key), [])))
        for section, models in SECTIONS.items()
        for key in keys_of(models)
    }


# --- tables


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def fields_table(model: type[BaseModel], leave_out: Iterable[str] = ()) -> str:
    """Key, type, default and meaning of a model's keys, the required ones first."""
    kinds = kinds_of(model)
    rows = [
        (f"`{key}`", kinds[key], default(model, key), field.description or "")
        for key, field in model.model_fields.items()
        if key not in leave_out and not is_twin(field)
    ]
    return table(("Key", "Type", "Default", "Meaning"), sorted(rows, key=lambda row: row[2] != "**required**"))


def kinds_of(model: type[BaseModel]) -> dict[str, str]:
    """Key → type of its value in words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # defaults that depend on other keys have no JSON form
        properties = model.model_json_schema()["properties"]
    return {key: KINDS.get(key) or kind(schema) for key, schema in properties.items()}


def kind(schema: dict[str, Any]) -> str:
    """The type of a value in words, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(kind(part) for part in schema["anyOf"])
    if "$ref" in schema:
        return "[schedule](#schedules)" if "ScheduleSpec" in schema["$ref"] else "map"
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in schema.get("enum", [schema.get("const")]))
    if "oneOf" in schema:
        return "map"
    names = {"integer": "whole number", "boolean": "true or false", "string": "text", "array": "list", "object": "map"}
    name = names.get(schema["type"], schema["type"])
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{name} from {low:g} to {high:g}"
    if "exclusiveMinimum" in schema:
        return f"{name} > {schema['exclusiveMinimum']:g}"
    return name if low is None else f"{name} ≥ {low:g}"


def default(model: type[BaseModel], key: str) -> str:
    """The default of a key in words."""
    field = model.model_fields[key]
    if field.is_required():
        return "**required**"
    if field.default is ABSENT:
        derived = (DERIVED[parent.__name__, key] for parent in model.__mro__ if (parent.__name__, key) in DERIVED)
        # A net's keys can be given with a prefix instead, so that the model alone doesn't require them.
        return "**required**" if issubclass(model, NetBase) else next(derived)
    if isinstance(field.default, dict):
        return f"`{field.default['name']}`"
    if isinstance(field.default, BaseModel | tuple):
        return "the map's own defaults" if field.default else "none"
    value = f"{field.default:g}" if isinstance(field.default, float) else json.dumps(field.default).strip('"')
    return f"`{value}`"


def nets_table() -> str:
    """The keys of each kind of net beside those that all have."""
    rows = []
    for model in members(language.NetSpec):
        (name,) = get_args(model.model_fields["type"].annotation)
        kinds = kinds_of(model)
        for key, field in model.model_fields.items():
            changed = key in NetBase.model_fields and field.default != NetBase.model_fields[key].default
            if key != "type" and not is_twin(field) and (key not in NetBase.model_fields or changed):
                rows.append((f"`{name}`", f"`{key}`", kinds[key], default(model, key), field.description or ""))
    return table(("Net", "Key", "Type", "Default", "Meaning"), rows)


def readers_table() -> str:
    """Every key of the language with the places that read it."""
    rows = []
    for key, places in readers().items():
        shown = ", ".join(f"`{place}`" for place in places[:MAX_PLACES]) + (", …" if len(places) > MAX_PLACES else "")
        rows.append((f"`{key}`", shown or PLANNED.get(key, "nothing")))
    return table(("Key", "Read by"), rows)


def dead_keys_table() -> str:
    """The keys that are accepted and have no effect."""
    rows = [(f"`{section}.{key}`", reason) for section, keys in DEAD_KEYS.items() for key, reason in keys.items()]
    return table(("Key", "Why it has no effect"), rows)


def distributions_table() -> str:
    """What a search can draw values from."""
    return table(("Distribution", "Arguments"), [(f"`{name}`", text) for name, text in DISTRIBUTIONS.items()])


def names_list(names: Iterable[str]) -> str:
    """Names in one sentence."""
    return ", ".join(f"`{name}`" for name in names) + "."


TABLES = {
    "nets": nets_table,
    "readers": readers_table,
    "dead keys": dead_keys_table,
    "distributions": distributions_table,
    "optimizers": lambda: names_list(OPTIMIZERS),
    "lr schedulers": lambda: names_list(LR_SCHEDULERS),
    "net keys": lambda: fields_table(NetBase),
}


def generate() -> str:
    """The text of `docs/spec.md`. Raises KeyError for a table or model that doesn't exist."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("keys "):
            model, *leave_out = name.removeprefix("keys ").split()
            return fields_table(getattr(language, model), ("warnings", *leave_out))
        return TABLES[name]()

    return re.sub(r"^\{\{(.+)\}\}$", replace, TEMPLATE.read_text(), flags=re.MULTILINE)


if __name__ == "__main__":
    RESULT.write_text(generate())
