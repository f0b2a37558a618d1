"""The Merkle tree against the definition in RFC 6962, section 2.1, written down as it stands there."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from ledger.proving.merkle import audit_path, leaf_hash, root_by_path, root_of

LEAVES = st.lists(st.binary(max_size=40), max_size=70)


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def _root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = _split(len(leaves))
    return sha256(b"\x01" + _root(leaves[:k]) + _root(leaves[k:])).digest()


def _path(position: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if position < k:
        return [*_path(position, leaves[:k]), _root(leaves[k:])]
    return [*_path(position - k, leaves[k:]), _root(leaves[:k])]


@given(LEAVES)
def test_the_root_is_what_the_rfc_says(leaves: list[bytes]) -> None:
    assert root_of([leaf_hash(leaf) for leaf in leaves]) == _root(leaves)


@given(LEAVES.filter(bool), st.data())
def test_a_path_is_what_the_rfc_says_and_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(leaves) - 1))
    hashes = [leaf_hash(leaf) for leaf in leaves]

    path = audit_path(hashes, position)

    assert path == _path(position, leaves)
    assert root_by_path(hashes[position], position, len(leaves), path) == _root(leaves)


@given(LEAVES.filter(bool), st.data())
def test_a_path_proves_no_other_leaf_place_or_size(leaves: list[bytes], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(leaves) - 1))
    hashes = [leaf_hash(leaf) for leaf in leaves]
    path = audit_path(hashes, position)
    root = _root(leaves)

    assert root_by_path(leaf_hash(b"another" * 10), position, len(leaves), path) != root
    assert root_by_path(hashes[position], position, len(leaves), [*path, root]) is None
    assert root_by_path(hashes[position], len(leaves), len(leaves), path) is None
    assert root_by_path(hashes[position], -1, len(leaves), path) is None
    if path:
        assert root_by_path(hashes[position], position, len(leaves), path[:-1]) is None


def test_known_answers() -> None:
    """The vectors of certificate-transparency's reference implementation."""
    leaves = [bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243")]
    leaves += [bytes.fromhex("5051525354555657"), bytes.fromhex("606162636465666768696a6b6c6d6e6f")]
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }

    assert {size: root_of([leaf_hash(leaf) for leaf in leaves[:size]]).hex() for size in roots} == roots
