from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.embedded import temporal_binary
from runtime.errors import StartupError


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the program, on which no download ends in time."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(temporal_binary, "DOWNLOAD_LIMIT_S", 0.0)
    return programs


def program(path: Path, body: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


async def test_the_one_on_path_is_used(bare_machine: Path) -> None:
    wanted = program(bare_machine / "temporal", "")
    assert await temporal_binary.find_or_get(print) == wanted


async def test_the_one_in_the_cache_is_used_next(tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "stockbridge" / "bin" / "temporal"
    cached.parent.mkdir(parents=True)
    program(cached, "")
    assert await temporal_binary.find_or_get(print) == cached


async def test_else_it_is_built_with_go_and_kept(bare_machine: Path, tmp_path: Path) -> None:
    program(
        bare_machine / "go",
        "import os, pathlib, sys\n"
        "assert sys.argv[1:] == ['install', 'github.com/temporalio/cli/cmd/temporal@v1.5.1'], sys.argv\n"
        "pathlib.Path(os.environ['GOBIN'], 'temporal').write_text('built')",
    )
    told: list[str] = []
    found = await temporal_binary.find_or_get(told.append)
    assert found == tmp_path / "cache" / "stockbridge" / "bin" / "temporal"
    assert found.read_text() == "built"
    assert any("Building the Temporal server" in line for line in told)
    assert temporal_binary.find() == found
    assert {path.name for path in found.parent.iterdir()} >= {"temporal"}
    assert not list(found.parent.glob("build-*")) + list(found.parent.glob("download-*"))


async def test_where_nothing_works_every_way_is_named(bare_machine: Path) -> None:
    program(bare_machine / "go", "raise SystemExit('no route to the proxy')")
    told: list[str] = []
    with pytest.raises(StartupError) as refusal:
        await temporal_binary.find_or_get(told.append)
    for way in ("TEMPORAL_ADDRESS", "PATH", "https://temporal.download", "go install"):
        assert way in str(refusal.value)
    assert any("no route to the proxy" in line for line in told)
