"""The ledger's tables. Triggers and grants, which SQLAlchemy can't say, are in the migrations."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    TextClause,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.types import TypeEngine

from domain.orders import QUANTITIES

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(schema="ledger", naming_convention=NAMING)

INSTANT = DateTime(timezone=True)


def _domain(name: str, of: TypeEngine[Any], check: str) -> DOMAIN:
    """Say what every value of a column must be by its type: PostgreSQL keeps a domain's check prepared.

    A table's own checks are read anew for every statement, which takes as long as to write a few rows. So tables that
    every request writes have such checks for what concerns several columns only.
    """
    return DOMAIN(name, of, constraint_name=f"ck_{name}", check=check, schema="ledger", create_type=False)


ONE_LINE = _domain("one_line", String(), "strpos(value, E'\\n') = 0")
"""The canonical form joins its fields by line feeds (docs/canonical-form.md)."""
SHA256 = _domain("sha256", LargeBinary(), "octet_length(value) = 32")
QUANTITY = _domain("quantity", BigInteger(), "value >= 0")
POSITIVE = _domain("positive", BigInteger(), "value > 0")
LINE_NUMBER = _domain("line_number", Integer(), "value > 0")
EVIDENCE = _domain("evidence", String(), "value in ('scanned', 'confirmed', 'inferred')")
SHORTAGE_POLICY = _domain("shortage_policy", String(), "value in ('backorder', 'reject', 'partial')")
ALLOCATION_POLICY = _domain(
    "allocation_policy",
    String(),
    "value in ('first_expiry_first', 'first_in_first_out', 'fewest_locations', 'pick_route')",
)


def _name(name: str, kind: TypeEngine[Any] | None = None, **options: Any) -> Column[str]:
    return Column(name, String() if kind is None else kind, nullable=False, **options)


def _names(kind: TypeEngine[Any], *names: str) -> list[Column[str]]:
    return [_name(name, kind) for name in names]


def _odd(column: str) -> TextClause:
    """Choose the names that are not of visible ASCII characters alone."""
    return text(f"{column} ~ '[^!-~]'")


pool = Table(
    "pool",
    metadata,
    Column("pool_id", Uuid, primary_key=True, comment="derived from tenant, site and sku"),
    _name("tenant"),
    _name("site"),
    _name("sku"),
    Column(
        "last_write",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="drawn by whoever wrote here last: tells whether what was read still holds",
    ),
    # In this order it also serves reads of a sku at every site.
    UniqueConstraint("tenant", "sku", "site"),
    comment="All streams of a sku at a site. Its row is the lock that writers take first, in one sorted order",
)

lot = Table(
    "lot",
    metadata,
    _name("tenant"),
    _name("sku"),
    _name("lot"),
    Column("expires_on", Date, nullable=True, comment="the last day on which it may be used, by its site's day"),
    Column(
        "expiry_computed",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="from a shelf life, until somebody tells when it expires",
    ),
    Column(
        "received_at", INSTANT, nullable=False, server_default=text("clock_timestamp()"), comment="when it first came"
    ),
    Column("block_no", String, nullable=True, comment="of the recall that blocks it; NULL where it may be sold"),
    PrimaryKeyConstraint("tenant", "sku", "lot"),
    # Serves what arrives.
    Index("ix_lot_blocked", "tenant", "sku", postgresql_where=text("block_no is not null")),
    comment="What allocation must know of a lot",
)

stream = Table(
    "stream",
    metadata,
    Column("stream_id", Uuid, primary_key=True, comment="the first 16 bytes of identity_hash"),
    Column("identity_hash", LargeBinary, nullable=False, comment="SHA-256 of the canonical identity; chains entry 1"),
    Column("pool_id", Uuid, ForeignKey(pool.c.pool_id), nullable=False),
    *_names(String(), "tenant", "sku", "site", "location_id", "kind", "lot", "serial_number", "stock_status"),
    Column("open", Boolean, nullable=False, comment="on_hand is not 0; never a quantity"),
    UniqueConstraint("tenant", "sku", "location_id", "lot", "serial_number", "stock_status"),
    CheckConstraint("kind in ('storage', 'staging', 'supplier', 'adjustment', 'transit', 'customer')", name="kind"),
    CheckConstraint("stock_status in ('available', 'quarantined', 'damaged', 'inspection')", name="stock_status"),
    CheckConstraint("octet_length(identity_hash) = 32", name="identity_hash_is_sha256"),
    *(
        CheckConstraint(f"strpos({column}, E'\\n') = 0", name=f"{column}_one_line")
        for column in ("tenant", "sku", "site", "location_id", "lot", "serial_number")
    ),
    # I3: a serial is in one place. Entry balances bound each stream to 0..1; this bounds them together.
    Index(
        "uq_stream_serial_in_one_place",
        "tenant",
        "sku",
        "serial_number",
        unique=True,
        postgresql_where=text("open and serial_number <> '' and kind <> 'supplier'"),
    ),
    # Serves allocation, balances and reports. By kind, so that what was delivered long ago does not lie in the way.
    Index("ix_stream_pool", "pool_id", "kind", "open"),
    Index("ix_stream_location", "tenant", "location_id"),
    # Serve recalls and histories.
    Index("ix_stream_lot", "tenant", "sku", "lot", postgresql_where=text("lot <> ''")),
    Index("ix_stream_serial_number", "tenant", "sku", "serial_number", postgresql_where=text("serial_number <> ''")),
    # Serve names that were stored before names had one form.
    Index("ix_stream_odd_lot", "tenant", "lot", postgresql_where=_odd("lot")),
    Index("ix_stream_odd_serial_number", "tenant", "serial_number", postgresql_where=_odd("serial_number")),
    comment="One stock bucket: the unit of ordering and hash-chaining. Identity only",
)

posting = Table(
    "posting",
    metadata,
    Column("posting_id", Uuid, primary_key=True),
    *_names(ONE_LINE, "tenant", "idempotency_key"),
    Column("request_digest", SHA256, nullable=False),
    *_names(ONE_LINE, "reason", "actor"),
    _name("evidence", EVIDENCE),
    Column("occurred_at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False),
    Column("answer", String, nullable=False, comment="JSON as text: its bytes are hashed"),
    # I5: one posting for each key.
    UniqueConstraint("tenant", "idempotency_key"),
    # Serves checkpoints, which look for what was recorded last. Rows come in the order of time, so a BRIN index serves:
    # it costs a write nothing that can be measured, where a B-tree would take its share of each.
    Index("ix_posting_recorded_at", "recorded_at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
    # Serves the list of adjustments; other postings are not in it.
    Index(
        "ix_posting_adjustment", "tenant", "recorded_at", "posting_id", postgresql_where=text("reason = 'adjustment'")
    ),
    comment="One atomic set of entries with one idempotency key and one reason. Never updated, never deleted",
)

entry = Table(
    "entry",
    metadata,
    Column("stream_id", Uuid, nullable=False, comment="the trigger looks it up with the rest: no foreign key"),
    Column("seq", POSITIVE, nullable=False),
    Column("posting_id", Uuid, nullable=False, comment="likewise"),
    Column("tenant", String, nullable=False),
    Column("order_ref", ONE_LINE, nullable=False, comment="empty where the entry is for no order"),
    Column("line_no", Integer, nullable=False, comment="0 where the entry is for no order line"),
    Column("on_hand_delta", BigInteger, nullable=False),
    Column("reserved_delta", BigInteger, nullable=False),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", QUANTITY, nullable=False),
    Column("floor", SmallInteger, nullable=False, comment="0, or 1 where on_hand may go below zero"),
    Column("serial", Boolean, nullable=False, comment="the stream is of one serial number"),
    Column("recorded_at", INSTANT, nullable=False, comment="the posting's, here for as-of reads"),
    Column("hash", SHA256, nullable=False),
    # I2: gapless together with the trigger that ties each entry to the one before.
    PrimaryKeyConstraint("stream_id", "seq"),
    CheckConstraint("on_hand_delta <> 0 or reserved_delta <> 0", name="moves_something"),
    # I3, with the type of `reserved`.
    CheckConstraint("floor = 1 or reserved <= on_hand", name="never_oversold"),
    CheckConstraint("floor = 0 or reserved = 0", name="only_physical_stock_is_reserved"),
    CheckConstraint("not serial or (on_hand <= 1 and on_hand >= -1)", name="a_serial_is_one_unit"),
    CheckConstraint("(order_ref = '') = (line_no = 0)", name="order_and_line_together"),
    # I8: net, one entry for a line and stream of a posting. Also serves a posting's entries.
    Index("uq_entry_net_per_line", "posting_id", "stream_id", "order_ref", "line_no", unique=True),
    # Serves what an order holds, and its timeline.
    Index("ix_entry_order", "tenant", "order_ref", "line_no", postgresql_where=text("order_ref <> ''")),
    # Serves balances as of an instant.
    Index("ix_entry_as_of", "stream_id", "recorded_at", "seq"),
    comment="One immutable row of a stream: the deltas and the balances after it. The latest entry is the state",
)

order_line = Table(
    "order_line",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    Column("line_no", LINE_NUMBER, nullable=False),
    Column("pool_id", Uuid, nullable=False, comment="locked by whoever writes the line: no foreign key"),
    _name("sku"),
    _name("site"),
    _name("lot", comment="the lot that the customer named, or empty"),
    _name("uom"),
    Column("factor", POSITIVE, nullable=False, comment="of the packaging, frozen when the line was accepted"),
    Column("priority", Integer, nullable=False),
    _name("shortage_policy", SHORTAGE_POLICY),
    Column("queued_at", INSTANT, nullable=True, comment="when the demand was first accepted: its place in the queue"),
    *(Column(name, QUANTITY, nullable=False) for name in QUANTITIES),
    _name("allocation_policy", ALLOCATION_POLICY, server_default="first_expiry_first"),
    Column("least_expiry", Date, nullable=True, comment="what expires before is not taken"),
    Column(
        "allow_expired",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether what has expired already is taken",
    ),
    Column(
        "queued_later",
        String,
        nullable=False,
        server_default="[]",
        comment="JSON: the part of backordered that increases added, each with its time; the rest waits at queued_at",
    ),
    # A line that changes its sku or site is another demand under the same number.
    PrimaryKeyConstraint("tenant", "order_ref", "line_no", "pool_id"),
    CheckConstraint("ordered = reserved + backordered + shipped + cancelled", name="every_unit_is_somewhere"),
    CheckConstraint("picked <= reserved", name="picked_is_reserved"),
    CheckConstraint("returned <= delivered and delivered <= shipped", name="delivered_was_shipped"),
    CheckConstraint("backordered = 0 or queued_at is not null", name="waiting_has_a_place"),
    CheckConstraint("backordered > 0 or queued_later = '[]'", name="only_what_waits_is_queued"),
    # Serves the backorder queue: the head is the first row.
    Index(
        "ix_order_line_queue",
        "pool_id",
        text("priority desc"),
        "queued_at",
        "order_ref",
        "line_no",
        postgresql_where=text("backordered > 0"),
    ),
    # Serves names that were stored before names had one form.
    Index("ix_order_line_odd_lot", "tenant", "lot", postgresql_where=_odd("lot")),
    comment="What an order line wants and where each unit of it is: the queue, and the view that verify compares",
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="from 1, without a gap"),
    Column("covers_until", INSTANT, nullable=False, comment="what was recorded until then is covered, here or before"),
    Column("previous_hash", LargeBinary, nullable=False, comment="of the checkpoint before; zeros for the first"),
    Column("root", LargeBinary, nullable=False, comment="of the Merkle tree over the tails, then the postings"),
    Column("tails", BigInteger, nullable=False, comment="how many it covers"),
    Column("postings", BigInteger, nullable=False, comment="likewise"),
    Column("public_key", LargeBinary, nullable=False, comment="Ed25519"),
    Column("signature", LargeBinary, nullable=False, comment="over the canonical form"),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 of the canonical form"),
    # A checkpoint is followed by one other only.
    UniqueConstraint("previous_hash"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("tails >= 0 and postings >= 0", name="counts"),
    CheckConstraint(
        "octet_length(root) = 32 and octet_length(previous_hash) = 32 and octet_length(hash) = 32",
        name="hashes_are_sha256",
    ),
    CheckConstraint("octet_length(public_key) = 32 and octet_length(signature) = 64", name="signature_is_ed25519"),
    comment="A signed root over what was recorded since the one before. Never updated, never deleted",
)


def _of_checkpoint() -> Column[int]:
    # Deferred: the leaves are written first, and the root is that of what was written.
    belongs = ForeignKey(checkpoint.c.number, deferrable=True, initially="DEFERRED")
    return Column("number", BigInteger, belongs, nullable=False)


checkpoint_tail = Table(
    "checkpoint_tail",
    metadata,
    _of_checkpoint(),
    Column("stream_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False, comment="the entry's, as it was"),
    PrimaryKeyConstraint("number", "stream_id"),
    # A tail is covered once. Serves the look for what covers an entry.
    UniqueConstraint("stream_id", "seq"),
    CheckConstraint("octet_length(hash) = 32", name="hash_is_sha256"),
    comment="The latest entry of a stream that had changed when a checkpoint was taken: a leaf of its tree",
)

checkpoint_posting = Table(
    "checkpoint_posting",
    metadata,
    _of_checkpoint(),
    Column("posting_id", Uuid, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number", "posting_id"),
    UniqueConstraint("posting_id"),
    CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
    comment="A posting without entries that a checkpoint covers: a leaf of its tree",
)
