"""The home that the CLI gets for long runs: the person's own, without a place for a log."""

from __future__ import annotations

from pathlib import Path

from coderport.engine.home import without_log


def test_all_of_the_home_is_there_but_the_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "old.log").write_text("kept")
    (home / "credentials.json").write_text("{}")
    with without_log({"PULUMI_HOME": str(home), "OTHER": "as it was"}) as environment:
        given = Path(environment["PULUMI_HOME"])
        assert (given / "credentials.json").read_text() == "{}"
        assert (given / "logs").is_file()
        (given / "plugins" / "new").write_text("a plugin")
        assert environment["PULUMI_CREDENTIALS_PATH"] == str(home), "a renewed login is kept"
        assert environment["OTHER"] == "as it was"
    assert not given.exists()
    assert (home / "plugins" / "new").read_text() == "a plugin"
    assert (home / "logs" / "old.log").read_text() == "kept"


def test_credentials_that_are_elsewhere_stay_there(tmp_path: Path) -> None:
    with without_log({"PULUMI_HOME": str(tmp_path), "PULUMI_CREDENTIALS_PATH": "/elsewhere"}) as environment:
        assert environment["PULUMI_CREDENTIALS_PATH"] == "/elsewhere"


def test_where_there_can_be_no_home_the_environment_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = {"PULUMI_HOME": str(tmp_path / "file")}
    with without_log(given) as environment:
        assert environment == given
