"""Random stories against the real ledger and an independent model; everything is compared after every step."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

import pytest

from ledger.verifying.verification import verify
from runtime.embedded.servers import BackingServices

from .stories import tell

STORIES = int(os.environ.get("STOCKBRIDGE_STORIES", "0"))
"""How many random stories are told, other ones each time; 0 for those that the seed chooses."""
USUAL = 200
CHAPTER = 200
PROCESSES = 2


def test_the_ledger_does_what_an_independent_model_says(
    database: BackingServices, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    stories = STORIES or USUAL
    chapters = [min(CHAPTER, stories - told) for told in range(0, stories, CHAPTER)]
    dice = random.Random(None if STORIES else seed)
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as processes:
        telling = {processes.submit(tell, database.database_url, dice.randrange(2**32), n): n for n in chapters}
        told = 0
        try:
            for chapter in as_completed(telling):
                chapter.result()
                told += telling[chapter]
                if STORIES:
                    with capsys.disabled():
                        sys.stdout.write(f"  {told:,} of {stories:,} stories told\n")
        except BaseException:
            processes.shutdown(cancel_futures=True)
            raise
    assert verify(database.database_url).findings == []
