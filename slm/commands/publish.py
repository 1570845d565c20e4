"""`slm publish`: what is committed of the results, and its page. `slm reproduce`: a published row trained again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from slm.commands.arguments import Commands, positive
from slm.destinations import check_folder
from slm.errors import UserError

ROOT = Path(__file__).parents[2]


def add_to(commands: Commands) -> None:
    """Declare both."""
    publish = commands.add_parser("publish", help="keep finished rows in docs/benchmarks and render docs/BENCHMARKS.md")
    publish.add_argument("--results", type=Path, default=Path("results"), help="where the rows were run")
    publish.add_argument("--docs", type=Path, default=Path("docs"), help="where to keep them")
    publish.add_argument("--sheet", type=Path, default=Path("config/benchmarks.tsv"), help="the sample sheet")
    publish.add_argument(
        "--evidence", action="append", default=[], metavar="NAME=SESSION_DIR", help="keep a single session as well"
    )
    publish.set_defaults(command=_publish)

    reproduce = commands.add_parser("reproduce", help="train a published row again and compare it with docs/benchmarks")
    reproduce.add_argument("experiment", metavar="ROW", help="name of the experiment")
    reproduce.add_argument("--docs", type=Path, default=Path("docs"), help="where rows are published")
    reproduce.add_argument("--sheet", type=Path, default=Path("config/benchmarks.tsv"), help="the sample sheet")
    reproduce.add_argument("--out", type=Path, help="where to train (default out/reproduce/ROW)")
    reproduce.add_argument("--workers", type=positive, help="sessions at a time (default: the processor cores)")
    reproduce.set_defaults(command=_reproduce)


def _publish(options: argparse.Namespace) -> int:
    from slm.report.benchmarks_page import folder_of, write_benchmarks
    from slm.report.published import publish_evidence, publish_row

    rows = _sheet(options.sheet)
    for item in options.evidence:
        name, separator, folder = item.partition("=")
        if not separator or not folder:
            raise UserError(f"--evidence {item}: expected NAME=SESSION_DIR")
        print(f"kept {publish_evidence(Path(folder), name, options.docs)}", file=sys.stderr)
    for row in rows:
        if row.mode != "train":
            continue  # the best of many trials is no reproduction of a published setting
        folder = folder_of(options.docs, row)
        try:
            if publish_row(row, options.results / "experiments" / row.experiment / "trial0", folder):
                print(f"kept {folder}", file=sys.stderr)
        except UserError as error:  # the others are none the worse for it
            print(f"warning: not kept: {error}", file=sys.stderr)
    print(f"wrote {write_benchmarks(options.docs, rows)}", file=sys.stderr)
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from slm.plan.schema import nearest
    from slm.report.benchmarks_page import folder_of
    from slm.report.published import read_row
    from slm.report.reproduce import compare, train_again, usable_cores

    rows = {row.experiment: row for row in _sheet(options.sheet)}
    if options.experiment not in rows:
        raise UserError(
            f"there is no row '{options.experiment}' in {options.sheet}{nearest(options.experiment, list(rows))}"
        )
    row = rows[options.experiment]
    published = read_row(folder_of(options.docs, row))
    if published is None or not published.sessions:
        raise UserError(f"row '{row.experiment}' was not run: {folder_of(options.docs, row)} has no sessions of it")
    if not published.trial.get("reproducible", True):
        raise UserError(f"row '{row.experiment}' is Hogwild's: its sessions share their parameters, and no run repeats")
    out = options.out or Path("out/reproduce") / row.experiment
    check_folder("--out", out)
    comparison = compare(published.sessions, train_again(row, published, out, options.workers or usable_cores()))
    print("\n".join(comparison.lines))
    return 0 if comparison.reproduced else 1


def _sheet(path: Path):  # type: ignore[no-untyped-def]  # naming its type would import the planning
    import yaml

    from slm.plan import read_sheet

    schema = ROOT / "workflow/schemas/benchmarks.schema.yaml"
    if not schema.exists():
        raise UserError(f"{schema} is missing: this command works in a checkout of the project")
    return read_sheet(path, yaml.safe_load(schema.read_text(encoding="utf-8")))
