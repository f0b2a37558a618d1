from __future__ import annotations

from pathlib import Path

import pytest

from adapters.erp.checking.check import check
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.files import FILE, folder
from adapters.erp.mapping.file import load
from tests.adapters.erp.checking import letters

REST = Path(__file__).parent / "rest"
SOAP = folder("sandbox")


def told(at: Path, *changes: tuple[str, str]) -> list[str]:
    """Return what is wrong with a mapping once its text is changed, each as its pointer and why."""
    text = (at / FILE).read_text()
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return [f"{fault.pointer}: {fault.why}" for fault in letters.faults_of(text, Bundle.from_folder(at))]


def has(faults: list[str], pointer: str, why: str) -> bool:
    return any(fault.startswith(f"{pointer}: ") and why in fault for fault in faults)


RULES = [
    # names
    ("faults: codes", "faults: coded", "/doors/api/faults", "there is no table of faults `coded`: is it `codes`?"),
    (
        "get: /shipments\n    query",
        "method: shipments\n    send",
        "/calls/shipment/method",
        "speaks rest: it takes a verb",
    ),
    (
        "call: shipment\n",
        "call: shipments\n",
        "/outbound/shipped/2/call",
        "there is no call `shipments`: is it `shipment`?",
    ),
    ('{id: "${id}"}', '{id: "${id}", no: "${id}"}', "/inbound/orders/fetch/0/with/no", "doesn't use `no`"),
    ('with: {id: "${id}"}', "with: {}", "/inbound/orders/fetch/0", "the call `order` needs `id`"),
    (
        "table('units')",
        "table('unit')",
        "/inbound/orders/gives/0/order/lines/into/uom",
        "no table `unit`: is it `units`?",
    ),
    ("untable('carriers')", "cut(3)", "/tables/carriers", "nothing uses this table"),
    ("zone: time_zone}", "zone: time_zone, more: text}", "/settings/more", "nothing uses this setting"),
    ("rows: {shape: rows}", "rows: []", "/shapes/rows", "nothing uses this shape"),
    ('let: {mark: "', 'let: {odd: a, mark: "', "/doors/api/let/odd", "nothing uses `odd`"),
    (
        "keep: {token: answer.token}",
        "keep: {token: answer.token, odd: answer.token}",
        "/doors/api/session/keep/odd",
        "nothing",
    ),
    (
        "keep: {shipment: answer}",
        "keep: {shipment: answer, odd: answer}",
        "/outbound/shipped/4/keep/odd",
        "nothing behind",
    ),
    (
        "- document_no: ${shipment.number}",
        "- {look: odd, call: order, with: {id: a}}\n    - document_no: ${shipment.number}",
        "/outbound/shipped/7/look",
        "nothing behind it uses `odd`",
    ),
    # roots in scope
    ("status == 401", "statis == 401", "/faults/codes/0/when", "there is no `statis` here: is it `status`?"),
    ("address: ${settings.base}", "address: ${session.token}", "/doors/api/address", "there is no `session` here"),
    ("${message.order_no}: ", "${message.order_nr}: ", "/outbound/refused/attention", "is it `order_no`?"),
    ("message.lines, as: line", "message.lnes, as: line", "/shapes/rows/each", "is it `lines`?"),
    ('"${line.line_no}"', '"${line.line_nr}"', "/shapes/rows/into/position", "is it `line_no`?"),
    (
        "parcels | all('tracking_number')",
        "parcels | all('tracking')",
        "/outbound/shipped/4/call/send/tracking/then",
        "is it `tracking_number`?",
    ),
    ('get: "/orders/${given.id}"', 'get: "/orders/${id}"', "/calls/order/get", "there is no `id` here"),
    ("rows: answer\n      id", "rows: row\n      id", "/inbound/orders/poll/rows", "there is no `row` here"),
    ("when: order.state in", "when: row.state in", "/inbound/orders/gives/0/when", "there is no `row` here"),
    (
        "unless: shipment is there\n      absent",
        "unless: later is there\n      absent",
        "/outbound/shipped/3/unless",
        "there is no `later`",
    ),
    # what the contract has
    (
        "answer.articles",
        "answer.artikles",
        "/inbound/products/poll/rows",
        "there is no `artikles` in `answer`: is it `articles`?",
    ),
    (
        "order.address.zip",
        "order.address.code",
        "/inbound/orders/gives/0/order/ship_to/postal_code",
        "there are country, name",
    ),
    ("each: order.positions", "each: order.address", "/inbound/orders/gives/0/order/lines/each", "takes a list"),
    ("get: /articles", "get: /artikles", "/inbound/products/poll/call/get", "did you mean /articles?"),
    ('/close"', '/shut"', "/outbound/shipped/5/call/post", "did you mean"),
    ("size: limit", "size: limits", "/inbound/orders/poll/pages/size", "has no parameter `limits`: is it `limit`?"),
    ('{changed_since: "1970", filter', "{filter", "/outbound/shipped/3/call", "`changed_since` is missing"),
    (
        "order_id: ${order.id}",
        "order_id: ${order.number}",
        "/outbound/shipped/4/call/send/order_id",
        "a text, and a number is taken here",
    ),
    (
        "openapi: openapi.yaml",
        "openapi: openapi.yml",
        "/doors/api/openapi",
        "isn't in the bundle: is it `openapi.yaml`?",
    ),
    # what the hub takes
    ("          carrier: ups\n", "", "/inbound/orders/gives/0/order", "`carrier` is missing"),
    (
        "service_level: ground",
        "service_level: ground\n          shortage_policy: none",
        "/inbound/orders/gives/0/order/shortage_policy",
        "it can't be 'none' here: there are backorder",
    ),
    (
        "line_no: ${position.no}",
        "line_no: 1",
        "/inbound/orders/gives/0/order/lines/into/line_no",
        "what stands in a file is text",
    ),
    ("made_at: ${'2026-01-01T00:00:00Z' | time}", "made_at: now", "/recall/into/made_at", "a time is taken here"),
    ("product: {sku", "cancel: {sku", "/inbound/products/gives/0/cancel", "products give no cancel"),
    # kinds
    ("status == 404", "status == '404'", "/faults/codes/1/when", "a number is compared with a text"),
    ("order.state == 'dead'", "order.state", "/inbound/orders/gives/1/when", "a condition gives yes/no"),
    (
        "order.address.country | upper",
        "order.positions | upper",
        "/inbound/orders/gives/0/order/ship_to/country",
        "takes a text",
    ),
    ("order.state == 'dead'", "(order.state | cut('1')) == 'dead'", "/inbound/orders/gives/1/when", "characters"),
    ("when: status == 401", "when: kind == 'falt'", "/faults/codes/0/when", "it is never 'falt': is it `fault`?"),
    # secrets
    ("base: url", "base: secret", "/doors/api/address", "is secret"),
    ("note: ${order.remark}", "note: ${settings.password}", "/inbound/orders/gives/0/order/note", "is secret"),
    (
        "site: ${settings.site}",
        "site: ${settings | json}",
        "/inbound/orders/gives/0/order/site",
        "name one of the settings",
    ),
    ("secret: hook", "secret: user", "/inbound/orders/push/secret", "isn't secret, but text"),
    # filters
    (
        "${given.reference | quoted('odata')}",
        "${given.reference}",
        "/calls/shipment/query/filter",
        "needs `| quoted('...')`",
    ),
    (
        "message.order_no | unkey | quoted('odata')",
        "message.order_no | unkey",
        "/outbound/shipped/3/call/query/filter",
        "needs `| quoted",
    ),
    # steps
    (
        "    - document_no: ${made.number}",
        "    - {look: made, call: order, with: {id: a}, confirm: made is there}",
        "/outbound/cancelled",
        "it has no end",
    ),
    (
        "    - attention: Look whether it is there.",
        "    - attention: Look.\n    - document_no: a",
        "/outbound/returned/2",
        "nothing comes here",
    ),
    (
        "unless: shipment.state == 'closed'",
        "unless: message.revision == 1",
        "/outbound/shipped/5/unless",
        "it speaks of nothing",
    ),
    (
        'with: {reference: "${message.reference}"}',
        'with: {reference: "${message.order_no}"}',
        "/outbound/shipped/4/unless",
        "isn't found again",
    ),
    (
        "unless: shipment is there\n      call",
        "attention: true\n      call",
        "/outbound/shipped/4/attention",
        "is found by our reference",
    ),
    ("status == 404, means: absent", "kind == 'fault', means: fine", "/faults/codes/1/means", "a fault is never fine"),
    # trees
    ("as: line, into", "as: line, intu", "/shapes/rows/intu", "is `into` meant?"),
    # golden examples
    (
        "name: ${order.address.name}",
        "name: ${order.address.town}",
        "/inbound/orders/gives/0/order/ship_to/name",
        'gives "Bonn" at /ship_to/name, where order-given.json has "Ada"',
    ),
    ("given: order.json", "given: oder.json", "/examples/0/given", "there is no file oder.json: is it `order.json`?"),
]


@pytest.mark.parametrize(("old", "new", "pointer", "why"), RULES)
def test_it_is_found(old: str, new: str, pointer: str, why: str) -> None:
    faults = told(REST, (old, new))
    assert has(faults, pointer, why), faults


SOAP_RULES = [
    (
        "operation: ReportReturn",
        "operation: ReportReturns",
        "/outbound/returned/1/call/operation",
        "is it `ReportReturn`?",
    ),
    ("          OrderNo: ${message.order_no}\n", "", "/outbound/accepted/1/call/send", "`OrderNo` is missing"),
    ('User: "${settings.user}", ', "", "/doors/orders/always/Credentials", "`User` is missing"),
    ("body.ResultCode == '0'", "body.ResultCode == 0", "/faults/orders/0/when", "a text is compared with a number"),
    ("answer.Documents.Document |", "answer.Documents |", "/calls/document/expect", "`where` takes a list, and"),
    ("sorted('CreatedAt')", "sorted('Created')", "/calls/document/take", "is it `CreatedAt`?"),
    (
        "row.Lines.Line\n",
        "row.Lines.Sku\n",
        "/recall/into/lines/each",
        "there is no `Sku` in `row.Lines`: there are Line",
    ),
    (
        "revision: ${row.Revision | whole}",
        "revision: ${row.Revision}",
        "/recall/into/revision",
        "a text, and a number is taken",
    ),
    ("wsdl: contract.wsdl", "wsdl: contrakt.wsdl", "/doors/orders/wsdl", "is it `contract.wsdl`?"),
    (
        "wsdl: contract.wsdl",
        "wsdl: contract.wsdl\n    binding: Other",
        "/doors/orders/binding",
        "no SOAP 1.1 binding Other",
    ),
]


@pytest.mark.parametrize(("old", "new", "pointer", "why"), SOAP_RULES)
def test_it_is_found_by_a_wsdl(old: str, new: str, pointer: str, why: str) -> None:
    faults = told(SOAP, (old, new))
    assert has(faults, pointer, why), faults


def test_all_faults_come_at_once_in_the_order_of_the_file() -> None:
    text = (
        (REST / FILE).read_text().replace("status == 404", "statis == 404").replace("get: /articles", "get: /artikles")
    )
    faults = letters.faults_of(text.replace("base: url", "base: secret"), Bundle.from_folder(REST))
    assert [fault.pointer for fault in faults][:2] == ["/doors/api/address", "/faults/codes/1/when"]
    assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)
    assert text.splitlines()[faults[1].line - 1].strip().startswith("- {when: statis")


def test_what_a_shape_holds_is_told_where_it_is_written_and_once() -> None:
    faults = told(SOAP, ("LineNo: ${line.line_no}", "LineNo: ${line.line_nr}"))
    assert [fault.partition(":")[0] for fault in faults] == ["/shapes/lines/Line/into/LineNo"]


def test_a_transition_of_what_was_found_in_any_way_needs_no_trace() -> None:
    change = ('with: {reference: "${message.reference}"}', 'with: {reference: "${message.order_no}"}')
    assert not has(told(REST, change), "/outbound/shipped/5/unless", "isn't found again")


def test_a_session_may_stand_in_a_path_and_a_secret_may_not() -> None:
    text = (REST / FILE).read_text()
    rpc = text.replace("protocol: rest\n    openapi: openapi.yaml", "protocol: json_rpc\n    path: /${session.token}")
    rpc = rpc.replace("    lists: comma\n    media: [application/json]\n", "")
    paths = [fault for fault in letters.faults_of(rpc, Bundle.from_folder(REST)) if fault.pointer == "/doors/api/path"]
    assert paths == []
    worse = rpc.replace("/${session.token}", "/${mark}")
    assert any(fault.pointer == "/doors/api/path" for fault in letters.faults_of(worse, Bundle.from_folder(REST)))


def test_examples_may_come_apart_from_the_bundle() -> None:
    loaded = load((REST / FILE).read_text())
    bundle = Bundle({"openapi.yaml": (REST / "openapi.yaml").read_bytes()})
    examples = {name: (REST / name).read_bytes() for name in ("order.json", "order-given.json")}
    assert check(loaded, bundle, examples) == []
    assert [fault.pointer for fault in check(loaded, bundle)] == ["/examples/0/given", "/examples/0/gives"]


def test_each_way_to_ask_by_our_reference_is_judged_where_it_stands() -> None:
    text = (REST / FILE).read_text()
    asked = text[text.index("recall:\n") : text.index("\nexamples:")]
    way = asked.removeprefix("recall:\n  ").rstrip().replace("\n", "\n  ")
    twice = f"recall:\n  - {way}\n  - {way.replace('rows: answer', 'rows: answers')}\n"
    faults = told(REST, (asked, twice))
    assert has(faults, "/recall/1/rows", "answers")
    assert not any(fault.startswith("/recall/0") for fault in faults)
