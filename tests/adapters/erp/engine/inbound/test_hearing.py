"""An ERP's own calls: let in by what they prove, before anything in them is read, and then no more than a hint."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.mapping.file import BadMapping, load
from adapters.erp.port import Hint
from domain.errors import Kind, Rejected
from tests.adapters.erp.connected import connected
from tests.adapters.erp.engine.inbound.conftest import HOOK
from tests.adapters.erp.engine.inbound.mappings import GIVES, shelf
from tests.adapters.erp.engine.inbound.shelf import KEY

Reach = Callable[[str], MappedErp]
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
BODY = b'{"event": "changed", "object": {"id": 5}}'
BOMB = b'{"a":' * 500_000
FETCH = 'fetch: [{look: order, call: {door: rest, get: "/docs/${id}"}}]'
HEADER = "secret_in: header, header: X-Hook-Secret"
SIGNED = "secret_in: hmac, header: X-Signature"


def pushed(way: str, more: str = "") -> str:
    push = f"{{secret: hook, {way}, when: body.event == 'changed', id: \"${{body.object.id}}\", settle_s: 3{more}}}"
    return shelf(f"push: {push}\n{FETCH}\n{GIVES}")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def signature(body: bytes, secret: str = HOOK, *, algorithm: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), body, algorithm).digest()


def hint(erp: MappedErp, headers: dict[str, str], body: bytes = BODY, path: str | None = None) -> Hint | None:
    return erp.heard(headers, body, path, now=NOW)


def refused(erp: MappedErp, headers: dict[str, str], body: bytes = BODY, path: str | None = None) -> bool:
    """Say whether a call is turned away as unproven; its words tell nothing of the secret."""
    with pytest.raises(Rejected) as refusal:
        hint(erp, headers, body, path)
    assert HOOK not in str(refusal.value)
    return refusal.value.kind is Kind.UNPROVEN


def test_a_secret_in_the_path_lets_it_in(reach: Reach) -> None:
    erp = reach(pushed("secret_in: path"))
    assert hint(erp, {}, path=HOOK) == Hint("orders", "5", 3)
    for wrong in (None, "", HOOK[:-1], HOOK + "x", HOOK.upper(), KEY, "\ud800", "ü"):
        assert refused(erp, {}, path=wrong)
    assert refused(erp, {"X-Hook-Secret": HOOK})


def test_a_secret_in_a_header_lets_it_in(reach: Reach) -> None:
    erp = reach(pushed(HEADER))
    assert hint(erp, {"x-hook-SECRET": HOOK}) == Hint("orders", "5", 3)
    for wrong in ({}, {"X-Hook-Secret": ""}, {"X-Hook-Secret": HOOK[:-1]}, {"X-Other": HOOK}):
        assert refused(erp, wrong)
    assert refused(erp, {}, path=HOOK)


def test_a_password_lets_it_in(reach: Reach) -> None:
    anybody, one = reach(pushed("secret_in: basic")), reach(pushed('secret_in: basic, user: "${settings.user}"'))
    assert hint(anybody, basic("whoever", HOOK)) == hint(one, basic("erp", HOOK)) == Hint("orders", "5", 3)
    assert refused(one, basic("whoever", HOOK))
    odd = ["Basic", "Basic ????", "Basic ü", "Bearer " + HOOK, "Basic " + b64encode(b"\xff:\xff").decode(), ""]
    for wrong in (basic("erp", HOOK[:-1]), basic("erp", ""), *({"Authorization": each} for each in odd), {}):
        assert refused(one, wrong)


@pytest.mark.parametrize(
    ("how", "made"),
    [
        ("", signature(BODY).hex()),
        ("", signature(BODY).hex().upper()),
        (", signed: {prefix: sha256=}", f"sha256={signature(BODY).hex()}"),
        (", signed: {written: base64}", b64encode(signature(BODY)).decode()),
        (", signed: {algorithm: sha512}", signature(BODY, algorithm="sha512").hex()),
    ],
)
def test_a_signature_over_the_raw_body_lets_it_in(reach: Reach, how: str, made: str) -> None:
    erp = reach(pushed(SIGNED + how))
    assert hint(erp, {"X-Signature": made}) == Hint("orders", "5", 3)
    assert refused(erp, {"X-Signature": made}, BODY + b" ")
    for wrong in ("", made[:-1], made + "x", signature(BODY, KEY).hex(), hashlib.sha256(BODY).hexdigest(), HOOK):
        assert refused(erp, {"X-Signature": wrong})


def test_a_signed_time_is_within_its_window(reach: Reach) -> None:
    erp = reach(pushed(f"{SIGNED}, signed: {{timestamp: X-Time, window_s: 60}}"))

    def called(time: datetime, said: str | None = None) -> dict[str, str]:
        seconds = str(int(time.timestamp()))
        made = signature(f"{seconds}.".encode() + BODY).hex()
        return {"X-Time": seconds if said is None else said, "X-Signature": made}

    for seconds in (-60, 0, 60):
        assert hint(erp, called(NOW + timedelta(seconds=seconds))) == Hint("orders", "5", 3)
    for seconds in (-61, 61, 10**6):
        assert refused(erp, called(NOW + timedelta(seconds=seconds)))
    for said in ("", "0", str(int(NOW.timestamp()) + 1), "1e9", "٣", "-1"):
        assert refused(erp, called(NOW, said))
    for odd in ("", "later", "9" * 13, "1.5", "\ud800"):
        made = signature(f"{odd}.".encode(errors="replace") + BODY).hex()
        assert refused(erp, {"X-Time": odd, "X-Signature": made})


@pytest.mark.parametrize("way", ["secret_in: path", HEADER, "secret_in: basic", SIGNED])
@pytest.mark.parametrize("body", [BOMB, b"", b"\xff\xfe", b"<a/>", b'{"a": 1e999999}'])
def test_nothing_is_read_of_a_call_that_proves_nothing(reach: Reach, way: str, body: bytes) -> None:
    assert refused(reach(pushed(way)), {"X-Hook-Secret": "x", "X-Signature": "x", **basic("a", "b")}, body, "x")


@pytest.mark.parametrize("body", [BOMB, b"", b"\xff\xfe", b"<a/>", b'{"a": 1e999999}', b"[" + b"{}," * 200_000 + b"1]"])
def test_a_call_that_cannot_be_read_is_malformed(reach: Reach, body: bytes) -> None:
    with pytest.raises(Rejected) as refusal:
        hint(reach(pushed("secret_in: path")), {}, body, HOOK)
    assert (refusal.value.code, refusal.value.kind) == ("erp_call_unreadable", Kind.MALFORMED)


def test_a_blank_secret_lets_nothing_in() -> None:
    for way in ("secret_in: path", HEADER, "secret_in: basic", SIGNED):
        settings = {"address": "http://127.0.0.1:1", "user": "erp"}
        erp = MappedErp(connected(pushed(way), {}, settings, {"key": KEY, "hook": ""}))
        made = signature(BODY, "").hex()
        assert refused(erp, {"X-Hook-Secret": "", "X-Signature": made, **basic("erp", "")}, path="")
        erp.close()


def test_a_call_about_something_else_is_none(reach: Reach) -> None:
    assert hint(reach(pushed("secret_in: path")), {}, b'{"event": "paid"}', HOOK) is None


@pytest.mark.parametrize("object_", ['{"id": null}', "{}", '{"id": ""}', '{"id": []}', f'{{"id": "{"9" * 201}"}}'])
def test_a_call_that_names_no_document_is_named(reach: Reach, object_: str) -> None:
    body = f'{{"event": "changed", "object": {object_}}}'.encode()
    with pytest.raises(Rejected, match="/inbound/orders/push/id"):
        hint(reach(pushed("secret_in: path")), {}, body, HOOK)


def test_each_kind_has_a_secret_of_its_own(reach: Reach) -> None:
    def kind(name: str, secret: str) -> str:
        push = f"push: {{secret: {secret}, secret_in: path, when: true, id: {name}}}"
        return f"  {name}:\n    {push}\n    {FETCH}\n    {GIVES}\n"

    text = shelf(f"push: {{}}\n{GIVES}")
    head, _, tail = text.partition("inbound:\n")
    outbound = tail[tail.index("outbound:") :]
    erp = reach(f"{head}inbound:\n{kind('orders', 'hook')}{kind('products', 'key')}{outbound}")
    assert hint(erp, {}, path=HOOK) == Hint("orders", "orders", 2)
    assert hint(erp, {}, path=KEY) == Hint("products", "products", 2)
    assert erp.admit({}, BODY, KEY, now=NOW) == ("products",)


def test_a_call_may_be_kept_before_it_is_read(reach: Reach) -> None:
    erp = reach(pushed("secret_in: path"))
    kinds = erp.admit({}, BOMB, HOOK, now=NOW)
    assert kinds == ("orders",)
    assert erp.hint(kinds, BODY) == Hint("orders", "5", 3)


def test_an_erp_that_never_calls_is_not_let_in(reach: Reach) -> None:
    erp = reach(shelf(f"{FETCH}\npoll: {POLLED}\n{GIVES}"))
    assert refused(erp, {}, path="")
    assert erp.answer() is None


POLLED = (
    "{every_s: 30, call: {door: rest, get: /docs}, rows: answer, id: '${row.id}', stamp: '${row.at}', overlap_s: 0, "
    "still: true}"
)


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ("", None),
        (", answer: {ok: true, code: '0'}", ("application/json", b'{"ok": "true", "code": "0"}')),
        (", answer: OK, media: text/plain", ("text/plain", b"OK")),
        (", answer: \"<ok by='${settings.user}'/>\", media: text/xml", ("text/xml", b"<ok by='erp'/>")),
    ],
)
def test_the_erp_hears_its_own_words(reach: Reach, more: str, answer: tuple[str, bytes] | None) -> None:
    assert reach(pushed("secret_in: path", more)).answer() == answer


@pytest.mark.parametrize("more", [", answer: {id: '${body.id}'}", ", answer: {a: b}, media: text/plain"])
def test_an_answer_that_cannot_be_said_is_noticed_at_once(reach: Reach, more: str) -> None:
    with pytest.raises(Rejected, match="/inbound/orders/push/answer"):
        reach(pushed("secret_in: path", more))


@pytest.mark.parametrize(
    "way",
    [
        "secret_in: header",
        "secret_in: hmac",
        "secret_in: path, header: X-Secret",
        "secret_in: path, user: me",
        "secret_in: path, signed: {}",
        "secret_in: hmac, header: X, signed: {algorithm: md5}",
    ],
)
def test_a_way_in_that_is_half_said_is_a_fault_of_the_file(way: str) -> None:
    with pytest.raises(BadMapping):
        load(pushed(way))
