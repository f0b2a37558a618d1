from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.erp.files import FILE, folder
from runtime.cli import command_line


def copied(to: Path, old: str = "", new: str = "") -> Path:
    sandbox = folder("sandbox")
    to.mkdir()
    (to / "contract.wsdl").write_bytes((sandbox / "contract.wsdl").read_bytes())
    text = (sandbox / FILE).read_text()
    assert old in text
    (to / FILE).write_text(text.replace(old, new, 1))
    return to


def test_a_mapping_that_comes_along_is_checked_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(["erp", "check", "sandbox"]) == 0
    assert capsys.readouterr().out == f"{folder('sandbox') / FILE}: nothing is wrong with it\n"


def test_each_fault_is_a_line_with_its_place_and_makes_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = copied(tmp_path / "erp", "operation: ReportReturn", "operation: [ReportReturn]") / FILE
    assert command_line.run(["erp", "check", str(at.parent)]) == 1
    assert capsys.readouterr().out.startswith(f"{at}:")
    at = copied(tmp_path / "other", "Sku: ${line.sku}", "Sku: ${line.skuu}") / FILE
    assert command_line.run(["erp", "check", str(at)]) == 1
    line = 1 + (at.read_text().splitlines()).index("        Sku: ${line.skuu}")
    assert capsys.readouterr().out == (
        f"{at}:{line} /shapes/lines/Line/into/Sku: `line.skuu`: there is no `skuu` in `line`: is it `sku`?\n"
    )


def test_a_bundle_may_lie_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = copied(tmp_path / "erp")
    (at / "contract.wsdl").rename(tmp_path / "contract.wsdl")
    assert command_line.run(["erp", "check", str(at)]) == 1
    assert "/doors/orders/wsdl: contract.wsdl isn't in the bundle" in capsys.readouterr().out
    assert command_line.run(["erp", "check", str(at), "--bundle", str(tmp_path)]) == 0


def test_what_is_no_mapping_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "odd.yaml"
    odd.write_bytes(b"\xff")
    assert command_line.run(["erp", "check", str(odd)]) == 1
    assert capsys.readouterr().out == f"{odd}:1 /: it isn't UTF-8\n"
    assert command_line.run(["erp", "check", "nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(["erp", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"]
