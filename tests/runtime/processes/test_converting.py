"""With a payload key, what Temporal keeps of a failure is encrypted as payloads are."""

from __future__ import annotations

from typing import Final

import pytest
from pydantic import SecretStr
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from ledger.proving.signing import key_text
from runtime.processes.clients import converter_of
from runtime.settings import Settings

WORDS: Final = "The carrier does not deliver to the country"
SETTINGS: Final = Settings(payload_key=SecretStr(key_text(b"0" * 32)))


def failed() -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        raise ApplicationError(WORDS, {"code": WORDS}) from ValueError(WORDS)
    return raised.value


async def test_the_words_the_trace_and_the_causes_of_a_failure_are_encrypted() -> None:
    failure = Failure()
    await converter_of(SETTINGS).encode_failure(failed(), failure)
    kept = failure.SerializeToString()
    assert WORDS.encode() not in kept
    assert b"test_converting.py" not in kept


async def test_a_failure_is_read_as_it_was_and_so_is_one_from_before_there_was_a_key() -> None:
    for given in (SETTINGS, Settings()):
        failure = Failure()
        await converter_of(given).encode_failure(failed(), failure)
        read = await converter_of(SETTINGS).decode_failure(failure)
        assert isinstance(read, ApplicationError)
        assert (read.message, read.details) == (WORDS, ({"code": WORDS},))
