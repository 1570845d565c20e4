"""Where a command is to write: mistakes are found before anything is computed."""

import tempfile
from pathlib import Path

from slm.errors import UserError


def check_folder(option: str, folder: Path) -> None:
    """Raise UserError where a folder can't be made, because one above it is a file, or can't be written to."""
    try:
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.is_dir():
            raise UserError(f"{option} {folder}: {nearest} is not a folder")
        with tempfile.TemporaryDirectory(dir=nearest):  # permissions don't tell of read-only and virtual file systems
            pass
    except OSError as error:
        raise UserError(f"{option} {folder}: can't be written to: {error.strerror}") from error


def check_file(option: str, file: Path) -> None:
    """Raise UserError where a file can't be written, because it is a folder or its folder can't be made."""
    if file.is_dir():
        raise UserError(f"{option} {file}: is a folder")
    check_folder(option, file.parent)
