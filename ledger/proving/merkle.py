"""The Merkle tree of RFC 6962, section 2.1: one hash over many leaves, and a short proof that a leaf is among them.

Leaves and nodes are hashed with different first bytes, so that neither can be passed off as the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(leaf: bytes) -> bytes:
    """Hash what a leaf is over."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class GrowingTree:
    """A tree to which hashes of leaves are added in order. It keeps a hash for each full subtree, not the leaves."""

    def __init__(self) -> None:
        self.size = 0
        self._full: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf, and close the subtrees that are full now."""
        size, self.size = self.size, self.size + 1
        while size & 1:
            leaf = node_hash(self._full.pop(), leaf)
            size >>= 1
        self._full.append(leaf)

    def root(self) -> bytes:
        """Return the hash over all leaves: that of nothing where there are none."""
        if not self._full:
            return sha256().digest()
        *larger, root = self._full
        for left in reversed(larger):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the hash over all leaves, given by their hashes."""
    tree = GrowingTree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def audit_path(leaves: Sequence[bytes], position: int) -> list[bytes]:
    """Return the hashes that lead from the leaf at a position (from 0) to the root: section 2.1.1."""
    path: list[bytes] = []
    level = list(leaves)
    while len(level) > 1:
        beside = position ^ 1
        if beside < len(level):
            path.append(level[beside])
        level = [node_hash(*level[i : i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        position >>= 1
    return path


def root_by_path(leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a path leads to from a leaf of a tree of `size` leaves; None where it has not that shape."""
    last = size - 1
    if not 0 <= position <= last:
        return None
    beside = iter(path)
    while last:
        if position != last or position & 1:
            other = next(beside, None)
            if other is None:
                return None
            leaf = node_hash(other, leaf) if position & 1 else node_hash(leaf, other)
        position, last = position >> 1, last >> 1
    return leaf if next(beside, None) is None else None
