"""Plans: whether each step speaks of what is there, whether it ends, and how a repeat finds what is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from adapters.erp.checking.calls import Calls, expressions_in, expressions_of, given_of, roots
from adapters.erp.checking.findings import Findings
from adapters.erp.checking.hub_shapes import message
from adapters.erp.checking.known import ANY, Known, any_of, perhaps
from adapters.erp.checking.places import Place, item_of
from adapters.erp.checking.tracing import Trace
from adapters.erp.language.expressions import Expression
from adapters.erp.language.leaves import Hole
from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.file import MappingFile, nearest
from adapters.erp.mapping.scopes import ANSWER, MESSAGE, RESERVED
from adapters.erp.mapping.steps import Attention, Do, Document, Done, Let, Look, Plan, Refusal, Step
from adapters.erp.mapping.yaml_text import pointer_to
from domain.erp import ERP_MESSAGE_KINDS

_Calling: TypeAlias = "Look | Do"
_ENDS: Final = (Document, Refusal, Attention, Done)


class Steps:
    """Checks plans, and the looks that read an inbound document."""

    def __init__(self, file: MappingFile, calls: Calls, findings: Findings) -> None:
        self._file = file
        self._calls = calls
        self._findings = findings

    def check(self) -> None:
        """Check the plan of each kind of message."""
        place = self._calls.place.within(**{MESSAGE: message()})
        for kind in ERP_MESSAGE_KINDS:
            self._plan(getattr(self._file.outbound, kind), f"/outbound/{kind}", place)

    def looks(self, looks: tuple[Look, ...], pointer: str, place: Place) -> Place:
        """Check looks, and return the place behind them."""
        for number, look in enumerate(looks):
            place = self._look(look, f"{pointer}/{number}", place)
        return place

    # -- a plan ------------------------------------------------------------------------------------------------------

    def _plan(self, plan: Plan, pointer: str, place: Place) -> None:
        if isinstance(plan, Attention):
            self._attention(plan, pointer, place)
            return
        if isinstance(plan, str):
            return
        trace = Trace(self._file.calls)
        for number, step in enumerate(plan):
            under = f"{pointer}/{number}"
            place = self._step(step, under, place)
            if isinstance(step, Do):
                for word, why in trace.faults_of(step):
                    self._findings.add(f"{under}/{word}" if word else under, why)
            if isinstance(step, Look | Do):
                trace.goes_on_from(step)
        self._ends(plan, pointer)
        self._unused_names(plan, pointer)

    def _step(self, step: Step, pointer: str, place: Place) -> Place:
        match step:
            case Look():
                return self._look(step, pointer, place)
            case Do():
                return self._do(step, pointer, place)
            case Let():
                return self._let(step, pointer, place)
            case Document():
                place.text(step.document_no, f"{pointer}/document_no")
            case Refusal():
                place.condition(step.when, f"{pointer}/when")
                place.text(step.text, f"{pointer}/text")
            case Attention():
                self._attention(step, pointer, place)
            case Done():
                place.condition(step.nothing, f"{pointer}/nothing")
        return place

    def _attention(self, attention: Attention, pointer: str, place: Place) -> None:
        place.text(attention.attention, f"{pointer}/attention")
        place.condition(attention.when, f"{pointer}/when")

    def _ends(self, plan: tuple[Step, ...], pointer: str) -> None:
        if not plan or not isinstance(plan[-1], _ENDS):
            self._findings.add(
                pointer, "it has no end: the last step says `document_no`, or `refuse`, `attention` or `nothing`"
            )
        for number, step in enumerate(plan[:-1]):
            if isinstance(step, Document) or (isinstance(step, Attention) and step.when is None):
                self._findings.add(f"{pointer}/{number + 1}", "nothing comes here: the step before is the last")

    # -- steps that call ---------------------------------------------------------------------------------------------

    def _look(self, look: Look, pointer: str, place: Place) -> Place:
        place.condition(look.unless, f"{pointer}/unless")
        read = perhaps(self._call(look, pointer, place))
        if look.one and "list" in read.kinds:
            read = perhaps(any_of(replace(read, kinds=read.kinds - {"list"}), item_of(read)))
        self._new_name(look.look, f"{pointer}/look", place)
        behind = place.within(
            **{look.look: self._or_as_before(read, look.look, place, skipped=look.unless is not None)}
        )
        place.within(**{look.look: read}).condition(look.confirm, f"{pointer}/confirm")
        return behind

    def _do(self, do: Do, pointer: str, place: Place) -> Place:
        inside = place
        if do.each is not None and do.as_ is not None:
            items = place.value(do.each, f"{pointer}/each")
            if items.something and "list" not in items.kinds:
                self._findings.add(f"{pointer}/each", "`each` takes a list")
            self._new_name(do.as_, f"{pointer}/as", place, again=False)
            inside = place.within(**{do.as_: item_of(items)})
        inside.condition(do.unless, f"{pointer}/unless")
        answered = self._call(do, pointer, inside)
        heard = inside.within(**{ANSWER: answered})
        kept = {name: heard.value(hole, f"{pointer}/keep/{name}") for name, hole in do.keep.items()}
        for name in kept:
            self._new_name(name, f"{pointer}/keep/{name}", place)
        inside.within(**kept).condition(do.confirm, f"{pointer}/confirm")
        return place.within(
            **{name: self._or_as_before(known, name, place, skipped=True) for name, known in kept.items()}
        )

    def _let(self, let: Let, pointer: str, place: Place) -> Place:
        for name, value in let.let.items():
            self._new_name(name, f"{pointer}/let/{name}", place)
            place = place.within(**{name: place.tree(value)})
        return place

    def _or_as_before(self, known: Known, name: str, place: Place, *, skipped: bool) -> Known:
        """Return what a name stands for behind a step that may have been skipped."""
        if not skipped:
            return known
        before = place.names.known.get(name)
        return perhaps(known if before is None else any_of(known, before))

    def _call(self, step: _Calling, pointer: str, place: Place) -> Known:
        for name, leaf in step.given.items():
            place.leaf(leaf, f"{pointer}/with/{name}")
        if isinstance(step.call, Call):
            for name in step.given:
                self._findings.add(f"{pointer}/with/{name}", "only a call of `calls` is given something")
            return self._calls.call(step.call, f"{pointer}/call", place, {})
        return self._named(step.call, step, pointer)

    def _named(self, name: str, step: _Calling, pointer: str) -> Known:
        if name not in self._file.calls:
            self._findings.add(f"{pointer}/call", f"there is no call `{name}`" + nearest(name, self._file.calls))
            return ANY
        self._findings.uses("call", name)
        used = given_of(self._file.calls[name])
        for missing in sorted(used - step.given.keys()):
            self._findings.add(
                f"{pointer}/with" if step.given else pointer, f"the call `{name}` needs `{missing}` in `with`"
            )
        for odd in sorted(step.given.keys() - used):
            self._findings.add(f"{pointer}/with/{odd}", f"the call `{name}` doesn't use `{odd}`" + nearest(odd, used))
        return self._calls.named(name)

    # -- names -------------------------------------------------------------------------------------------------------

    def _new_name(self, name: str, pointer: str, place: Place, *, again: bool = True) -> None:
        """Find a name that hides what stands for something else. A step may read, or keep, the same thing `again`."""
        if name in RESERVED or (not again and name in place.names.known):
            self._findings.add(pointer, f"`{name}` stands for something else here")

    def _unused_names(self, plan: tuple[Step, ...], pointer: str) -> None:
        for number, step in enumerate(plan):
            behind = {name for later in plan[number + 1 :] for said in _said_in(later) for name in roots(said)}
            if isinstance(step, Do):
                own = {name for said in _of(step.confirm) for name in roots(said)}
                for name in step.keep:
                    if name not in behind | own:
                        self._findings.add(
                            pointer_to(f"{pointer}/{number}/keep", name), f"nothing behind it uses `{name}`"
                        )
            elif isinstance(step, Let):
                own = {name for value in step.let.values() for said in expressions_in(value) for name in roots(said)}
                for name in step.let:
                    if name not in behind | own:
                        self._findings.add(
                            pointer_to(f"{pointer}/{number}/let", name), f"nothing behind it uses `{name}`"
                        )
            elif isinstance(step, Look) and not (step.absent or step.confirm or step.look in behind):
                self._findings.add(f"{pointer}/{number}/look", f"nothing behind it uses `{step.look}`")


def _said_in(step: Step) -> Iterator[Expression]:
    match step:
        case Look() | Do():
            yield from _said_in_calling(step)
        case Let():
            for value in step.let.values():
                yield from expressions_in(value)
        case Document():
            yield from step.document_no.expressions
        case Done():
            yield step.nothing.expression
        case Refusal() | Attention():
            yield from (step.text if isinstance(step, Refusal) else step.attention).expressions
            yield from _of(step.when)


def _said_in_calling(step: _Calling) -> Iterator[Expression]:
    yield from _of(step.unless, step.confirm)
    for leaf in step.given.values():
        yield from leaf.expressions
    if isinstance(step.call, Call):
        yield from expressions_of(step.call)
    if isinstance(step, Do):
        yield from _of(step.each, *step.keep.values())


def _of(*holes: Hole | None) -> Iterator[Expression]:
    return (hole.expression for hole in holes if hole is not None)
