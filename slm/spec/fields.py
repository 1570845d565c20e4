"""The kinds of value that a spec is made of: numbers, counts, names, schedules."""

import math
import re
from enum import Enum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, model_validator
from pydantic_core import PydanticCustomError

NUMERIC_TEXT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")
MAX_EXACT_FLOAT: Final = 2**53


class Absent(Enum):
    """Default of a key whose real default depends on other keys; parsing puts the real one in its place."""

    ABSENT = "absent"


# Typed as anything: a field that starts with it has its own type once the spec is parsed.
ABSENT: Final[Any] = Absent.ABSENT


def refuse(allowed: str) -> PydanticCustomError:
    """The error of a value that isn't allowed; `allowed` says what is, in words that end the message."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed})


def read_number(value: Any) -> int | float:
    """A finite number, also from text such as "3e-4", which YAML 1.1 takes for a string. Integral values become int."""
    if isinstance(value, str) and NUMERIC_TEXT.fullmatch(value.strip()):
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refuse("a number is expected")
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT_FLOAT else value


def _to_float(value: Any) -> float:
    return float(read_number(value))


def _to_int(value: Any) -> int:
    try:
        number = read_number(value)
    except PydanticCustomError:
        raise refuse("a whole number is expected") from None
    if not isinstance(number, int):
        raise refuse("a whole number is expected")
    return number


def plain(value: Any, *, numeric_text: bool = True) -> Any:
    """A copy of JSON-like data in which numbers have one spelling, so that equal settings compare equal.

    With `numeric_text` every string that reads as a number becomes one; without, only those in exponent form, which
    YAML 1.1 takes for strings.
    """
    if isinstance(value, dict):
        return {str(key): plain(item, numeric_text=numeric_text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, numeric_text=numeric_text) for item in value]
    if isinstance(value, str) and NUMERIC_TEXT.fullmatch(value) and (numeric_text or "e" in value.lower()):
        return read_number(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return read_number(value)
    if value is None or isinstance(value, bool | str):
        return value
    raise refuse("text, a number, true, false, null, a list or a map is expected")


Number = Annotated[float, BeforeValidator(_to_float)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_to_float)]
NonNegative = Annotated[float, Field(ge=0), BeforeValidator(_to_float)]
Fraction = Annotated[float, Field(ge=0, le=1), BeforeValidator(_to_float)]
Natural = Annotated[int, Field(ge=0), BeforeValidator(_to_int)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_to_int)]
Bool = StrictBool
Text = Annotated[StrictStr, Field(min_length=1)]


class SpecModel(BaseModel):
    """Base of all parts of a spec: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ScheduleSpec(SpecModel):
    """A value that changes over training frames."""

    name: Literal["no_decay", "linear_decay", "rate_decay", "periodic_decay"] = Field(
        description="How the value moves from start_val to end_val; no_decay keeps start_val."
    )
    start_val: Number = Field(description="Value up to start_step.")
    end_val: Number = Field(default=ABSENT, description="Value from end_step on; default start_val with no_decay.")
    start_step: Natural = Field(default=0, description="Frame at which the change begins.")
    end_step: Natural = Field(default=ABSENT, description="Frame at which the change ends; default 0 with no_decay.")

    @model_validator(mode="before")
    @classmethod
    def _end_of_no_decay(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("name") == "no_decay" and "start_val" in data:
            return {"end_val": data["start_val"], "end_step": 0, **data}
        return data
