"""One spec: agent, environment, meta settings and, optionally, a search."""

from typing import Any

from pydantic import Field

from slm.spec.algorithm import AlgorithmSpec
from slm.spec.env import EnvSpec
from slm.spec.fields import SpecModel, Text, plain
from slm.spec.memory import MemorySpec
from slm.spec.meta import MetaSpec
from slm.spec.net import NetSpec
from slm.spec.search import SearchVariable


class AgentSpec(SpecModel):
    """The agent: algorithm, memory and networks."""

    name: Text = Field(description="A label, free to choose.")
    algorithm: AlgorithmSpec = Field(description="How the agent learns.")
    memory: MemorySpec = Field(description="Where experience is kept.")
    net: NetSpec = Field(description="The network, or what actor and critic have in common.")
    critic_net: NetSpec | None = Field(default=None, description="The critics' network (CrossQ only); null: like net.")


class Spec(SpecModel):
    """Everything that was asked for, with defaults filled in. Two specs are equal if they ask for the same."""

    name: Text = Field(description="Name of the spec in its file.")
    agent: AgentSpec = Field(description="The agent.")
    env: EnvSpec = Field(description="The environment.")
    meta: MetaSpec = Field(description="Repetition, measurement and search settings.")
    search: tuple[SearchVariable, ...] = Field(default=(), description="What a search varies; ignored in train mode.")
    warnings: list[str] = Field(default=[], exclude=True, repr=False, description="Keys that nothing reads.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spec):
            return NotImplemented
        keys = ("name", "agent", "env", "meta", "search")
        return all(getattr(self, key) == getattr(other, key) for key in keys)


def canonical(spec: Spec) -> dict[str, Any]:
    """The spec as JSON-able data in one spelling: numbers uniform, keys at a fixed default left out.

    It loads back to an equal spec.
    """
    data: dict[str, Any] = plain(spec.model_dump(mode="json", exclude_defaults=True, exclude={"name", "search"}))
    net = data["agent"]["net"]
    if net["type"] == "NoNet":
        data["agent"]["net"] = {}
    if spec.agent.algorithm.name in ("ActorCritic", "SIL"):
        # Required there, so written out even where they are at the default of other algorithms.
        net |= {"shared": spec.agent.net.shared, "use_same_optim": spec.agent.net.use_same_optim}
    if spec.search:
        data["search"] = {variable.key: plain(list(variable.args)) for variable in spec.search}
    return data
