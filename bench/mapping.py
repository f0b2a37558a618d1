"""What it costs to map an order of 500 lines, beside what its JSON costs to read and write."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Final

from adapters.erp.language.evaluating import Scope
from adapters.erp.language.trees import parse_tree
from adapters.erp.language.values import Value, from_json, to_json
from bench.report import Report

LINES: Final = 500
ROUNDS: Final = 40

ORDER: Final = parse_tree(
    {
        "order_no": "${row.number | key}",
        "ordered_at": "${row.ordered | time('Europe/Berlin')}",
        "ship_to": {"name": "${row.party.name}", "street": "${row.party.street | lines}", "city": "${row.party.city}"},
        "lines": {
            "each": "row.lines",
            "as": "line",
            "where": "line.type == 'line'",
            "into": {
                "line_no": "${line.id | numbered}",
                "sku": "${line.product.code}",
                "quantity": "${line.quantity | decimal(',') | text}",
                "uom": "${line.unit | table('units')}",
                "unit_price": {"amount": "${line.price | decimal(',') | text}", "currency": "${row.currency}"},
                "lot": "${line.lot}",
            },
        },
    },
    "",
)
TABLES: Final = {"units": {"ST": "EA", "KAR": "CASE"}}


def _order() -> Value:
    lines = [
        {
            "id": str(number + 1),
            "type": "line",
            "product": {"code": f"SKU-{number}"},
            "quantity": "2,50",
            "unit": "KAR",
            "price": "12,40",
        }
        for number in range(LINES)
    ]
    party = {"name": "Ida Holm", "street": "Kehrwieder 2\nHof", "city": "Hamburg"}
    return {"number": "SO-1", "ordered": "2026-11-20 14:03:00", "party": party, "currency": "EUR", "lines": lines}


def run(report: Report) -> None:
    """Print how long it takes to map one, and what of that its JSON would take anyhow."""
    content = to_json(_order())
    mapped_ms, json_ms = [], []
    for _ in range(ROUNDS):
        began = perf_counter()
        row = from_json(content)
        to_json(row)
        read = perf_counter()
        given = ORDER.render(Scope({"row": row}, TABLES))
        mapped_ms.append(1000 * (perf_counter() - read))
        json_ms.append(1000 * (read - began))
        assert isinstance(given, dict)
    mapped, usual = median(mapped_ms), median(json_ms)
    report.add_record(
        "map_500_lines", p50_ms=round(mapped, 1), p99_ms=round(max(mapped_ms), 1), ratio=round(mapped / usual, 2)
    )
