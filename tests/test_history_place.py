"""A place where no records can be kept is a wrong setting, known before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_samples import SERVERS

from coderport.errors import SettingsError
from coderport.history.place import check_place
from coderport.settings import Settings, load_settings


def settings(place: str, **more: object) -> Settings:
    return load_settings({**SERVERS, "history": place, **more}, {}, stack="prod")


def refused(place: str, project: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        check_place(settings(place), project)
    assert raised.value.exit_code == 2
    text = str(raised.value)
    assert "config set --stack prod coderport:history .coderport/history" in text
    assert "config set --stack prod coderport:keepRuns 0" in text
    return text


@pytest.mark.parametrize("place", [".coderport/history", "deep/er/still", "file:///tmp/x", "~/history"])
def test_a_folder_that_can_be_made_is_well_and_is_not_made(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    check_place(settings(place), tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_file_in_its_place_or_on_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    assert f"{tmp_path}/there, and that is a file, not a folder" in refused("there", tmp_path)
    assert f"{tmp_path}/there is a file, not a folder" in refused("there/history", tmp_path)
    assert "and that is a file" in refused("/etc/passwd", tmp_path)


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    assert f"and this account may not write to {tmp_path}" in refused("x/history", tmp_path)
    check_place(settings("x/history"), tmp_path, writes=False)  # a preview may be made where nothing can be written


def test_a_bucket_whose_package_is_missing_is_told_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "s3://bucket/x, and that needs a package that is not installed (Install s3fs" in refused(
        "s3://bucket/x", tmp_path
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    check_place(settings("s3://bucket/x"), tmp_path)


def test_where_nothing_is_kept_no_place_is_needed(tmp_path: Path) -> None:
    check_place(settings("/etc/passwd", keepRuns=0), tmp_path)
