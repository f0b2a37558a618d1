from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from adapters.erp.contracts.bundle import Bundle
from adapters.erp.files import FILE, folder, shipped
from tests.adapters.erp.checking import letters
from tests.adapters.erp.checking.letters import Change

REST = Path(__file__).parent / "rest"
"""A mapping of our own with an OpenAPI document, since none that comes along has one."""

THEIRS = {"dolibarr": Path(__file__).parents[5] / "shared" / "contracts" / "wsdl" / "dolibarr-24"}
"""Contracts that are a vendor's own, which a connection brings."""

WITHOUT_BODIES = {"dolibarr"}
"""Whose OpenAPI has a body of no known shape for every call."""

MAPPINGS = {name: folder(name) for name in shipped()} | {"rest": REST}


def bundle_of(name: str) -> Bundle:
    """Return a mapping's contracts and examples."""
    theirs = THEIRS.get(name)
    if theirs is not None and not theirs.is_dir():
        pytest.skip(f"{theirs} is missing: the real contracts aren't shipped with the project")
    files = dict(Bundle.from_folder(MAPPINGS[name]).files)
    return Bundle(files if theirs is None else {**files, **Bundle.from_folder(theirs).files})


def judged(changes: Iterable[Change], bundle: Bundle) -> tuple[Counter[str], Counter[str], list[str]]:
    """Count all changes and those that were found, by class, and describe the others."""
    all_, found, missed = Counter[str](), Counter[str](), []
    for change in changes:
        all_[change.kind] += 1
        faults = letters.faults_of(change.text, bundle)
        if letters.is_found(change, faults):
            found[change.kind] += 1
        else:
            missed.append(
                f"{change.kind}: {change.pointer} {change.old} -> {change.new}: {[str(x) for x in faults][:3]}"
            )
    return all_, found, missed


def told(name: str, all_: Counter[str], found: Counter[str]) -> None:
    sys.stdout.write(f"{name}: " + ", ".join(f"{kind} {found[kind]} of {all_[kind]}" for kind in sorted(all_)) + "\n")


def unjudged(name: str, bundle: Bundle) -> set[str]:
    """Return the classes that nobody could know: a vendor's own headers, and what no contract describes."""
    has_contract = any(file.endswith((".wsdl", "openapi.yaml", "swagger.json")) for file in bundle.files)
    open_ = set() if has_contract else {letters.BODY, letters.PARAMETER}
    open_ |= {letters.BODY} if name in WITHOUT_BODIES else set()
    return {letters.ROW, letters.HEADER, letters.OWN} | open_


@pytest.mark.parametrize("name", MAPPINGS)
def test_nothing_is_wrong_with_a_mapping_as_it_is(name: str) -> None:
    faults = letters.faults_of((MAPPINGS[name] / FILE).read_text(), bundle_of(name))
    if any(fault.why.startswith("there is no file examples/") for fault in faults):
        pytest.skip(f"the examples of {name} are missing")
    assert [str(fault) for fault in faults] == []


@pytest.mark.parametrize("name", MAPPINGS)
def test_each_key_with_a_letter_changed_is_found_where_it_stands(name: str) -> None:
    bundle = bundle_of(name)
    changes = [
        each for each in letters.keys((MAPPINGS[name] / FILE).read_text()) if each.kind not in unjudged(name, bundle)
    ]
    all_, found, missed = judged(changes, bundle)
    told(name, all_, found)
    assert missed == []
    assert {letters.FORMAT, letters.NAME, letters.TARGET} <= found.keys()


def test_each_word_of_a_path_with_a_letter_changed_is_found() -> None:
    all_, found, missed = judged(letters.paths((REST / FILE).read_text()), bundle_of("rest"))
    told("rest", all_, found)
    assert missed == []
    assert found[letters.PATH] >= 10


_UNSAID = ("BusinessFault", "Code ->", "Message ->", "Busy ->", "Authentication ->", "message ->", "event ->", " id ->")
"""What is in a fault's detail or in a push no contract says, nor which codes there are."""


@pytest.mark.parametrize("name", ["rest", "sandbox"])
def test_each_name_in_an_expression_with_a_letter_changed_is_found(name: str) -> None:
    all_, found, missed = judged(letters.inside((MAPPINGS[name] / FILE).read_text()), bundle_of(name))
    told(name, all_, found)
    assert [each for each in missed if not any(word in each for word in _UNSAID)] == []
