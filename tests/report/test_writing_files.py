"""Files are whole or not there."""

import json
import os

import pandas as pd
import pytest

from clvmodels.exceptions import ParameterError
from clvmodels.report import files

FRAME = pd.DataFrame({"customer_id": ["a", "b"], "clv": [1.25, 0.1 + 0.2], "flags": ["", "x"]})


@pytest.mark.parametrize("suffix", files.FORMATS)
def test_tables_come_back_as_they_were(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    files.write_frame(FRAME, path)
    if suffix == ".parquet":
        back = pd.read_parquet(path)
    elif suffix == ".csv":
        back = pd.read_csv(path, keep_default_na=False)
    else:
        back = pd.DataFrame(json.loads(path.read_text()))
    assert back["customer_id"].tolist() == ["a", "b"]
    assert back["clv"].tolist() == pytest.approx(FRAME["clv"].tolist(), abs=1e-15)
    assert back["flags"].tolist() == ["", "x"]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_was_asked_of_a_prediction_stays_with_the_parquet_file(tmp_path):
    frame = FRAME.copy()
    frame.attrs["horizon"] = "12 months"
    files.write_frame(frame, tmp_path / "p.parquet")
    assert pd.read_parquet(tmp_path / "p.parquet").attrs["horizon"] == "12 months"


class Broken(pd.DataFrame):
    def to_csv(self, path, **_):
        path.write_text("half a")
        raise OSError("disk full")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        files.write_frame(Broken(FRAME), path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_files_are_readable_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_text("x", tmp_path / "page.html")
    finally:
        os.umask(before)
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o640


def test_targets_are_refused_before_the_work(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    files.check_target(tmp_path / "good.csv")
    with pytest.raises(ParameterError, match=r"end it in \.parquet or \.csv or \.json"):
        files.check_target(tmp_path / "table.xlsx")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        files.check_target(tmp_path / "folder.csv")
    with pytest.raises(NotADirectoryError, match="there is no folder"):
        files.check_target(tmp_path / "missing" / "table.csv")


def test_folders_are_refused_before_the_work(tmp_path):
    files.check_folder(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError, match="is a file"):
            files.check_folder(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_without_permission_are_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        files.check_target(tmp_path / "table.csv")
    with pytest.raises(PermissionError):
        files.check_folder(tmp_path / "new")
