"""The one list of what can be said to an order, against all that must know each of it."""

from __future__ import annotations

from typing import get_args, get_type_hints

from temporalio.workflow import _Definition

from commands.decide import HANDLERS
from domain.commands import OperatorVerb
from domain.order_commands import ORDER_COMMANDS, CommandKind, kept
from domain.payloads import HandledLine
from workflows.order_lifecycle import OrderLifecycle
from workflows.return_lifecycle import ReturnLifecycle


def updates_of(workflow: type) -> set[str | None]:
    return set(_Definition.must_from_class(workflow).updates)


def test_every_command_is_decided_by_a_handler() -> None:
    assert set(HANDLERS) == set(ORDER_COMMANDS) == set(get_args(CommandKind))


def test_a_handler_is_given_what_the_inbox_keeps_of_its_command() -> None:
    given = {kind: get_args(get_type_hints(handler)["row"])[0] for kind, handler in HANDLERS.items()}
    assert given == {kind: command.payload for kind, command in ORDER_COMMANDS.items()}


def test_an_orders_workflow_has_an_update_for_every_command_and_every_act_of_a_person() -> None:
    assert updates_of(OrderLifecycle) == {*ORDER_COMMANDS, *get_args(OperatorVerb)}


def test_what_may_come_after_an_order_closed_has_a_workflow_that_takes_it() -> None:
    assert updates_of(ReturnLifecycle) == {"return"}
    assert ORDER_COMMANDS["return"].may_be_first


def test_what_a_newer_build_was_told_is_read_as_far_as_every_command_is_the_same() -> None:
    told = kept("reroute", {"until": "2030-01-01", "reason": "holidays", "occurred_at": "2026-11-30T12:00:00Z"})
    assert (told.reason, told.words) == ("holidays", "What a newer build was told")


def test_what_older_builds_kept_less_of_is_read_all_the_same() -> None:
    pick = kept(
        "confirm_pick", {"pick_no": "P-1", "resolved": [{"line_no": 1, "sku": "A", "site": "S", "quantity": 2}]}
    )
    assert (pick.words, pick.resolved) == ("Pick P-1", (HandledLine(1, "A", "S", 2),))
    cancel = kept("cancel", {"cancel_no": "X-1", "reason": "customer", "lines": None, "resolved": None})
    assert (cancel.words, cancel.resolved) == ("Cancel X-1 (customer)", None)


def test_no_two_commands_can_have_the_same_key() -> None:
    keys = {command.key("SO-1", "1") for command in ORDER_COMMANDS.values()}
    assert len(keys) == len(ORDER_COMMANDS)
    assert ORDER_COMMANDS["submit"].key("SO-1", "2") == "push/SO-1/2"
    assert ORDER_COMMANDS["hand_over"].key("SO-1", "SO-1-1/H-1") == "hand_over/SO-1/SO-1-1/H-1"
