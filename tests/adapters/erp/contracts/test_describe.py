from __future__ import annotations

import pytest

from adapters.erp.contracts.describe import UNKNOWN, ListOf, NoSuchField, Shape, Text, Tree, field_of

ORDER = Tree({"ref": Text(), "lines": ListOf(Tree({"qty": Text("number")})), "more": UNKNOWN})


def test_a_field_has_a_shape_and_in_an_open_tree_any_may_be_there() -> None:
    assert field_of(ORDER, "ref") == Text()
    assert field_of(field_of(ORDER, "more"), "whatever") == UNKNOWN


@pytest.mark.parametrize(
    ("shape", "name", "words"),
    [
        (ORDER, "reff", "did you mean ref? there are: ref, lines, more"),
        (ORDER, "qty", "there are: ref, lines, more"),
        (Text(), "qty", "it is one value"),
        (ListOf(ORDER), "ref", "it is a list"),
        (Tree({}), "ref", "there are: none"),
    ],
)
def test_one_that_isnt_there_is_told_with_those_that_are(shape: Shape, name: str, words: str) -> None:
    with pytest.raises(NoSuchField) as caught:
        field_of(shape, name)
    assert words in str(caught.value)
