"""What comes in: how documents are found, and what they give; and how they are found again after a restore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.erp.checking.calls import Calls, expressions_in, expressions_of, roots
from adapters.erp.checking.findings import Findings
from adapters.erp.checking.hub_shapes import cancel, document, order, product
from adapters.erp.checking.known import ANY, Known, of_kinds
from adapters.erp.checking.places import Place, item_of
from adapters.erp.checking.steps import Steps
from adapters.erp.language.expressions import Expression
from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.file import MappingFile, nearest
from adapters.erp.mapping.inbound import Gives, Inbound, Pages, Poll, Push
from adapters.erp.mapping.scopes import ANSWER, BODY, ID, KNOWN, PAGE, REFERENCE, ROW, SINCE
from adapters.erp.mapping.steps import Recall

_TARGETS: Final[dict[str, Callable[[], Known]]] = {"order": order, "cancel": cancel, "product": product}
_TEXT: Final = of_kinds("text")


class Incoming:
    """Checks `inbound` and `recall`."""

    def __init__(self, file: MappingFile, calls: Calls, steps: Steps, findings: Findings) -> None:
        self._file = file
        self._calls = calls
        self._steps = steps
        self._findings = findings

    def check(self) -> None:
        """Check both kinds of documents, and the recall."""
        for kind in ("orders", "products"):
            inbound: Inbound | None = getattr(self._file.inbound, kind)
            if inbound is not None:
                self._inbound(inbound, kind, f"/inbound/{kind}")
        several = isinstance(self._file.recall, tuple)
        for number, recall in enumerate(self._file.recalls):
            self._recall(recall, f"/recall/{number}" if several else "/recall")

    def _inbound(self, inbound: Inbound, kind: str, pointer: str) -> None:
        place = self._calls.place.within(**{ID: _TEXT})
        if inbound.poll is not None:
            row = self._poll(inbound.poll, f"{pointer}/poll")
            if inbound.push is None:
                place = place.within(**{ROW: row})
        if inbound.push is not None:
            self._push(inbound.push, f"{pointer}/push")
        place = self._steps.looks(inbound.fetch, f"{pointer}/fetch", place)
        for number, gives in enumerate(inbound.gives):
            self._gives(gives, kind, f"{pointer}/gives/{number}", place.within(**{KNOWN: of_kinds("boolean")}))
        self._unused_looks(inbound, pointer)

    # -- found -------------------------------------------------------------------------------------------------------

    def _poll(self, poll: Poll, pointer: str) -> Known:
        place = self._calls.place.within(**{SINCE: of_kinds("time")})
        asking = place if poll.pages is None else place.within(**{PAGE: of_kinds("number")})
        answered = self._calls.call(poll.call, f"{pointer}/call", asking, _paged(poll.pages, f"{pointer}/pages"))
        heard = self._calls.place.within(**{ANSWER: answered})
        rows = self._rows(heard.value(poll.rows, f"{pointer}/rows"), f"{pointer}/rows")
        of_row = self._calls.place.within(**{ROW: rows})
        of_row.text(poll.id, f"{pointer}/id")
        of_row.leaf(poll.stamp, f"{pointer}/stamp")
        of_row.within(**{SINCE: of_kinds("time")}).condition(poll.still, f"{pointer}/still")
        if poll.pages is not None and poll.pages.next is not None:
            heard.value(poll.pages.next, f"{pointer}/pages/next")
        if all(SINCE not in roots(each) for each in expressions_of(poll.call)):
            self._findings.add(
                f"{pointer}/call", f"it doesn't say `{SINCE}`: all that there ever was is asked for each time"
            )
        return rows

    def _rows(self, known: Known, pointer: str) -> Known:
        if known.something and "list" not in known.kinds:
            self._findings.add(pointer, "the rows are a list: a server that sends one alone needs `| list`")
        return item_of(known)

    def _push(self, push: Push, pointer: str) -> None:
        kind = self._file.settings.get(push.secret)
        if kind is None:
            self._findings.add(
                f"{pointer}/secret", f"there is no setting `{push.secret}`" + nearest(push.secret, self._file.settings)
            )
        elif kind != "secret":
            self._findings.add(f"{pointer}/secret", f"the setting `{push.secret}` isn't secret, but {kind}")
        self._findings.uses("setting", push.secret)
        place = self._calls.place.within(**{BODY: ANY})
        place.condition(push.when, f"{pointer}/when")
        place.text(push.id, f"{pointer}/id")
        if push.user is not None:
            self._calls.place.text(push.user, f"{pointer}/user")
        if push.answer is not None:
            self._calls.place.tree(push.answer)

    def _unused_looks(self, inbound: Inbound, pointer: str) -> None:
        later = [each for gives in inbound.gives for each in _said_by(gives)]
        for look in inbound.fetch:
            later += [each for leaf in look.given.values() for each in leaf.expressions]
            later += expressions_of(look.call) if isinstance(look.call, Call) else ()
            later += [hole.expression for hole in (look.unless, look.confirm) if hole is not None]
        used = {name for each in later for name in roots(each)}
        for number, look in enumerate(inbound.fetch):
            if look.look not in used:
                self._findings.add(f"{pointer}/fetch/{number}/look", f"nothing uses `{look.look}`")

    # -- given -------------------------------------------------------------------------------------------------------

    def _gives(self, gives: Gives, kind: str, pointer: str, place: Place) -> None:
        place.condition(gives.when, f"{pointer}/when")
        for word, text in (("nothing", gives.nothing), ("attention", gives.attention)):
            if text is not None:
                place.text(text, f"{pointer}/{word}")
        for word, target in _TARGETS.items():
            if (tree := getattr(gives, word)) is not None:
                if (word == "product") != (kind == "products"):
                    self._findings.add(f"{pointer}/{word}", f"{kind} give no {word}")
                place.tree(tree, target())

    def _recall(self, recall: Recall, pointer: str) -> None:
        place = self._calls.place.within(**{REFERENCE: _TEXT})
        answered = self._calls.call(recall.call, f"{pointer}/call", place, {})
        heard = place.within(**{ANSWER: answered})
        row = self._rows(heard.value(recall.rows, f"{pointer}/rows"), f"{pointer}/rows")
        self._calls.place.within(**{ROW: row}).tree(recall.into, document())


def _paged(pages: Pages | None, pointer: str) -> Mapping[str, str]:
    """Return the parameters that pages say, by the pointers of the words for them."""
    if pages is None:
        return {}
    said = {"size": pages.size, "number": pages.number, "skip": pages.skip}
    return {f"{pointer}/{word}": name for word, name in said.items() if name is not None}


def _said_by(gives: Gives) -> list[Expression]:
    said = [gives.when.expression]
    said += [each for text in (gives.nothing, gives.attention) if text is not None for each in text.expressions]
    for word in _TARGETS:
        if (tree := getattr(gives, word)) is not None:
            said += expressions_in(tree)
    return said
