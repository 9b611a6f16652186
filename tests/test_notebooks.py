"""The notebooks: what is kept of them reads on the web, and they still run."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest

nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
RETAIL = "CLVMODELS_ONLINE_RETAIL"
MACHINE_PATH = re.compile(r"(?<![\w./:])/(?:home|root|tmp|usr|work|var|Users)/|[A-Z]:\\\\")


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook):
    """All that a reader sees: prose, code, and every form of the outputs."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from map(str, output.get("data", {}).values())


def test_there_are_seven():
    assert [name[:2] for name in NAMES] == [f"{number:02d}" for number in range(1, 8)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
class TestWhatIsKept:
    def test_it_is_a_valid_notebook(self, path):
        notebook = read(path)
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"

    def test_nothing_changes_from_machine_to_machine(self, path):
        notebook = read(path)
        assert set(notebook.metadata) == {"kernelspec"}
        assert not any(cell.metadata for cell in notebook.cells)

    def test_every_cell_was_executed_in_order(self, path):
        counts = [cell.execution_count for cell in code(read(path))]
        assert counts == list(range(1, len(counts) + 1))

    def test_no_error_and_nothing_on_stderr(self, path):
        outputs = [output for cell in code(read(path)) for output in cell.outputs]
        assert not [o for o in outputs if o.output_type == "error"]
        assert not [o.text for o in outputs if o.get("name") == "stderr"]

    def test_no_warning_and_no_path_of_a_machine(self, path):
        for text in texts(read(path)):
            assert "Warning" not in text
            assert not MACHINE_PATH.search(text), MACHINE_PATH.search(text)

    def test_it_has_pictures_and_is_small(self, path):
        outputs = [output for cell in code(read(path)) for output in cell.outputs]
        assert any("image/svg+xml" in output.get("data", {}) for output in outputs)
        assert path.stat().st_size < 500_000

    def test_links_to_other_notebooks_lead_somewhere(self, path):
        for target in re.findall(r"\]\((\w[\w.]*\.ipynb)\)", "\n".join(texts(read(path)))):
            assert (path.parent / target).is_file(), target

    def test_the_index_names_it(self, path):
        assert f"({path.name})" in (path.parent / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_runs(path, tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("sklearn")
    copy(path, tmp_path)
    copy(path.with_name("execute.py"), tmp_path)
    env = {key: value for key, value in os.environ.items() if key != RETAIL}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])
    env["IPYTHONDIR"] = str(tmp_path / "ipython")  # nobody's own profile
    command = [sys.executable, "execute.py"]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    cells = code(read(tmp_path / path.name))
    said = [o.text for cell in cells for o in cell.outputs if o.get("name") == "stderr"]
    assert said == []
