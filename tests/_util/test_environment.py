"""What is recorded of the machine and of the code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from evalharness._util import environment


@pytest.mark.parametrize("code", ["evalharness/_util/environment.py", "benchmarks/geneval/scorer.py"])
def test_a_commit_is_marked_if_files_other_than_reports_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    module, report = tmp_path / "evalharness" / "_util" / "environment.py", tmp_path / "reports" / "index.html"
    for file in {module, tmp_path / code, report}:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("as committed")
    monkeypatch.setattr(environment, "__file__", str(module))
    assert environment.git_commit() is None

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD")
    assert environment.git_commit() == commit
    report.write_text("of a run")
    assert environment.git_commit() == commit
    (tmp_path / code).write_text("changed")
    assert environment.git_commit() == f"{commit}+"
