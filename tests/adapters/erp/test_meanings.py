"""What an answer means, whatever came before it."""

from __future__ import annotations

from adapters.erp.engine.meanings import meant
from adapters.erp.language.evaluating import Budget, Scope
from adapters.erp.mapping.faults import FaultRow
from adapters.erp.transports.spoken import Spoken


def test_a_row_fits_though_the_rows_before_it_have_cost_more_than_one_answer_may() -> None:
    row = FaultRow.model_validate({"when": "body | has('no')", "means": "refused", "code": "erp_refused"})
    spent = Scope({}, {}, Budget(steps=0))
    spoken = Spoken("answer", 200, "no, said the ERP", "no", "text/plain")
    assert meant([row], spoken, spent, changes=False).means == "refused"


def test_an_answer_that_is_too_large_to_be_judged_is_not_fine() -> None:
    row = FaultRow.model_validate({"when": "(body | split(' ') | count) == 0", "means": "busy"})
    spoken = Spoken("answer", 200, "no " * 300_000, "no", "text/plain")
    assert meant([row], spoken, Scope({}, {}), changes=False).means == "not_understood"
