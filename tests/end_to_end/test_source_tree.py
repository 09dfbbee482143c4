"""A release describes its sources correctly, in any environment of git."""

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from oci.bundling.source_tree import LOCK_FILE, Commit, commit_of, read_files, read_sources, release_time
from runbook_lib.errors import RunbookError

TIME = datetime(2026, 11, 1, 10, 0, tzinfo=timezone.utc)
FILES = {
    "runbooks/one.py": "RUNBOOK = 1\n",
    "runbook_lib/a.py": "value = 1\nother = 2\n",
    "oci/bundling/loader.py": "SOURCES = {}\n",
    "oci/build.py": "steps = ()\n",
    LOCK_FILE: "a==1\n",
}


def git(tree: Path, *arguments: str, **environ: str) -> str:
    identity = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for who in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{who}_NAME": "a", f"GIT_{who}_EMAIL": "a@example.org"}
        identity[f"GIT_{who}_DATE"] = "2026-11-01T12:00:00+02:00"
    command = ["git", "-C", str(tree), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **identity, **environ}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(tree: Path, **files: str) -> None:
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(text.encode())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    write(folder, **FILES)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all")
    return folder


def seen(tree: Path) -> Commit:
    return commit_of(tree, read_files(tree))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(RunbookError) as caught:
        call()
    return caught.value.code


def test_a_clean_tree_is_its_commit(tree: Path) -> None:
    assert seen(tree) == Commit(git(tree, "rev-parse", "HEAD"), changed=False)
    assert release_time(tree, {}) == TIME


@pytest.mark.parametrize("how", ["changed", "ignored", "excluded", "user", "untracked", "assumed", "skipped", "gone"])
def test_what_no_commit_has_is_named_however_it_is_hidden(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = "runbooks/private.py"
    if how in ("changed", "assumed", "skipped", "gone"):
        file = "runbook_lib/a.py"
    if how in ("assumed", "skipped"):
        git(tree, "update-index", {"assumed": "--assume-unchanged", "skipped": "--skip-worktree"}[how], file)
    if how == "ignored":
        write(tree, **{".gitignore": "private.py\n"})
        git(tree, "add", ".gitignore")
        git(tree, "commit", "-qm", "ignore")
    if how == "excluded":
        (tree / ".git" / "info" / "exclude").write_text("private.py\n")
    if how == "user":
        (tmp_path / "ignored").write_text("*.py\n")
        settings = f"[core]\n\texcludesFile = {tmp_path / 'ignored'}\n[status]\n\tshowUntrackedFiles = no\n"
        (tmp_path / "home" / ".gitconfig").write_text(settings)
    if how == "gone":
        (tree / file).unlink()
    else:
        write(tree, **{file: "RUNBOOK = 2\n"})
    found = seen(tree)
    assert (found.changed, found.different) == (True, (file,))
    assert found.commit == git(tree, "rev-parse", "HEAD")


def test_line_ends_that_git_wrote_are_no_change_and_other_filters_are(tree: Path) -> None:
    text = FILES["runbook_lib/a.py"]
    write(tree, **{"runbook_lib/a.py": text.replace("\n", "\r\n")})
    git(tree, "config", "core.autocrlf", "true")
    assert not seen(tree).changed
    # The lock's bytes are named in the provenance.
    write(tree, **{LOCK_FILE: "a==1\r\n"})
    assert seen(tree).different == (LOCK_FILE,)
    write(tree, **{LOCK_FILE: FILES[LOCK_FILE], "runbook_lib/a.py": text.replace("1", "3")})
    # `git status` sees no change, because a filter restores the committed content.
    git(tree, "config", "filter.same.clean", "sed s/3/1/")
    (tree / ".git" / "info" / "attributes").write_text("*.py filter=same\n")
    git(tree, "add", "-u")
    assert git(tree, "status", "--porcelain") == ""
    assert seen(tree).different == ("runbook_lib/a.py",)


def test_a_replaced_object_is_not_the_commits(tree: Path) -> None:
    honest = git(tree, "rev-parse", "HEAD:runbook_lib/a.py")
    write(tree, **{"runbook_lib/a.py": "value = 9\n"})
    false = git(tree, "hash-object", "-w", "runbook_lib/a.py")
    git(tree, "replace", honest, false)
    assert seen(tree).different == ("runbook_lib/a.py",)
    git(tree, "replace", "-d", honest)
    (tree / "x").write_text("later\n")
    other = git(tree, "commit-tree", "HEAD^{tree}", "-m", "later", GIT_COMMITTER_DATE="2030-01-01T00:00:00Z")
    git(tree, "replace", "HEAD", other)
    assert release_time(tree, {}) == TIME


def test_the_environment_leads_to_no_other_clone(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    other = tmp_path / "other"
    write(other, **FILES)
    git(other, "init", "-q")
    git(other, "add", ".")
    git(other, "commit", "-qm", "other")
    write(tree, **{"runbook_lib/a.py": "value = 9\n"})
    git(other, "commit", "-q", "--allow-empty", "-m", "more")
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.worktree",
        "GIT_CONFIG_VALUE_0": str(other),
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
        "GIT_LITERAL_PATHSPECS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert seen(tree) == Commit(commit, changed=True, different=("runbook_lib/a.py",))


def test_settings_that_change_what_git_prints_change_nothing(tree: Path, tmp_path: Path) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in {
        "log.showSignature": "true",
        "gpg.format": "ssh",
        "user.signingkey": f"{key}.pub",
        "core.quotePath": "true",
        "core.worktree": str(tmp_path),
        "core.bare": "false",
        "core.abbrev": "4",
        "color.ui": "always",
        "status.relativePaths": "false",
    }.items():
        git(tree, "config", name, value)
    assert seen(tree) == Commit(commit, changed=False)
    git(tree, "commit", "-q", "--allow-empty", "-S", "-m", "signed")
    assert release_time(tree, {}) == TIME
    assert seen(tree).commit != commit


def test_whose_folder_it_is_does_not_matter(tree: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may give a folder to somebody else")
    commit = git(tree, "rev-parse", "HEAD")
    for path in (tree, *tree.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(subprocess.CalledProcessError):
        git(tree, "rev-parse", "HEAD")  # "detected dubious ownership"
    assert seen(tree) == Commit(commit, changed=False)
    assert release_time(tree, {}) == TIME


def test_other_forms_of_a_clone_are_clones(tree: Path, tmp_path: Path) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    git(tree, "worktree", "add", "-q", "--detach", str(tmp_path / "second"))
    assert seen(tmp_path / "second") == Commit(commit, changed=False)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{tree}", str(tmp_path / "shallow"))
    assert seen(tmp_path / "shallow") == Commit(commit, changed=False)
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tree), "inner")
    git(outer, "commit", "-qm", "outer")
    assert seen(outer / "inner") == Commit(commit, changed=False)
    shutil.rmtree(tree / ".git")
    assert seen(tree) == Commit("", changed=False)


def test_a_tree_without_a_commit_has_none(tree: Path) -> None:
    shutil.rmtree(tree / ".git")
    git(tree, "init", "-q")
    assert seen(tree) == Commit("", changed=False)
    assert code_of(lambda: release_time(tree, {})) == "VD-BUILD-008"


def test_an_error_of_git_is_not_taken_for_a_missing_clone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tree, "config", "core.repositoryFormatVersion", "99")
    assert code_of(lambda: seen(tree)) == "VD-BUILD-009"
    assert code_of(lambda: release_time(tree, {})) == "VD-BUILD-009"
    git(tree, "config", "-f", str(tree / ".git" / "config"), "core.repositoryFormatVersion", "0")
    assert not seen(tree).changed
    head = (tree / ".git" / "HEAD").read_text()
    (tree / ".git" / "HEAD").write_text("0" * 39 + "1\n")
    assert code_of(lambda: seen(tree)) == "VD-BUILD-009"
    (tree / ".git" / "HEAD").write_text(head)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RunbookError, match="there is no git on this machine") as caught:
        seen(tree)
    assert caught.value.code == "VD-BUILD-009"


@pytest.mark.parametrize(
    "seconds",
    ["-1", "+1", " 1", "1 ", "1_000", "1e9", "1.0", "0x1", "١٢", "253402300799", "9" * 5000, "today", "1\n"],
)
def test_a_time_that_is_no_number_of_seconds_is_refused(tmp_path: Path, seconds: str) -> None:
    with pytest.raises(RunbookError, match="SOURCE_DATE_EPOCH is") as caught:
        release_time(tmp_path, {"SOURCE_DATE_EPOCH": seconds})
    assert caught.value.code == "VD-BUILD-008"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(("seconds", "year"), [("0", 1970), ("1793527200", 2026), ("253000000000", 9987)])
def test_a_time_within_its_bounds_is_taken(tmp_path: Path, seconds: str, year: int) -> None:
    assert release_time(tmp_path, {"SOURCE_DATE_EPOCH": seconds}).year == year


@pytest.mark.parametrize("what", ["a file", "a folder", "the whole part", "a pipe", "a name"])
def test_a_source_that_is_no_plain_file_of_the_tree_is_refused(tree: Path, tmp_path: Path, what: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, **{"x.py": "RUNBOOK = 1\n"})
    if what == "a file":
        (tree / "runbooks" / "x.py").symlink_to(elsewhere / "x.py")
    elif what == "a folder":
        (tree / "runbook_lib" / "more").symlink_to(elsewhere)
    elif what == "the whole part":
        shutil.rmtree(tree / "runbooks")
        (tree / "runbooks").symlink_to(elsewhere)
    elif what == "a pipe":
        os.mkfifo(tree / "runbooks" / "x.py")
    else:
        write(tree, **{"runbooks/x\u00ad.py": "RUNBOOK = 1\n"})
    assert code_of(lambda: read_sources(tree)) == "VD-BUILD-002"
