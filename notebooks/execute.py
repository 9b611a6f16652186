"""Execute the notebooks beside this file, in place: ``python notebooks/execute.py [name ...]``."""

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def execute(path: Path, **kernel: Any) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom and write what came out into it.

    What changes from run to run, or from machine to machine, is not kept: times, versions.

    Parameters
    ----------
    path : Path
        The notebook.
    **kernel
        For the kernel's process, such as ``env``.

    Raises
    ------
    CellExecutionError
        If a cell fails; the file stays as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", record_timing=False, coalesce_streams=True
    )
    client.execute(cwd=str(path.parent), **kernel)
    notebook.metadata = {"kernelspec": KERNEL}
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return notebook


if __name__ == "__main__":
    asked = sys.argv[1:]
    for notebook in sorted(HERE.glob("*.ipynb")):
        if not asked or notebook.stem in asked or notebook.name in asked:
            sys.stderr.write(f"{notebook.name}\n")
            execute(notebook)
