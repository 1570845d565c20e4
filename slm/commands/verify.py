"""`slm verify`: does a finished session come out the same again?"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from slm.commands.arguments import Commands
from slm.commands.train import THREAD_VARIABLES
from slm.errors import UserError

COMPARED = ("train.csv", "eval.csv", "model.pt", "best.pt")
"""The artifacts that are functions of spec and seed; the others hold times."""


def add_to(commands: Commands) -> None:
    """Declare `slm verify`."""
    verify = commands.add_parser(
        "verify", help="train finished sessions again in a temporary folder and compare the bytes (0: equal, 1: not)"
    )
    verify.add_argument("result_dirs", type=Path, nargs="+", metavar="RESULT_DIR", help="a session's artifacts")
    verify.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from slm.extension import read_record
    from slm.retention import removed_digests

    records = [read_record(folder) for folder in options.result_dirs]
    for folder in options.result_dirs:
        for name in COMPARED:
            if not (folder / name).is_file() and name not in removed_digests(folder):
                raise UserError(f"{folder}: {name} is missing")
    equal = [_verify_one(folder, record) for folder, record in zip(options.result_dirs, records, strict=True)]
    return 0 if all(equal) else 1


def _verify_one(folder: Path, record: dict[str, Any]) -> bool:
    """Train the session again and say, file by file, whether the bytes are equal."""
    threads = record.get("threads", 1)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what was trained on the CPU is trained there again

    from slm.backend import configure_process, make_backend
    from slm.job import Job
    from slm.retention import removed_digests
    from slm.spec import parse_spec
    from slm.train import train

    spec = parse_spec(record["spec_name"], record["spec"])
    if spec.meta.distributed is not False:
        raise UserError(f"{folder}: sessions that share their parameters (meta.distributed) are not reproducible")
    if record["state"] == "pruned":
        raise UserError(
            f"{folder}: stopped by a search, at a frame that its other trials decided; not reproducible alone"
        )
    if record.get("device", "cpu") != "cpu":
        raise UserError(
            f"{folder}: trained on {record['device']}; the same bytes are promised on the CPU alone (`make reproduce` "
            "compares published rows by their scores)"
        )
    for line in _differences(record):
        print(f"{folder}: made with {line}", file=sys.stderr)
    configure_process(threads)
    with tempfile.TemporaryDirectory(prefix="slm-verify-") as scratch:
        out = Path(scratch) / "session"
        job = Job(
            spec, record["trial"], record["session"], record["spec_hash"], out, Path(scratch) / "inprogress", 1e9
        )  # fmt: skip
        train(job, make_backend(record["backend"]))
        found = {name: _digest(out / name) for name in COMPARED}
    removed = {name: digest for name, digest in removed_digests(folder).items() if not (folder / name).exists()}
    equal = {name: found[name] == (removed.get(name) or _digest(folder / name)) for name in COMPARED}
    for name, same in equal.items():
        what = " (removed; its digest)" if name in removed else ""
        print(f"{folder}/{name}{what}: {'equal' if same else 'DIFFERENT'}")
    return all(equal.values())


def _differences(record: dict[str, Any]) -> list[str]:
    """What made the session that is not what trains it now."""
    from slm.provenance import code_fingerprint, library_versions, processor

    then = {
        **{name: record.get("versions", {}).get(name) for name in library_versions()},
        "code": record.get("code_fingerprint"),
        "processor": record.get("processor"),
    }
    now = {**library_versions(), "code": code_fingerprint(), "processor": processor()}
    return [f"{name} {then[name]}, now {now[name]}" for name in now if then[name] != now[name]]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
