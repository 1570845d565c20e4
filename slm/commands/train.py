"""`slm train`: one session, or the sessions of a Hogwild trial together, without Snakemake."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path

from slm.commands.arguments import Commands, add_search, add_spec, add_trial, check_hash, natural, positive, variables
from slm.destinations import check_folder
from slm.errors import UserError

DEFAULT_CHECKPOINT_INTERVAL = 60.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def add_to(commands: Commands) -> None:
    """Declare `slm train`."""
    train = commands.add_parser("train", help="train one session, or a Hogwild trial; resumes after a kill")
    add_spec(train)
    add_trial(train)
    train.add_argument(
        "--session", type=natural,
        help="session (random seed) of the trial (default 0); with meta.distributed all of them train together",
    )  # fmt: skip
    train.add_argument(
        "--out", type=Path,
        help="folder of the artifacts (default out/SPEC_NAME/trial<t>/session<s>); with meta.distributed that of the "
        "trial, in which they get folders session<s>",
    )  # fmt: skip
    add_search(train)
    train.add_argument("--backend", choices=("auto", "compiled", "eager"), default="auto", help="how updates run")
    train.add_argument(
        "--threads", type=positive, default=1, help="processor threads (default 1; one a worker with meta.distributed)"
    )
    train.add_argument("--inprogress", type=Path, help="folder of sessions in progress (default OUT/.inprogress)")
    train.add_argument("--keep-memory", action="store_true", help="keep the final replay memory, to extend the session")
    train.add_argument(
        "--extend", type=Path, metavar="RESULT_DIR",
        help="go on with that finished session (its trial, session and backend) to the spec's longer env.max_frame",
    )  # fmt: skip
    train.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> int:
    from slm.spec import load_spec

    spec = load_spec(options.spec_file, options.spec_name, variables(options))
    _check_options(options, spec)
    for warning in spec.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    distributed = spec.meta.distributed is not False
    interval = _checkpoint_interval()
    threads = max(options.threads // spec.meta.max_session, 1) if distributed else options.threads
    for variable in THREAD_VARIABLES:  # before the libraries that read them are loaded
        os.environ[variable] = str(threads)

    # What is imported stays: searching it for garbage again and again took a fifth of the start.
    gc.disable()
    from slm.algorithms import DivergedError
    from slm.distributed import WorkerFailedError
    from slm.extension import find_extension
    from slm.saving import SessionInterruptedError

    extension = None if options.extend is None else find_extension(options.extend, spec, options.inprogress)
    if extension is not None:
        options.trial, options.session, options.backend = extension.trial, extension.session, extension.backend
    options.extends = None if extension is None else extension.folder
    backend = _backend(options.backend, threads)
    gc.freeze()
    gc.enable()
    train, out = (_trial if distributed else _session)(options, spec, backend, interval)
    try:
        train()
    except SessionInterruptedError as interruption:
        what = "trial" if distributed else "session"
        print(f"slm: stopped by {interruption}; the same command resumes the {what}", file=sys.stderr)
        return 128 + interruption.signal_number
    except OSError as error:  # a full disk, a folder that can't be written any more
        print(f"slm: training stopped: {error}; once that is mended, the same command goes on from the last checkpoint",
              file=sys.stderr)  # fmt: skip
        return 1
    except DivergedError as error:
        print(f"slm: {error}", file=sys.stderr)
        return 1
    except WorkerFailedError as error:
        print(f"slm: {error}", file=sys.stderr)
        return error.exit_code
    print(f"wrote {out}", file=sys.stderr)
    return 0


def _check_options(options, spec):  # type: ignore[no-untyped-def]  # naming its types would load them
    """Raises UserError for options that the spec makes no sense of."""
    if options.search is not None and spec.meta.search_scheduler is None:
        raise UserError(
            f"--search: the spec '{spec.name}' has no meta.search_scheduler, which says how a trial is stopped"
        )
    distributed = spec.meta.distributed is not False
    if distributed and options.session is not None:
        raise UserError(
            f"--session {options.session}: the sessions of '{spec.name}' train together (meta.distributed: "
            f"{spec.meta.distributed}); leave it out"
        )
    if distributed and (options.extend is not None or options.keep_memory):
        raise UserError(f"--extend, --keep-memory: not for sessions that train together ('{spec.name}')")
    if options.search is not None and options.extend is not None:
        raise UserError("--extend: not for a session that a search may stop (--search)")


def _session(options, spec, backend, interval):  # type: ignore[no-untyped-def]  # naming its types would import torch
    """The training of one session, ready to be called, and its folder."""
    from slm.job import Job
    from slm.spec import session_hash
    from slm.train import train

    session = options.session or 0
    identity = session_hash(spec, trial=options.trial, session=session, backend=backend.name, search=options.search)
    out, inprogress = _folders(options, spec.name, identity, f"session{session}")
    if options.extend is not None and out.resolve() == options.extend.resolve():
        raise UserError(f"--out: {out} holds the session to extend; name another folder")
    job = Job(
        spec, options.trial, session, identity, out, inprogress, interval, keep_memory=options.keep_memory,
        extends=options.extends, search=options.search,
    )  # fmt: skip
    return lambda: train(job, backend), out


def _trial(options, spec, backend, interval):  # type: ignore[no-untyped-def]
    """The training of a Hogwild trial, ready to be called, and its folder."""
    from slm.distributed import Trial, train_trial
    from slm.spec import trial_hash

    identity = trial_hash(spec, trial=options.trial, backend=backend.name)
    out, inprogress = _folders(options, spec.name, identity)
    trial = Trial(spec, options.trial, out, inprogress, interval, int(os.environ[THREAD_VARIABLES[0]]))
    return lambda: train_trial(trial, backend), out


def _folders(options: argparse.Namespace, name: str, identity: str, *session: str) -> tuple[Path, Path]:
    """Where the artifacts go, and where sessions in progress are. Raises UserError for another hash than expected."""
    check_hash(options.expect, identity, f"spec '{name}'")
    out = options.out or Path("out", name, f"trial{options.trial}", *session)
    inprogress = options.inprogress or out / ".inprogress"
    check_folder("--out", out)
    check_folder("--inprogress", inprogress)
    return out, inprogress


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
