from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_make_alone_lists_every_target_that_people_use() -> None:
    answer = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  ([a-z-]+) ", answer.stdout, re.MULTILINE))
    assert listed >= {"demo", "up", "test", "check", "bench", "lint", "types", "contracts", "format"}


def test_ci_runs_every_part_of_check() -> None:
    script = ROOT / ".ci" / "run"
    parts = re.search(r"^check: ([a-z ]+)  ##", MAKEFILE, re.MULTILINE)
    assert parts is not None
    assert os.access(script, os.X_OK)
    assert set(re.findall(r"[a-z]+", " ".join(re.findall(r"^make (.*)", script.read_text(), re.MULTILINE)))) == set(
        parts[1].split()
    )


def test_the_image_is_built_with_the_uv_that_the_makefile_installs() -> None:
    wanted = re.search(r"^UV_VERSION := (\S+)", MAKEFILE, re.MULTILINE)
    assert wanted is not None
    assert f"/uv:{wanted[1]} AS" in (ROOT / "Dockerfile").read_text()
