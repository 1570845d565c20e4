"""The kinds of value that a net spec is made of: activations, optimizers, layer sizes."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from slm.spec.arc import argument_problems, nearest, read_arc
from slm.spec.fields import plain, read_number, refuse
from slm.spec.torch_names import ACTIVATIONS, INIT_FUNCTIONS, LOSSES, LR_SCHEDULERS, OPTIMIZERS, match_name

# Arguments of learning-rate schedules that are words.
SCHEDULE_WORDS = ("name", "mode", "scale_mode", "anneal_strategy")


def _activation(value: Any) -> str:
    name = match_name(value, ACTIVATIONS, ignore_case=True) if isinstance(value, str) else None
    if name is None:
        raise refuse(f"a torch.nn activation is expected{nearest(value, ACTIVATIONS)} (such as relu, tanh, selu, silu)")
    return name


def _output_activation(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(None if item is None else _activation(item) for item in value)
    return None if value is None else _activation(value)


def _init_fn(value: Any) -> Any:
    if value is None or value in INIT_FUNCTIONS:
        return value
    raise refuse(f"null or a function of torch.nn.init is expected{nearest(value, INIT_FUNCTIONS)}")


def _named_kwargs(value: Any, default: str, table: dict[str, str], what: str, *, ignore_case: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refuse(f"a map of a {what}'s name and arguments is expected")
    kwargs = plain({"name": default, **value})
    name = match_name(str(kwargs["name"]), table, ignore_case=ignore_case)
    if name is None:
        hint = nearest(kwargs["name"], table)
        raise refuse(f"{kwargs['name']!r} is not a known {what}{hint} (allowed: {', '.join(table)})")
    arguments = {key: item for key, item in kwargs.items() if key != "name"}
    if problems := list(argument_problems(table[name], arguments)):
        raise refuse(f"{name}: " + "; ".join(problems))
    return {"name": name, **arguments}


def _optimizer(value: Any) -> dict[str, Any]:
    spec = _named_kwargs(value, "Adam", OPTIMIZERS, "optimizer", ignore_case=False)
    for key in ("lr", "eps", "weight_decay", "momentum", "alpha", "dampening"):
        item = spec.get(key, 0)
        if isinstance(item, bool | str | list | dict | None) or item < 0:
            raise refuse(f"{key} is a number of at least 0")
    betas = spec.get("betas", [0.9, 0.999])
    pair = isinstance(betas, list) and len(betas) == 2
    if not pair or not all(isinstance(beta, float | int) and 0 <= beta < 1 for beta in betas):
        raise refuse("betas are two numbers from 0 to below 1")
    return spec


def _lr_scheduler(value: Any) -> dict[str, Any] | None:
    if value is None or value == {}:
        return None
    spec = _named_kwargs(value, "null", LR_SCHEDULERS, "learning-rate schedule", ignore_case=False)
    for key, item in spec.items():
        if key in ("frame", "step_size", "T_max") and not (isinstance(item, float | int) and item >= 1):
            raise refuse(f"{key} is a number of at least 1")
        if key == "milestones" and not (isinstance(item, list) and all(type(step) is int for step in item)):
            raise refuse("milestones is a list of whole numbers")
        if isinstance(item, str) and key not in SCHEDULE_WORDS:
            raise refuse(f"{key} is a number")
    return spec


def _loss(value: Any) -> dict[str, Any]:
    spec = _named_kwargs(value, "MSELoss", LOSSES, "loss", ignore_case=True)
    for key in ("delta", "beta"):
        item = spec.get(key, 1)
        if isinstance(item, bool) or not isinstance(item, float | int) or item <= 0:
            raise refuse(f"{key} is a number above 0")
    return spec


def _gpu(value: Any) -> Any:
    choices = {"auto": "auto", "None": "auto", "true": True, "True": True, "false": False, "False": False}
    if not isinstance(value, str | bool | None) or str(value) not in choices:
        raise refuse("allowed are 'auto', true and false")
    return choices[str(value)]


def _conv_layers(value: Any) -> Any:
    expected = refuse("a list of layers [out_channels, kernel, stride, padding, dilation] is expected")
    if not isinstance(value, list | tuple) or not value:
        raise expected
    layers = []
    for layer in value:
        if not isinstance(layer, list | tuple) or not 2 <= len(layer) <= 5:
            raise expected
        layers.append(tuple(_conv_size(size, at_least=0 if i == 3 else 1) for i, size in enumerate(layer)))
    return tuple(layers)


def _conv_size(value: Any, *, at_least: int) -> int | tuple[int, ...]:
    if isinstance(value, list | tuple):
        return tuple(_size(item, at_least=at_least) for item in value)
    return _size(value, at_least=at_least)


def _size(value: Any, *, at_least: int = 1) -> int:
    number = read_number(value)
    if not isinstance(number, int) or number < at_least:
        raise refuse(f"whole numbers of at least {at_least} are expected")
    return number


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise refuse("a list of layer sizes is expected, such as [64, 64]")
    return tuple(_size(size) for size in value)


def _hydra_sizes(value: Any) -> tuple[tuple[tuple[int, ...], ...], ...]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise refuse("a list [heads, body, tails] is expected")
    heads, body, tails = value
    return _branches(heads), (_sizes(body),), _branches(tails)


def _branches(value: Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, list) and value and all(isinstance(branch, list) for branch in value):
        return tuple(_sizes(branch) for branch in value)
    return (_sizes(value),)


Activation = Annotated[str, BeforeValidator(_activation)]
OutputActivation = Annotated[str | tuple[str | None, ...] | None, BeforeValidator(_output_activation)]
Sizes = Annotated[tuple[int, ...], BeforeValidator(_sizes)]
ConvLayers = Annotated[tuple[tuple[int | tuple[int, ...], ...], ...], BeforeValidator(_conv_layers)]
HydraSizes = Annotated[tuple[tuple[tuple[int, ...], ...], ...], BeforeValidator(_hydra_sizes)]
Arc = Annotated[dict[str, Any], BeforeValidator(read_arc)]
Optimizer = Annotated[dict[str, Any], BeforeValidator(_optimizer)]
LearningRateSchedule = Annotated[dict[str, Any] | None, BeforeValidator(_lr_scheduler)]
Loss = Annotated[dict[str, Any], BeforeValidator(_loss)]
InitFunction = Annotated[str | None, BeforeValidator(_init_fn)]
Gpu = Annotated[Literal["auto"] | bool, BeforeValidator(_gpu)]
