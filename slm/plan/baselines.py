"""Which random baseline belongs to an environment: one for each name with its arguments and its step limit."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from slm.spec import EnvSpec

BASELINES = Path("results/baselines")
DIGEST_LENGTH = 8


def baseline_key(env: EnvSpec) -> str:
    """The name of the baseline's file, equal for two specs if random play on them is the same.

    That is the environment's name, `CartPole-v1`, and where the name isn't all that there is to say (arguments, a step
    limit, a character that file names can't have) a short hash of everything: `ALE-Pong-v5-0c1d2e3f`.
    """
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", env.name)
    if slug == env.name and not env.kwargs and env.max_t is None:
        return slug
    identity = json.dumps({"name": env.name, "kwargs": env.kwargs, "max_t": env.max_t}, sort_keys=True)
    return f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:DIGEST_LENGTH]}"
