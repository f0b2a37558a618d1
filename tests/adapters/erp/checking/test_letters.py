from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from adapters.erp.files import FILE, folder, shipped
from tests.adapters.erp.checking import letters
from tests.adapters.erp.checking.letters import Change

REST = Path(__file__).parent / "rest"
"""A mapping of our own with an OpenAPI document, since none that comes along has one."""

MAPPINGS = {name: folder(name) for name in shipped()} | {"rest": REST}


def judged(changes: Iterable[Change], folder: Path) -> tuple[Counter[str], Counter[str], list[str]]:
    """Count all changes and those that were found, by class, and describe the others."""
    all_, found, missed = Counter[str](), Counter[str](), []
    for change in changes:
        all_[change.kind] += 1
        faults = letters.faults_of(change.text, folder)
        if letters.is_found(change, faults):
            found[change.kind] += 1
        else:
            missed.append(
                f"{change.kind}: {change.pointer} {change.old} -> {change.new}: {[str(x) for x in faults][:3]}"
            )
    return all_, found, missed


def told(name: str, all_: Counter[str], found: Counter[str]) -> None:
    sys.stdout.write(f"{name}: " + ", ".join(f"{kind} {found[kind]} of {all_[kind]}" for kind in sorted(all_)) + "\n")


def unjudged(folder: Path) -> set[str]:
    """Return the classes that nobody could know: a vendor's own headers, and what no contract describes."""
    has_contract = any(file.suffix in {".wsdl", ".yaml", ".json"} and file.name != FILE for file in folder.iterdir())
    open_ = set() if has_contract else {letters.BODY, letters.PARAMETER}
    return {letters.ROW, letters.HEADER, letters.OWN} | open_


@pytest.mark.parametrize("name", MAPPINGS)
def test_nothing_is_wrong_with_a_mapping_as_it_is(name: str) -> None:
    faults = letters.faults_of((MAPPINGS[name] / FILE).read_text(), MAPPINGS[name])
    if any(fault.why.startswith("there is no file examples/") for fault in faults):
        pytest.skip(f"the examples of {name} are missing")
    assert [str(fault) for fault in faults] == []


@pytest.mark.parametrize("name", MAPPINGS)
def test_each_key_with_a_letter_changed_is_found_where_it_stands(name: str) -> None:
    at = MAPPINGS[name]
    changes = [each for each in letters.keys((at / FILE).read_text()) if each.kind not in unjudged(at)]
    all_, found, missed = judged(changes, at)
    told(name, all_, found)
    assert missed == []
    assert {letters.FORMAT, letters.NAME, letters.TARGET} <= found.keys()


def test_each_word_of_a_path_with_a_letter_changed_is_found() -> None:
    all_, found, missed = judged(letters.paths((REST / FILE).read_text()), REST)
    told("rest", all_, found)
    assert missed == []
    assert found[letters.PATH] >= 10


@pytest.mark.parametrize("name", ["rest", "sandbox"])
def test_each_name_in_an_expression_with_a_letter_changed_is_found(name: str) -> None:
    at = MAPPINGS[name]
    all_, found, missed = judged(letters.inside((at / FILE).read_text()), at)
    told(name, all_, found)
    # What is in a fault's detail, the body of a push, and in faults of REST no contract says.
    assert [each for each in missed if "BusinessFault" not in each] == []
