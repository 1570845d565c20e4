"""`search`: which keys of the spec a search varies, and over what."""

from typing import Any, Final

from pydantic import Field
from pydantic_core import PydanticCustomError

from slm.spec.arc import nearest
from slm.spec.fields import SpecModel, Text, plain

DISTRIBUTIONS: Final = {
    "choice": "a list of at least one option",
    "uniform": "[low, high]",
    "loguniform": "[low, high] with low > 0",
    "quniform": "[low, high, step]",
    "qloguniform": "[low, high, step] with low > 0",
    "randint": "[low, high), whole numbers",
    "lograndint": "[low, high), whole numbers, low > 0",
    "qrandint": "[low, high, step], whole numbers",
    "qlograndint": "[low, high, 1], whole numbers, low > 0",
}
REFUSED: Final = {
    "grid_search": "a grid is not sampled; write the options as __choice",
    "randn": "an unbounded normal distribution can't be searched; use __uniform or __loguniform",
    "qrandn": "an unbounded normal distribution can't be searched; use __quniform",
}


VALIDATION: Final = 10_000
"""Added to the number of a search's trial: the trial that trains its settings again for validation."""


class SearchVariable(SpecModel):
    """One key that a search varies."""

    path: Text = Field(description="Dotted path of the key in the spec.")
    distribution: Text = Field(description="Name of the distribution, such as choice or loguniform.")
    args: tuple[Any, ...] = Field(description="Arguments of the distribution; the options of a choice.")

    @property
    def key(self) -> str:
        """The key as a spec writes it, such as `agent.algorithm.gamma__uniform`."""
        return f"{self.path}__{self.distribution}"

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values at the bounds of the distribution, or all options of a choice."""
        if self.distribution == "choice":
            return self.args
        low, high = self.args[:2]
        return (low, high - 1 if self.distribution in ("randint", "lograndint") else high)


def flatten(search: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested maps and dotted keys as one map of dotted key to arguments."""
    flat: dict[str, Any] = {}
    for key, value in search.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and "__" not in str(key):
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = value
    return flat


def read_variable(key: str, args: Any) -> SearchVariable | str:
    """The variable of one dotted key, or what is wrong with it."""
    path, separator, distribution = key.partition("__")
    if not separator or not path:
        return "a key ends with __ and a distribution, such as gamma__uniform"
    if distribution in REFUSED:
        return REFUSED[distribution]
    if distribution not in DISTRIBUTIONS:
        hint = nearest(distribution, DISTRIBUTIONS)
        return f"{distribution!r} is not a known distribution{hint} (allowed: {', '.join(DISTRIBUTIONS)})"
    try:
        args = plain(args)
    except PydanticCustomError as error:
        return str(error)
    if not _arguments_fit(distribution, args):
        return f"{distribution} takes {DISTRIBUTIONS[distribution]}"
    return SearchVariable(path=path, distribution=distribution, args=tuple(args))


def with_value(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A raw spec with a value at a dotted path; a map that only a default stands for is made.

    The maps on the way are copies: those of YAML can be in several places at once. Raises LookupError, which says what
    there is not, where the path leads through none of the spec's maps.
    """
    changed: dict[str, Any] = _with_value(spec, path.split("."), value, path.rpartition(".")[0])
    return changed


def _with_value(node: Any, path: list[str], value: Any, parents: str) -> Any:
    if not path:
        return value
    part, *rest = path
    if isinstance(node, dict):
        made: dict[str, Any] | None = {} if len(rest) == 1 and "." in parents else None
        child = made if rest and node.get(part) is None else node.get(part)
        return {**node, part: _with_value(child, rest, value, parents)}
    if isinstance(node, list) and part.isdigit() and int(part) < len(node):
        i = int(part)
        return [*node[:i], _with_value(node[i], rest, value, parents), *node[i + 1 :]]
    raise LookupError(f"the spec has no map {parents}")


def _arguments_fit(distribution: str, args: Any) -> bool:
    if not isinstance(args, list) or not args:
        return False
    if distribution == "choice":
        return True
    whole, stepped, logarithmic = "int" in distribution, distribution.startswith("q"), "log" in distribution
    kinds = int if whole else (int | float)
    if len(args) != (3 if stepped else 2) or any(isinstance(arg, bool) or not isinstance(arg, kinds) for arg in args):
        return False
    low, high = args[:2]
    if low >= high or (logarithmic and low <= 0):
        return False
    return not stepped or _step_fits(distribution, args[2], high - low)


def _step_fits(distribution: str, step: float, width: float) -> bool:
    return step == 1 if distribution == "qlograndint" else 0 < step <= width
