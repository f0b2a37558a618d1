from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledger.proving.signing import key_text
from runtime.embedded import stack
from runtime.errors import StartupError
from runtime.processes.clients import signing_key_of, trusted_keys_of
from runtime.settings import Settings

OLD, NEW = bytes(32), bytes(31) + b"1"


@pytest.mark.parametrize(("drawn", "name"), [(stack._checkpoint_key, "checkpoint"), (stack._sealing_keys, "sealing")])
def test_a_data_folder_keeps_its_key_to_itself(drawn: Callable[[Path], SecretStr], name: str, tmp_path: Path) -> None:
    first, second = drawn(tmp_path), drawn(tmp_path)

    assert first == second
    assert (tmp_path / f"{name}.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [f"{name}.key"]


def test_our_own_key_is_trusted_and_those_that_are_named() -> None:
    settings = Settings.load(checkpoint_key=key_text(NEW), checkpoint_trusted_keys=f" {key_text(OLD)}, ")
    own = signing_key_of(settings)

    assert own is not None
    assert trusted_keys_of(settings) == {own.public_key, OLD}
    assert trusted_keys_of(Settings.load(checkpoint_key=None)) == set()


@pytest.mark.parametrize("name", ["checkpoint_key", "checkpoint_trusted_keys"])
@pytest.mark.parametrize("text", ["no base64 at all", key_text(bytes(31))])
def test_a_key_that_is_none_is_refused_and_not_shown(name: str, text: str) -> None:
    with pytest.raises(StartupError, match=f"STOCKBRIDGE_{name.upper()}: .*a key is 32 bytes in base64") as refusal:
        Settings.load(**{name: text})

    assert text not in str(refusal.value)
