"""Writing files that are whole or not there."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clvmodels._files import whole_file
from clvmodels.exceptions import ParameterError

if TYPE_CHECKING:
    import pandas as pd

FORMATS: Final = (".parquet", ".csv", ".json")


def check_target(path: Path, formats: tuple[str, ...] = FORMATS) -> None:
    """Refuse, before any work is done, a file that could not be written at its end.

    Raises
    ------
    ParameterError
        If the name ends in no known format.
    OSError
        If its folder does not exist or cannot be written to, or the path is a folder.
    """
    if path.suffix not in formats:
        raise ParameterError(f"Cannot tell the format of {path}: end it in {' or '.join(formats)}.")
    if path.is_dir():
        raise IsADirectoryError(f"Cannot write {path}: it is a folder.")
    folder = path.parent
    if not folder.is_dir():
        raise NotADirectoryError(f"Cannot write {path}: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"Cannot write {path}: no permission to write to {folder}.")


def check_folder(path: Path) -> None:
    """Refuse, before any work is done, a folder that could not be made or written to at its end.

    Raises
    ------
    OSError
        If a file is in its place or its way, or there is no permission.
    """
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"Cannot write to the folder {path}: {there} is a file.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"Cannot write to {path}: no permission to write to {there}.")


def write_frame(frame: "pd.DataFrame", path: Path) -> None:
    """Write a table as Parquet, CSV or JSON (one object per row), by the ending of its name."""
    write: dict[str, Callable[[Path], object]] = {
        ".parquet": lambda file: frame.to_parquet(file, index=False),
        ".csv": lambda file: frame.to_csv(file, index=False),
        ".json": lambda file: frame.to_json(
            file, orient="records", date_format="iso", double_precision=15, indent=1
        ),
    }
    with whole_file(path) as file:
        write[path.suffix](file)


def write_text(text: str, path: Path) -> None:
    """Write a text as UTF-8."""
    with whole_file(path) as file:
        file.write_text(text, encoding="utf-8")
