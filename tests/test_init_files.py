"""What `init` writes into a repository that has files of its own: what is lacking is added, every other line stays."""

from __future__ import annotations

import os
import subprocess
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from coderport import project as in_use
from coderport.project import foreign
from coderport.setup.beginning import Beginning, Choices
from coderport.setup.files import files_of, named, workflow_of
from coderport.setup.lines import IGNORED, gitignore, requirements
from coderport.setup.repository import default_branch
from coderport.stack.names import wrong_project_name, wrong_stack_name
from coderport.terminal import remedy

PIN = "coderport==7.8.9"


def pinned(folder: Path, text: str) -> tuple[str, str, str]:
    """What a file of that text becomes, what was replaced in it, and the advice."""
    file = folder / "requirements.txt"
    file.write_bytes(text.encode())
    found = requirements(file, PIN)
    return found.text, found.replaced, found.advice


def test_files_that_are_not_there_are_made_whole(tmp_path: Path) -> None:
    assert requirements(tmp_path / "requirements.txt", PIN).text == f"{PIN}\n"
    assert gitignore(tmp_path / ".gitignore").text == ".venv/\n.coderport/\n__pycache__/\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("flask==3\n", f"flask==3\n{PIN}\n"),
        ("flask==3", f"flask==3\n{PIN}\n"),
        ("flask==3\r\n", f"flask==3\r\n{PIN}\r\n"),
        ("# coderport==7.8.9\ncoderport-extras==1\n", f"# coderport==7.8.9\ncoderport-extras==1\n{PIN}\n"),
        ("not-coderport==1\n", f"not-coderport==1\n{PIN}\n"),
        *(
            (f"{line}\n", f"{line}\n{PIN}\n")
            for line in (
                "other @ git+https://github.com/acme/coderport.git",
                "-e ../coderport-extras",
                "# -e ../coderport",
                "--find-links ./coderport",
                "git+https://github.com/coderport/other.git@coderport",
                "git+https://github.com/acme/coderport.git#egg=other",
                "./coderport/other",
            )
        ),
    ],
)
def test_a_pin_is_added_to_what_is_there(tmp_path: Path, before: str, after: str) -> None:
    assert pinned(tmp_path, before) == (after, "", "")


@pytest.mark.parametrize(
    "text",
    [
        f"{PIN}\n", f"{PIN}", "coderport == 7.8.9  # ours\n", "Coderport==7.8.9 ; python_version > '3'\n",
        f"a==1\n{PIN} \\\n    --hash=sha256:00\n",
    ],
)  # fmt: skip
def test_a_pin_that_is_there_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    assert pinned(tmp_path, text) == (text, "", "")


@pytest.mark.parametrize(
    ("before", "after", "replaced"),
    [
        ("a==1\ncoderport==7.0\nb==2\n", f"a==1\n{PIN}\nb==2\n", "coderport==7.0"),
        ("coderport\nb==2", f"{PIN}\nb==2", "coderport"),
        ("coderport[s3] >= 7\n", f"{PIN}\n", "coderport[s3] >= 7"),
        *(
            (f"a==1\n{line}\n", f"a==1\n{PIN}\n", line)
            for line in (
                "git+https://github.com/acme/coderport.git@abc123",
                "git+https://github.com/acme/coderport@v1/x",
                "-e ../coderport",
                "--editable=./coderport/",
                "-e ../coderport[s3]",
                ".\\vendor\\coderport",
                "./wheels/coderport-1.0.0-py3-none-any.whl",
                "https://x.example.com/coderport-1.0.0.tar.gz?raw=1",
                "git+ssh://git@github.com/acme/port.git@v1#egg=coderport",
                "file:///srv/coderport",
                "git+https://github.com/acme/mono.git#subdirectory=tools/coderport",
            )
        ),
        ("\ufeffcoderport==7.0\nb==2\n", f"{PIN}\nb==2\n", "coderport==7.0"),
        ("coderport @ file:///x\r\nb\r\n", f"{PIN}\r\nb\r\n", "coderport @ file:///x"),
        ("coderport==1 \\\n  --hash=sha256:0\nb\n", f"{PIN}\nb\n", "coderport==1 --hash=sha256:0"),
    ],
)
def test_another_pin_is_the_one_line_that_would_be_replaced(
    tmp_path: Path, before: str, after: str, replaced: str
) -> None:
    assert pinned(tmp_path, before) == (after, replaced, "")


def test_a_file_with_hashes_is_left_to_who_makes_them(tmp_path: Path) -> None:
    text = "a==1 --hash=sha256:00\n"
    assert pinned(tmp_path, text)[:2] == (text, "") and PIN in pinned(tmp_path, text)[2]


def test_a_pin_in_an_included_file_counts(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("coderport==7.0\n")
    assert pinned(tmp_path, "-r base.txt\n") == ("-r base.txt\n", "", "")
    (tmp_path / "base.txt").write_text("-r requirements.txt\n")
    assert pinned(tmp_path, "-r base.txt\n")[0].endswith(f"\n{PIN}\n")


@pytest.mark.parametrize("text", ["", "dist/\n", "dist/", "/.venv\n", "dist/\r\n", "caf\udce9\n"])
def test_a_gitignore_keeps_its_lines_and_is_whole_once_and_for_all(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".gitignore"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    gitignore(file).write()
    now = file.read_bytes().decode("utf-8", "surrogateescape")
    assert now.startswith(text) and {each.strip("/") for each in now.splitlines()} >= {
        each.strip("/") for each in IGNORED
    }
    assert not gitignore(file).added
    assert ("\r\n" in text) == ("\r\n" in now) and "\n.venv" * (".venv" in text) in f"\n{now}".replace("/", "", 1)


def test_a_new_description_keeps_what_coderport_knows_nothing_of(tmp_path: Path) -> None:
    for file in files_of(tmp_path, "x"):
        file.write()
    there = tmp_path / "Pulumi.yaml"
    there.write_text(there.read_text().replace("description: ", "description: Not ") + "backend:\n  url: s3://ours\n")
    [description] = [each for each in files_of(tmp_path, "x") if each.path == there]
    assert description.differs
    description.write()
    assert yaml.safe_load(there.read_text())["backend"] == {"url": "s3://ours"}
    assert "Not " not in there.read_text().split("\n")[1] and foreign(tmp_path) == ""


@pytest.mark.parametrize("name", ["x", "our-catalog", "2026", "1.5", "true", "null", "A_b.c", "a" * 100])
def test_a_name_that_pulumi_takes_is_a_text_in_the_description(tmp_path: Path, name: str) -> None:
    assert wrong_project_name(name) == wrong_stack_name(name) == ""
    assert yaml.safe_load(named("name: x\nruntime: python\n", name)) == {"name": name, "runtime": "python"}


@pytest.mark.parametrize("name", ["", "bad name", "x: y", "a" * 101, "a/b/c/d", "ünï", "x\n", "a'b", "日本", "#x"])
def test_a_name_that_pulumi_does_not_take_is_told(name: str) -> None:
    assert wrong_project_name(name) and wrong_stack_name(name)


def test_a_stack_may_be_named_with_organization_and_project() -> None:
    assert wrong_stack_name("acme/dev") == wrong_stack_name("acme/catalog/dev") == ""
    assert wrong_project_name("acme/catalog") and wrong_stack_name("acme//dev") and wrong_stack_name("/dev")


def test_a_project_that_pulumi_never_took_gets_another_name_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_use, "_named", [])
    monkeypatch.setattr(remedy, "_common", [])
    for file in files_of(tmp_path, "x"):
        file.write()
    description = tmp_path / "Pulumi.yaml"
    whole = description.read_text()
    description.write_text(named(whole, "x").replace("name: x", "name: our portal"))
    said = StringIO()
    Beginning(Choices({}, name="good", yes=True), Console(file=said, width=400)).project(tmp_path)
    assert description.read_text() == whole.replace("name: x", "name: good") and "renamed  " in said.getvalue()
    Beginning(Choices({}, name="better", yes=True), Console(file=said, width=400)).project(tmp_path)
    assert yaml.safe_load(description.read_text())["name"] == "good", "a name that works is kept"
    assert f"kept     {description}" in said.getvalue()


class Repository:
    """A repository made with git, with no settings but its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
            monkeypatch.setenv(name, os.devnull)
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_CEILING_DIRECTORIES"):
            monkeypatch.delenv(name, raising=False)

    def git(self, *arguments: str) -> Repository:
        someone = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *someone, *arguments], cwd=self.folder, check=True, capture_output=True, timeout=120)
        return self

    def begun(self, branch: str) -> Repository:
        return self.git("init", "-q", "-b", branch).git("commit", "-q", "--allow-empty", "-m", "all")


def test_the_workflow_runs_on_the_default_branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_branch(tmp_path) == "main", "no repository"
    theirs = Repository(tmp_path / "theirs", monkeypatch).begun("develop")
    assert default_branch(theirs.folder) == "develop"
    ours = Repository(tmp_path / "ours", monkeypatch).git("clone", "-q", str(theirs.folder), ".")
    ours.git("checkout", "-q", "-b", "work/in-progress").git("branch", "main")
    assert default_branch(ours.folder) == "develop", "what the remote said counts before what is checked out"
    read = yaml.safe_load(workflow_of(ours.folder / "below", "dev").text)
    assert read[True]["push"] == {"branches": ["develop"]}
    older = Repository(tmp_path / "older", monkeypatch).begun("master").git("checkout", "-q", "-b", "work")
    assert default_branch(older.folder) == "master"
    fresh = Repository(tmp_path / "fresh", monkeypatch).git("init", "-q", "-b", "trunk")
    assert default_branch(fresh.folder) == "trunk"


def test_a_workflow_is_sound_whatever_folder_and_branch_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = 'a "b" c\\d é'
    repository = Repository(tmp_path / "theirs", monkeypatch).begun('release/1.0+"hot"!')
    read = yaml.safe_load(workflow_of(repository.folder / name, "dev").text)
    assert read[True]["push"]["branches"] == ['release/1.0\\+"hot"\\!']
    steps = [step for job in read["jobs"].values() for step in job["steps"]]
    assert {step.get("working-directory", name) for step in steps} == {name}


def test_a_workflow_for_a_stack_of_an_organization_names_its_files_by_the_stack_alone(tmp_path: Path) -> None:
    text = workflow_of(tmp_path, "acme/coder/prod").text
    assert "--stack acme/coder/prod" in text and "--html coderport-prod.html" in text
    assert "coderport-acme" not in text and "'prod-preview' || 'prod'" in text
