"""TensorBoard event files from a session's tables; written after training, so that they can change nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from slm.errors import UserError

TABLES = {"train.csv": "train", "eval.csv": "eval", "timing.csv": "timing"}
"""Table of a session → prefix of its tags."""


def write_events(session_dirs: Sequence[Path], out: Path) -> None:
    """Write a folder of event files per session into `out`; the step is the frame, cells without a value are left out.

    Raises UserError for a session whose tables can't be read.
    """
    # Imported when it is asked for: most runs don't, and it takes a second.
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for folder in session_dirs:
        tables = {prefix: _read(folder / name) for name, prefix in TABLES.items()}
        # A time for each frame, as a viewer's axis of wall time wants it: seconds of training since 1970.
        seconds = dict(zip(tables["timing"]["frame"], tables["timing"]["wall_t"], strict=True))
        writer = EventFileWriter(str(out / folder.name))
        for prefix, table in tables.items():
            columns = [name for name in table.select_dtypes("number") if name not in ("frame", "wall_t")]
            for row in table.to_dict("records"):
                values = [
                    Summary.Value(tag=f"{prefix}/{name}", simple_value=row[name])
                    for name in columns
                    if not pd.isna(row[name])
                ]
                wall_time = float(seconds.get(row["frame"], 0.0))
                writer.add_event(Event(step=int(row["frame"]), wall_time=wall_time, summary=Summary(value=values)))
        writer.close()


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or unreadable: {error}") from error
