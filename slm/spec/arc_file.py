"""`arc_file`: an arc in a file of its own, read when the spec is, so that the spec holds its content."""

from pathlib import Path
from typing import Any

from slm.spec.arc import has_placeholder
from slm.spec.files import read_data
from slm.spec.messages import Problem, SpecError, not_allowed


def inline_arc_files(data: dict[str, Any], folder: Path) -> list[Problem]:
    """Replace each `arc_file` key (also actor_, critic_) of a raw spec by `arc`, in place; return what went wrong.

    Relative paths start at `folder`.
    """
    problems: list[Problem] = []
    agent = data.get("agent")
    for net in ("net", "critic_net"):
        section = agent.get(net) if isinstance(agent, dict) else None
        if not isinstance(section, dict):
            continue
        for key in [key for key in section if key in ("arc_file", "actor_arc_file", "critic_arc_file")]:
            file, arc = section.pop(key), key.removesuffix("_file")
            path = ("agent", net, key)
            if not isinstance(file, str):
                problems.append(not_allowed(path, file, "the path of a JSON or YAML file is expected"))
            elif arc in section:
                problems.append(not_allowed(path, file, f"{arc} is there too; exactly one of {arc} and {key} is"))
            else:
                problems += _inline(section, arc, file, folder, path)
    return problems


def _inline(section: dict[str, Any], arc: str, file: str, folder: Path, path: tuple[str, ...]) -> list[Problem]:
    if has_placeholder(file):
        section[arc] = file
        return []
    try:
        section[arc] = read_data(folder / file, {})
    except SpecError as error:
        return [not_allowed(path, file, "; ".join(error.messages))]
    return []
