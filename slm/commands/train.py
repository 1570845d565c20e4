"""`slm train`: one session, without Snakemake."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path

from slm.commands.arguments import Commands, add_spec, add_trial, check_hash, natural, positive, variables
from slm.destinations import check_folder
from slm.errors import UserError

DEFAULT_CHECKPOINT_INTERVAL = 60.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def add_to(commands: Commands) -> None:
    """Declare `slm train`."""
    train = commands.add_parser("train", help="train one session; after a kill the same command resumes it")
    add_spec(train)
    add_trial(train)
    train.add_argument("--session", type=natural, default=0, help="session (random seed) of the trial (default 0)")
    train.add_argument("--out", type=Path, help="folder of the artifacts (default out/SPEC_NAME/trial<t>/session<s>)")
    train.add_argument("--backend", choices=("auto", "compiled", "eager"), default="auto", help="how updates run")
    train.add_argument("--threads", type=positive, default=1, help="processor threads (default 1)")
    train.add_argument("--inprogress", type=Path, help="folder of sessions in progress (default OUT/.inprogress)")
    train.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> int:
    from slm.spec import load_spec, session_hash

    spec = load_spec(options.spec_file, options.spec_name, variables(options))
    for warning in spec.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    interval = _checkpoint_interval()
    for variable in THREAD_VARIABLES:  # before the libraries that read them are loaded
        os.environ[variable] = str(options.threads)

    # What is imported stays: searching it for garbage again and again took a fifth of the start.
    gc.disable()
    from slm.algorithms import DivergedError
    from slm.train import Job, SessionInterruptedError, train

    backend = _backend(options.backend, options.threads)
    gc.freeze()
    gc.enable()
    identity = session_hash(spec, trial=options.trial, session=options.session, backend=backend.name)
    check_hash(options.expect, identity, f"spec '{spec.name}'")
    out = options.out or Path("out") / spec.name / f"trial{options.trial}" / f"session{options.session}"
    inprogress = options.inprogress or out / ".inprogress"
    check_folder("--out", out)
    check_folder("--inprogress", inprogress)
    try:
        train(Job(spec, options.trial, options.session, identity, out, inprogress, interval), backend)
    except SessionInterruptedError as interruption:
        print(f"slm: stopped by {interruption}; the same command resumes the session", file=sys.stderr)
        return 128 + interruption.signal_number
    except DivergedError as error:
        print(f"slm: {error}", file=sys.stderr)
        return 1
    print(f"wrote {out}", file=sys.stderr)
    return 0


def _backend(name: str, threads: int):  # type: ignore[no-untyped-def]  # naming its type would import torch
    from slm.backend import configure_process, make_backend

    configure_process(threads)
    return make_backend(name)


def _checkpoint_interval() -> float:
    """Seconds between running checkpoints, from the environment. Raises UserError for what is not a number > 0."""
    text = os.environ.get("SLM_CHECKPOINT_INTERVAL", str(DEFAULT_CHECKPOINT_INTERVAL))
    try:
        interval = float(text)
    except ValueError:
        interval = 0.0
    if not interval > 0:
        raise UserError(f"SLM_CHECKPOINT_INTERVAL: '{text}' is not allowed; allowed: seconds above 0")
    return interval
