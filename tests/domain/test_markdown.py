"""Text that others gave shows in the Temporal UI as it was given, whatever it means in Markdown."""

from __future__ import annotations

import pytest

from domain.messages import LineBrief, OrderWork
from workflows.attributes import details_of
from workflows.markdown import code, escaped


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("SO-10293", "SO-10293"),
        ("The carrier refused (label/SO-1-1/1): no.", "The carrier refused (label/SO-1-1/1): no."),
        ("*SO* _1_ `1`", r"\*SO\* \_1\_ \`1\`"),
        ("[here](http://x)", r"\[here\](http\://x)"),
        ("![](https://x/y.png)", r"!\[\](https\://x/y.png)"),
        ("<img src=x>", r"\<img src=x\>"),
        ("a | b", r"a \| b"),
        ("WWW.x.org", r"WWW\.x.org"),
        ("a@b.org ~~c~~ &lt; # \\", r"a\@b.org \~\~c\~\~ \&lt; \# \\"),
        ("one\n\n# two\r\n| three", r"one \# two \| three"),
        ("a\u202eb\u200b\x07c", "a b c"),
    ],
)
def test_what_means_something_is_escaped(told: str, shown: str) -> None:
    assert escaped(told) == shown


@pytest.mark.parametrize(
    ("told", "shown"), [("erp/1", "`erp/1`"), ("a`b", "`` a`b ``"), ("``x\n", "``` ``x ```"), ("a_b*", "`a_b*`")]
)
def test_code_is_what_a_person_copies(told: str, shown: str) -> None:
    assert code(told) == shown


def test_details_are_what_was_told_and_no_more_lines() -> None:
    odd = "x|y\n# *Z* <b> `c` [d](http://e)"
    quantities = dict.fromkeys(("ordered", "reserved", "backordered", "picked", "shipped", "delivered", "cancelled"), 1)
    attention = {"reason": odd, "since": "2026-11-20", "actions": ["retry_step"], "step": odd, "said_id": "7"}
    work = OrderWork(
        exists=True,
        site=odd,
        carrier=odd,
        lines=(LineBrief(line_no=1, sku=odd, quantities=quantities),),
        tracking_numbers=(odd,),
        needs_attention=True,
        attention=attention,
    )

    details = details_of(work, [], ())

    assert "# *Z*" not in details.replace(code(odd), "")
    assert details.count(escaped(odd)) == 5
    assert "`attention.said` (`7`)" in details
