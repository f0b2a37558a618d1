"""Mapping files for tests of what comes in: each tells an ERP nothing."""

from __future__ import annotations

from textwrap import indent

OUTBOUND = "\n".join(
    ["outbound:"]
    + [
        f"  {kind}: nothing"
        for kind in (
            "accepted",
            "refused",
            "reserved",
            "backordered",
            "amended",
            "shipped",
            "delivered",
            "cancelled",
            "returned",
        )
    ]
)

SHELF = """
format: 1
erp: shelf
about: A few documents behind HTTP.
settings: {address: url, key: secret, hook: secret, user: text}
doors:
  rest: {protocol: rest, address: "${settings.address}", headers: {X-Key: "${settings.key}"}, faults: rest}
faults:
  rest:
    - {when: status == 404, means: absent}
    - {when: status == 401, means: locked_out}
"""

POLL = """
every_s: 30
call: {door: rest, get: /docs, query: {since: "${since | at('UTC', '%Y-%m-%dT%H:%M:%SZ')}"}}
rows: answer.docs
id: ${row.id}
stamp: ${row.changed}
overlap_s: 120
still: (row.changed | time) >= since
sweep_s: 86400
"""

GIVES = "gives: [{when: true, nothing: It is only read.}]"


def shelf(inbound: str, *, kind: str = "orders") -> str:
    """Return a mapping for the little ERP, with what it says of one kind of documents."""
    return f"{SHELF}inbound:\n  {kind}:\n{indent(inbound.strip(), '    ')}\n{OUTBOUND}\n"


def polled(pages: str = "", *, poll: str = POLL, more: str = GIVES) -> str:
    """Return a mapping for the little ERP that polls orders."""
    paged = f"pages: {pages}" if pages else ""
    return shelf(f"poll:\n{indent(poll.strip(), '  ')}\n  {paged}\n{more.strip()}")
