"""A trial's ``spec.json``: a spec file that holds the one resolved spec, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slm.analysis.files import write_json
from slm.errors import UserError
from slm.spec import canonical, load_spec, session_hash, trial_hash

# Hashes are listed for sessions that nobody asked for yet, so that adding one leaves the file as it is.
LISTED_SESSIONS = 64


def write_trial_spec(
    spec_file: str | Path,
    spec_name: str,
    variables: Mapping[str, str],
    *,
    experiment: str,
    trial: int,
    backend: str,
    expect: str | None,
    out: Path,
) -> None:
    """Write the resolved spec of a trial, with the hashes of its sessions, to ``out``.

    Raises UserError for a bad spec, and for one whose trial hash is not the one that is expected.
    """
    spec = load_spec(spec_file, spec_name, variables)
    identity = trial_hash(spec, trial=trial, backend=backend)
    if expect is not None and identity != expect:
        raise UserError(
            f"{spec_file}: '{spec_name}' has changed since the workflow was planned (hash {identity[:12]}, planned "
            f"{expect[:12]}); run the workflow again"
        )
    sessions = range(max(LISTED_SESSIONS, spec.meta.max_session))
    origin = {
        "experiment": experiment,
        "trial": trial,
        "backend": backend,
        "hash": identity,
        # What a search has set; the trial of an experiment in train mode is the spec as it stands.
        "settings": {},
        "session_hashes": {
            str(session): session_hash(spec, trial=trial, session=session, backend=backend) for session in sessions
        },
    }
    write_json(out, {spec.name: canonical(spec), "_trial": origin})
