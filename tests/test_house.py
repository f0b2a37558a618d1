"""The house is what `ls` shows: its rooms stand at the top, and their names are ours alone."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from http import HTTPStatus
from importlib.metadata import packages_distributions
from pathlib import Path

from runtime.embedded import stack

ROOT = Path(__file__).parents[1]
INSTALLED = {
    "activities",
    "adapters",
    "api",
    "commands",
    "domain",
    "ledger",
    "migrations",
    "postgres",
    "queries",
    "records",
    "relay",
    "runtime",
    "sandbox",
    "workflows",
}
ROOMS = INSTALLED | {"bench", "tests"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_folders_of_code_at_the_top_are_the_rooms() -> None:
    folders = (path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    assert {folder.name for folder in folders if next(folder.rglob("*.py"), None)} == ROOMS


def test_every_room_is_installed_checked_and_in_the_image_but_those_that_are_for_us() -> None:
    tools = PROJECT["tool"]
    makefile = (ROOT / "Makefile").read_text()
    rooms = re.search(r"^ROOMS := (.+)$", makefile, re.MULTILINE)
    assert rooms is not None
    lists = {
        "wheel": tools["hatch"]["build"]["targets"]["wheel"]["packages"],
        "mypy": tools["mypy"]["packages"],
        "import-linter": tools["importlinter"]["root_packages"],
        "make": rooms[1].split(),
        "image": re.findall(r"^!([a-z]+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE),
    }
    assert lists == dict.fromkeys(lists, sorted(INSTALLED))


def test_every_room_is_a_package_and_goes_in_no_circles() -> None:
    assert {room for room in INSTALLED if not (ROOT / room / "__init__.py").exists()} == set()
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (acyclic,) = (contract for contract in contracts if contract["type"] == "acyclic_siblings")
    assert acyclic["ancestors"] == sorted(INSTALLED)


def test_no_room_may_be_imported_by_the_sandbox_and_only_the_wiring_imports_it() -> None:
    forbidden = [each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "forbidden"]
    ours, others = (contract for contract in forbidden if "sandbox" in contract["name"])
    assert (ours["source_modules"], ours["forbidden_modules"]) == (["sandbox"], sorted(INSTALLED - {"sandbox"}))
    assert others["source_modules"] == sorted(INSTALLED - {"sandbox", "runtime"})


def test_no_other_installed_distribution_provides_a_rooms_name() -> None:
    others = {
        name: provided for name, by in packages_distributions().items() if (provided := set(by) - {"stockbridge"})
    }
    assert {room: others[room] for room in ROOMS & others.keys()} == {}


BELOW_THE_DOOR = INSTALLED - {"api", "runtime", "sandbox"}
OF_PARTNERS = ("adapters/wire.py", "adapters/carriers/sandbox/mapping.py", "adapters/erp/transports/")
"""What reads the statuses of partners' answers."""
AS_WRITTEN = "domain/errors.py"
"""What says how rows and histories have a refusal's kind: by a number that once was its HTTP status."""
STATUSES = {each.value for each in HTTPStatus if each >= HTTPStatus.BAD_REQUEST} - {500}
"""500 lines are as many as a body may have, and the like: where it is a status, it is called so."""


def statuses_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module="http") | ast.Import(names=[ast.alias(name="http")]):
                yield f"{path.relative_to(ROOT)}:{node.lineno} imports http"
            case ast.Constant(value=int(number)) if number in STATUSES:
                yield f"{path.relative_to(ROOT)}:{node.lineno} names {number}"
            case ast.keyword(arg="status", value=ast.Constant(value=int(number))):
                yield f"{path.relative_to(ROOT)}:{node.lineno} has the status {number}"


def test_with_which_status_we_answer_only_the_door_says() -> None:
    modules = (path for room in BELOW_THE_DOOR for path in (ROOT / room).rglob("*.py"))
    asked = (path for path in modules if not path.relative_to(ROOT).as_posix().startswith((*OF_PARTNERS, AS_WRITTEN)))
    assert sorted(found for path in asked for found in statuses_in(path)) == []


def test_a_folder_named_like_a_room_where_somebody_starts_us_is_not_ours(tmp_path: Path) -> None:
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text("raise SystemExit('somebody else\\'s')")
    answer = subprocess.run(
        stack.own_command("--help", {}).argv, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
