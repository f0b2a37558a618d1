from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from domain.characters import (
    first_unseen,
    first_untold,
    for_xml,
    is_blank,
    is_normal,
    keeping,
    meant_by,
    named,
    normal_form,
    storable,
    watching,
)
from domain.labels import matched_as

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)


@pytest.mark.parametrize("shape", ["{} ", " {}", "{}\u00a0", "\u3000{}", "{}\u200b", "\ufeff{}", " \u200b{}\u2060 "])
def test_what_surrounds_a_name_is_no_part_of_it(shape: str) -> None:
    assert normal_form(shape.format("L-1")) == "L-1"


def test_what_looks_the_same_is_the_same_name() -> None:
    assert normal_form("E\u03011") == normal_form("\u00c91") == "\u00c91"
    assert normal_form("LOT\u00a07") == normal_form("LOT\u20077") == "LOT 7"


def test_letters_that_only_look_alike_are_others() -> None:
    assert len({normal_form(name) for name in ("A1", "\u04101", "\uff211", "a1", "\u03911")}) == 5


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u200b", "U+200B (ZERO WIDTH SPACE)"),
        ("\u202e", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ("\u2066", "U+2066 (LEFT-TO-RIGHT ISOLATE)"),
        ("\u00ad", "U+00AD (SOFT HYPHEN)"),
        ("\ufe0f", "U+FE0F (VARIATION SELECTOR-16)"),
        ("\u3164", "U+3164 (HANGUL FILLER)"),
        ("\ufffd", "U+FFFD (REPLACEMENT CHARACTER)"),
        ("\ufffe", "U+FFFE (not a character)"),
        ("\x07", "U+0007 (a control character)"),
        ("\ud800", "U+D800 (half of a character)"),
    ],
)
def test_what_cannot_be_seen_inside_a_name_is_named(character: str, name: str) -> None:
    unseen = first_unseen(f"L{character}1")
    assert unseen == character
    assert named(character) == name


@given(TEXTS)
def test_a_name_has_one_form(told: str) -> None:
    name = normal_form(told)
    assert normal_form(name) == name
    assert name == unicodedata.normalize("NFC", name)
    assert is_normal(name) == (first_unseen(name) is None)


def test_a_name_that_is_stored_just_so_is_meant_by_itself() -> None:
    with keeping({"L 1 "}):
        assert (meant_by("L 1 "), meant_by("L 2 ")) == ("L 1 ", "L 2")
    assert meant_by("L 1 ") == "L 1"


def test_it_is_noticed_where_a_name_was_told_otherwise() -> None:
    with watching() as naming:
        meant_by("L-1")
        assert not naming.changed
        meant_by("L-1 ")
        assert naming.changed


@pytest.mark.parametrize("words", ["", " ", "\u00a0", "\u200b\u200d", "\ufeff", "\u2800", "\u3164", "\u115f", "\t\n"])
def test_what_shows_nothing_is_blank(words: str) -> None:
    assert is_blank(words)
    assert not is_blank(f"{words}a")


@given(TEXTS)
def test_xml_carries_every_text_once_what_it_cannot_is_marked(words: str) -> None:
    element = etree.Element("text")
    element.text = for_xml(words)
    read = etree.fromstring(etree.tostring(element, encoding="utf-8")).text or ""
    assert read == for_xml(words)
    assert len(read) == len(words)


@given(TEXTS)
def test_a_text_without_controls_that_is_not_refused_is_carried_as_it_is(words: str) -> None:
    plain = "".join(each for each in words if unicodedata.category(each) != "Cc")
    assert (first_untold(plain) is None) == (for_xml(plain) == plain)


@given(TEXTS)
def test_what_postgresql_cannot_keep_is_marked(words: str) -> None:
    kept = storable(words)
    assert "\x00" not in kept
    kept.encode()


def test_a_tracking_number_is_found_however_it_is_written() -> None:
    for told in ("tn 12 34", "\ufeffTN1234", "TN\u00a01234", "TN12\u200b34", "\u200eTN1234"):
        assert matched_as(told) == "TN1234"
