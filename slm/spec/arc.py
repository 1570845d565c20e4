"""The `arc` language: a network written as named modules and the graph that joins them.

`{modules: {name: {Class: kwargs} | {Sequential: [{Class: kwargs}, …]}}, graph: {input: x, modules: {name: [inputs]},
output: name}}`, where Class is a torch.nn layer or one of this package's extra layers.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from slm.spec.fields import PLACEHOLDER, plain, refuse
from slm.spec.torch_names import EXTRA_LAYERS, LAYERS, signature

SIGNATURES: Final = LAYERS | EXTRA_LAYERS


def read_arc(value: Any) -> dict[str, Any]:
    """The arc with null arguments as {}, names as lists where several are allowed, and numbers in one spelling.

    Raises the error that names everything wrong with it.
    """
    arc = plain(value)
    problems = list(_problems(arc))
    if problems:
        raise refuse("; ".join(problems))
    graph = arc["graph"]
    return {
        "modules": {name: _read_module(module) for name, module in arc["modules"].items()},
        "graph": {**graph, "modules": {name: _names(inputs) for name, inputs in graph["modules"].items()}},
    }


def _read_module(module: dict[str, Any]) -> dict[str, Any]:
    ((layer, kwargs),) = module.items()
    if layer == "Sequential":
        return {layer: [_read_module(part) for part in kwargs]}
    return {layer: kwargs or {}}


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def _problems(arc: Any) -> Iterator[str]:
    if not isinstance(arc, dict) or set(arc) != {"modules", "graph"}:
        yield "a map with the keys modules and graph is expected"
        return
    modules, graph = arc["modules"], arc["graph"]
    if not isinstance(modules, dict) or not modules:
        yield "modules: a map of name to {Class: arguments} is expected"
        return
    for name, module in modules.items():
        yield from _module_problems(f"modules.{name}", module)
    if not isinstance(graph, dict) or set(graph) != {"input", "modules", "output"}:
        yield "graph: a map with the keys input, modules and output is expected"
        return
    yield from _graph_problems(graph, list(modules))


def _module_problems(where: str, module: Any) -> Iterator[str]:
    if not isinstance(module, dict) or len(module) != 1:
        yield f"{where}: a map of one class name to its arguments is expected, such as {{ReLU: null}}"
        return
    ((layer, kwargs),) = module.items()
    if layer == "Sequential":
        if not isinstance(kwargs, list) or not kwargs:
            yield f"{where}.Sequential: a list of {{Class: arguments}} is expected"
            return
        for i, part in enumerate(kwargs):
            yield from _module_problems(f"{where}.Sequential.{i}", part)
    elif layer not in SIGNATURES:
        yield f"{where}: {layer!r} is not a known layer{nearest(layer, SIGNATURES)}"
    elif kwargs is not None and not isinstance(kwargs, dict):
        yield f"{where}.{layer}: a map of arguments or null is expected"
    else:
        yield from (f"{where}.{layer}: {problem}" for problem in argument_problems(SIGNATURES[layer], kwargs or {}))


def argument_problems(signature_text: str, kwargs: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the names of the arguments, given a signature of `torch_names`."""
    required, known = signature(signature_text)
    for key in kwargs:
        if key not in known:
            allowed = ", ".join(known) or "none"
            yield f"{key!r} is not an argument{nearest(key, known)} (arguments: {allowed})"
    for key in known:
        if key in required and key not in kwargs:
            yield f"the argument {key!r} is missing"


def _graph_problems(graph: dict[str, Any], modules: list[str]) -> Iterator[str]:
    source, wiring, output = graph["input"], graph["modules"], graph["output"]
    if not isinstance(source, str) or not isinstance(output, str) or not isinstance(wiring, dict):
        yield "graph: input and output are names, modules a map of module to the names that it takes"
        return
    known = [source]
    for name, inputs in wiring.items():
        if name not in modules:
            yield f"graph.modules: {name!r} is not in modules{nearest(name, modules)}"
        inputs = _names(inputs)
        if not isinstance(inputs, list) or not inputs or not all(isinstance(item, str) for item in inputs):
            yield f"graph.modules.{name}: a list of names is expected"
            continue
        for item in inputs:
            if item not in known:
                yield f"graph.modules.{name}: {item!r} is not an input or an earlier module{nearest(item, known)}"
        known.append(name)
    if output not in wiring:
        yield f"graph.output: {output!r} is not in graph.modules{nearest(output, wiring)}"
    for name in modules:
        if name not in wiring:
            yield f"modules: {name!r} is not in graph.modules"


def nearest(name: Any, known: Any) -> str:
    """The hint `; did you mean 'x'?`, or nothing where no known name is near."""
    by_lower = {str(item).lower(): str(item) for item in known}
    lower = str(name).lower()
    longer = [known for known in by_lower if len(lower) > 2 and known.startswith(lower)]
    match = get_close_matches(lower, by_lower, 1, 0.6) if len(longer) != 1 else longer
    return f"; did you mean {by_lower[match[0]]!r}?" if match else ""


def has_placeholder(value: Any) -> bool:
    """Whether a `${var}` stands anywhere in a value."""
    if isinstance(value, dict):
        return any(has_placeholder(item) for item in value.values())
    if isinstance(value, list):
        return any(has_placeholder(item) for item in value)
    return isinstance(value, str) and PLACEHOLDER.search(value) is not None
