"""A trial's ``spec.json``: a spec file that holds the one resolved spec, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slm.analysis.files import write_json
from slm.errors import UserError
from slm.spec import canonical, load_spec, read_file, session_hashes, spec_of_trial, trial_hash

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
    settings: Mapping[str, Any] | None = None,
    search: str | None = None,
    listed: int = LISTED_SESSIONS,
) -> None:
    """Write the resolved spec of a trial, with the hashes of the first ``listed`` of its sessions, to ``out``.

    ``settings`` is what a search has set, None in train mode; ``search`` is the hash of the search whose other trials
    may stop this one. Raises UserError for a bad spec, and for one whose trial hash is not the one that is expected.
    """
    spec = load_spec(spec_file, spec_name, variables)
    if settings is not None:
        raw = read_file(spec_file, variables)[spec_name]
        spec = spec_of_trial(raw, spec_name, spec_file, settings, scheduled=search is not None)
    identity = trial_hash(spec, trial=trial, backend=backend, search=search)
    if expect is not None and identity != expect:
        raise UserError(
            f"{spec_file}: '{spec_name}' has changed since the workflow was planned (hash {identity[:12]}, planned "
            f"{expect[:12]}); run the workflow again"
        )
    sessions = range(max(listed, spec.meta.max_session))
    hashes = session_hashes(spec, sessions, trial=trial, backend=backend, search=search)
    origin = {
        "experiment": experiment,
        "trial": trial,
        "backend": backend,
        "hash": identity,
        # What a search has set; the trial of an experiment in train mode is the spec as it stands.
        "settings": dict(settings or {}),
        "search": search,
        "session_hashes": {str(session): identity for session, identity in hashes.items()},
    }
    write_json(out, {spec.name: canonical(spec), "_trial": origin})
