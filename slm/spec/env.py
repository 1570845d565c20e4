"""`env`: the environment and what is done to its observations and rewards."""

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from slm.spec.fields import ABSENT, Bool, Count, Number, Positive, SpecModel, Text, plain, read_number, refuse


def _clip_range(value: Any) -> float | tuple[float, float] | None:
    try:
        if value is None:
            return None
        if isinstance(value, list | tuple):
            low, high = (float(read_number(bound)) for bound in value)
            if low < high:
                return low, high
        elif (bound := float(read_number(value))) > 0:
            return bound
    except (ValueError, PydanticCustomError):
        pass
    raise refuse("null, a positive number c (for -c to c) or a pair [low, high] is expected")


def _keyword(value: Any) -> Any:
    return plain(value, numeric_text=False)


class EnvSpec(SpecModel):
    """The environment; keys beyond these are passed to `gymnasium.make`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, BeforeValidator(_keyword)]]

    name: Text = Field(description="Id of a gymnasium environment.")
    num_envs: Count = Field(default=1, description="Environments stepped together.")
    max_t: Count | None = Field(default=None, description="Steps after which an episode is truncated; null: the env's.")
    max_frame: Count = Field(description="Frames (steps summed over all environments) that a session trains for.")
    normalize_obs: Bool = Field(default=False, description="Normalise observations by their running mean and variance.")
    clip_obs: Positive | None = Field(
        default=ABSENT, description="Bound of each observation; default 10 with normalize_obs, else null (none)."
    )
    normalize_reward: Bool = Field(default=False, description="Scale rewards by the spread of the discounted return.")
    clip_reward: Annotated[float | tuple[float, float] | None, BeforeValidator(_clip_range)] = Field(
        default=ABSENT,
        description="Bound of rewards, c or [low, high]; default 1 for ALE/, 10 with normalize_reward, else null.",
    )
    reward_scale: Number = Field(default=1.0, description="Factor on rewards (playground environments only).")
    device: Text = Field(default="auto", description="Device of the simulation (playground environments only).")

    @classmethod
    def misspelt(cls, key: str) -> bool:
        """Whether a key that isn't this package's own looks like one that is, rather than like one for gymnasium."""
        return key not in cls.model_fields and bool(get_close_matches(key.lower(), cls.model_fields, 1, 0.85))

    @property
    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments for `gymnasium.make`: the keys that are not this package's own."""
        return dict(self.__pydantic_extra__)
