"""The tables of what was said. Each write has a natural key; each state names who may move it on."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(schema="records", naming_convention=NAMING)

INSTANT = DateTime(timezone=True)


def _name(name: str, **options: Any) -> Column[str]:
    return Column(name, String, nullable=False, **options)


def _maybe(name: str, **options: Any) -> Column[str]:
    return Column(name, String, nullable=True, **options)


def _number(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)


def _created(name: str = "created_at") -> Column[Any]:
    return Column(name, INSTANT, nullable=False, server_default=func.clock_timestamp())


# -- who may speak -----------------------------------------------------------------------------------------------

api_key = Table(
    "api_key",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True, comment="SHA-256 of the key; the key itself is not kept"),
    _name("tenant"),
    _maybe("source", comment="the ERP that the key speaks for; null for a scanner or an office"),
    Column("is_default_source", Boolean, nullable=False, comment="its orders are named by order_no alone, for ever"),
    _name("name", server_default=text("'key-' || gen_random_uuid()")),
    _maybe("scope", comment="null, from an older build: source where there is one, else office"),
    _maybe("owner", comment="whom it is for; null where it came by the environment"),
    Column("created_at", INSTANT, server_default=func.clock_timestamp(), comment="null: before this was kept"),
    Column("expires_at", INSTANT, comment="as it was made; what ends it sooner is an act"),
    Column("last_used_at", INSTANT, comment="to a minute"),
    _maybe("replaces", comment="the key that it is the successor of"),
    UniqueConstraint("tenant", "name"),
    UniqueConstraint("tenant", "replaces"),
    ForeignKeyConstraint(["tenant", "replaces"], ["records.api_key.tenant", "records.api_key.name"]),
    CheckConstraint("scope in ('source', 'floor', 'office', 'administrator')", name="scope"),
    CheckConstraint("(scope = 'source') = (source is not null)", name="a_source_is_a_scope"),
    CheckConstraint("replaces <> name", name="replaces_another"),
)

api_key_act = Table(
    "api_key_act",
    metadata,
    _name("tenant"),
    _name("name"),
    _name("act"),
    _created("at"),
    _name("actor", comment="who did it, as the sender says"),
    _maybe("by_key", comment="the name of the key that it was asked with; null at the command line"),
    _maybe("reason"),
    Column("ends_at", INSTANT, comment="when the key ends by this act"),
    PrimaryKeyConstraint("tenant", "name", "act"),
    ForeignKeyConstraint(["tenant", "name"], ["records.api_key.tenant", "records.api_key.name"]),
    CheckConstraint("act in ('made', 'rotated', 'revoked')", name="act"),
    CheckConstraint("(act = 'made') = (ends_at is null)", name="ends"),
    comment="What was done to keys, each once: a key that was revoked stays so",
)

erp_mapping = Table(
    "erp_mapping",
    metadata,
    _name("tenant"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the body and its contracts"),
    _name("body"),
    Column("contracts", JSONB, nullable=False, comment="{file: text}: WSDLs, schemas, OpenAPI documents"),
    _created(),
    PrimaryKeyConstraint("tenant", "digest"),
    CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
    comment="Mappings by what is in them: never changed, never deleted",
)

CONNECTION_REVISION: Final = Sequence("connection_revision", metadata=metadata)

connection = Table(
    "connection",
    metadata,
    _name("tenant"),
    _name("kind"),
    _name("name", comment="the source of an ERP's orders, or what orders name as their carrier"),
    _name("public_id", comment="random: it alone stands in inbound paths"),
    _maybe("adapter", comment="null: an older build had it in its environment; it is added before it works again"),
    Column("settings", JSONB, nullable=False, comment="nothing secret"),
    Column("mapping", LargeBinary),
    # off <-> observe -> inbound -> both, and back
    _name("flow"),
    _maybe("off_reason"),
    _maybe("before_off", comment="the flow that it may go back to at once"),
    Column("start_at", INSTANT, comment="an ERP's: what was closed there before never enters"),
    Column("at_once", Integer, nullable=False, comment="most calls at a time, of each worker"),
    Column("calls_per_second", Double, nullable=False, comment="most calls, over all workers"),
    Column("timeout_s", Double, nullable=False, comment="longest silence of the other side"),
    Column(
        "revision",
        BigInteger,
        CONNECTION_REVISION,
        nullable=False,
        server_default=CONNECTION_REVISION.next_value(),
        comment="another one with each change: running processes watch it",
    ),
    _created("made_at"),
    _created("changed_at"),
    PrimaryKeyConstraint("tenant", "kind", "name"),
    UniqueConstraint("public_id"),
    ForeignKeyConstraint(["tenant", "mapping"], ["records.erp_mapping.tenant", "records.erp_mapping.digest"]),
    CheckConstraint("kind in ('erp', 'carrier')", name="kind"),
    CheckConstraint("flow in ('off', 'observe', 'inbound', 'both')", name="flow"),
    CheckConstraint("(flow = 'off') = (off_reason is not null)", name="off_has_a_reason"),
    CheckConstraint("before_off is null or flow = 'off'", name="before_off"),
    CheckConstraint("adapter is not null or flow = 'off'", name="without_an_adapter_it_is_off"),
    CheckConstraint("(kind = 'erp') = (start_at is not null)", name="an_erp_starts"),
    CheckConstraint("at_once > 0 and calls_per_second > 0 and timeout_s > 0", name="limits"),
    comment="Accounts at ERPs and carriers. Its name and kind never change",
)

connection_former_id = Table(
    "connection_former_id",
    metadata,
    Column("public_id", String, primary_key=True),
    _name("tenant"),
    _name("kind"),
    _name("name"),
    Column("works_until", INSTANT, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "kind", "name"],
        ["records.connection.tenant", "records.connection.kind", "records.connection.name"],
    ),
    comment="Public ids that connections had before, and may still be reached under",
)

connection_secret = Table(
    "connection_secret",
    metadata,
    _name("tenant"),
    _name("kind"),
    _name("name"),
    _name("field"),
    _name("key_id", comment="of the sealing key that opens it"),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False, comment="AES-256-GCM, bound to tenant, kind, name and field"),
    _created("set_at"),
    PrimaryKeyConstraint("tenant", "kind", "name", "field"),
    ForeignKeyConstraint(
        ["tenant", "kind", "name"],
        ["records.connection.tenant", "records.connection.kind", "records.connection.name"],
    ),
)

CONNECTION_ACTS: Final = ("added", "changed", "secrets_set", "switched", "rotated", "resealed", "tested", "removed")

connection_act = Table(
    "connection_act",
    metadata,
    Column("act_no", BigInteger, Identity(always=True), primary_key=True),
    _name("tenant"),
    _name("kind"),
    _name("name"),
    _name("act"),
    _created("at"),
    _name("actor", comment="who did it, as the sender says"),
    _maybe("by_key", comment="the name of the key that it was asked with; null at the command line"),
    Column("what", JSONB, nullable=False, comment="what was changed; of secrets their names alone"),
    _maybe("reason"),
    CheckConstraint(f"act in {CONNECTION_ACTS}", name="act"),
    Index("ix_connection_act_connection", "tenant", "kind", "name"),
    comment="What was done to connections; it stays when one is removed",
)

PACKAGINGS_GTINS: Final[ColumnElement[Any]] = literal_column("jsonb_path_query_array(packagings, '$[*].\"gtin\"')")

# -- catalog -----------------------------------------------------------------------------------------------------

product = Table(
    "product",
    metadata,
    _name("tenant"),
    _name("sku"),
    _maybe("name"),
    _name("description"),
    _maybe("category"),
    _name("base_uom"),
    _maybe("gtin", comment="of the base unit"),
    Column("packagings", JSONB, nullable=False, comment="[{uom, factor, of, gtin}]"),
    _name("tracking"),
    _name("allocation_policy", server_default="first_expiry_first"),
    Column(
        "adds",
        JSONB,
        nullable=False,
        server_default=text("'[]'"),
        comment="[{sku, quantity, per, from, until}]: what comes along with so many of it, in orders of those days",
    ),
    Column(
        "kit",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="never stocked: what it adds are its components",
    ),
    Column("shelf_life_days", Integer),
    Column("weight_g", Integer),
    Column("length_mm", Integer),
    Column("width_mm", Integer),
    Column("height_mm", Integer),
    _created("updated_at"),
    PrimaryKeyConstraint("tenant", "sku"),
    CheckConstraint("tracking in ('none', 'lot', 'serial')", name="tracking"),
    CheckConstraint("not kit or tracking = 'none' and adds <> '[]'", name="a_kit_is_its_components"),
    CheckConstraint(
        "allocation_policy in ('first_expiry_first', 'first_in_first_out', 'fewest_locations', 'pick_route')",
        name="allocation_policy",
    ),
    Index("ix_product_gtin", "tenant", "gtin", postgresql_where=text("gtin is not null")),
    # What a scanner reads is looked up here.
    Index("ix_product_packagings_gtin", PACKAGINGS_GTINS, postgresql_using="gin"),
)

product_gtin = Table(
    "product_gtin",
    metadata,
    _name("tenant"),
    _name("gtin", comment="in 14 digits"),
    _name("sku"),
    _name("uom"),
    Column(
        "doubled",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="another packaging had it already, before that was refused",
    ),
    PrimaryKeyConstraint("tenant", "gtin", "sku", "uom"),
    ForeignKeyConstraint(["tenant", "sku"], [product.c.tenant, product.c.sku]),
    # A GTIN names one packaging of one sku.
    Index("uq_product_gtin_one_packaging", "tenant", "gtin", unique=True, postgresql_where=text("not doubled")),
    # Serves the trigger.
    Index("ix_product_gtin_tenant_sku", "tenant", "sku"),
    comment="Which packaging a GTIN names: one, but for what was doubled before. A trigger of product keeps it",
)

location = Table(
    "location",
    metadata,
    _name("tenant"),
    _name("location_id"),
    _name("site"),
    _maybe("parent"),
    _name("type"),
    Column("capacity", JSONB),
    _maybe("time_zone"),
    Column("address", JSONB, comment="the ship-from, of a site"),
    Column(
        "receipts_without_order",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether a site takes goods in that no purchase order names",
    ),
    _created("updated_at"),
    PrimaryKeyConstraint("tenant", "location_id"),
    ForeignKeyConstraint(["tenant", "parent"], ["records.location.tenant", "records.location.location_id"]),
    CheckConstraint(
        "type in ('site', 'zone', 'aisle', 'rack', 'bin', 'receiving', 'staging', 'dock', 'returns', 'quarantine')",
        name="type",
    ),
    Index("ix_location_site", "tenant", "site"),
    # Serves what lies below a location.
    Index("ix_location_parent", "tenant", "parent"),
)

# -- stock that is expected ---------------------------------------------------------------------------------------

inbound_order = Table(
    "inbound_order",
    metadata,
    _name("tenant"),
    _name("po_no"),
    Column("revision", Integer, nullable=False, server_default=text("1"), comment="the latest that was accepted"),
    _name("site"),
    _name("supplier"),
    Column("order_date", Date),
    Column("expected_date", Date, comment="a plan"),
    _maybe("external_reference"),
    _maybe("order_type"),
    Column("first_revision", Integer, nullable=False, server_default=text("1")),
    Column("digest", LargeBinary, nullable=False, comment="of what the first revision said"),
    _created(),
    PrimaryKeyConstraint("tenant", "po_no"),
    CheckConstraint("revision >= first_revision", name="revision"),
    comment="Purchase orders as they should be now. The row is the lock of what is expected and what arrived of it",
)

inbound_revision = Table(
    "inbound_revision",
    metadata,
    _name("tenant"),
    _name("po_no"),
    Column("revision", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="of what it said"),
    _created("accepted_at"),
    PrimaryKeyConstraint("tenant", "po_no", "revision"),
    ForeignKeyConstraint(["tenant", "po_no"], ["records.inbound_order.tenant", "records.inbound_order.po_no"]),
    comment="The revisions of purchase orders after their first ones. Append-only",
)

inbound_cancel = Table(
    "inbound_cancel",
    metadata,
    _name("tenant"),
    _name("po_no"),
    _name("cancel_no"),
    Column("digest", LargeBinary, nullable=False, comment="of what was asked"),
    _name("reason"),
    _name("actor"),
    Column("lines", JSONB, nullable=False, comment="{line_no: quantity}: how much of each, in base units"),
    _created("cancelled_at"),
    PrimaryKeyConstraint("tenant", "po_no", "cancel_no"),
    ForeignKeyConstraint(["tenant", "po_no"], ["records.inbound_order.tenant", "records.inbound_order.po_no"]),
    comment="What of purchase orders is not expected any more, and why. Append-only",
)

inbound_line = Table(
    "inbound_line",
    metadata,
    _name("tenant"),
    _name("po_no"),
    Column("line_no", Integer, nullable=False),
    _name("sku"),
    _name("uom"),
    _number("factor"),
    _number("expected"),
    _number("received"),
    _number("cancelled", server_default=text("0"), comment="of what is expected"),
    PrimaryKeyConstraint("tenant", "po_no", "line_no"),
    ForeignKeyConstraint(["tenant", "po_no"], ["records.inbound_order.tenant", "records.inbound_order.po_no"]),
    CheckConstraint("expected >= 0 and received >= 0 and factor > 0", name="positive"),
    CheckConstraint("cancelled between 0 and expected", name="cancelled"),
)

goods_receipt = Table(
    "goods_receipt",
    metadata,
    _name("tenant"),
    _name("po_no", comment="empty where no purchase order was named"),
    _name("receipt_no"),
    _name("location_id"),
    _maybe("supplier", comment="as was said where no purchase order says it"),
    Column("lines", JSONB, nullable=False, comment="as they were answered, in base units"),
    Column("posting_id", Uuid, nullable=False),
    Column("recorded_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("tenant", "po_no", "receipt_no"),
    comment="What arrived, as it was said. Append-only",
)

goods_receipt_reversal = Table(
    "goods_receipt_reversal",
    metadata,
    _name("tenant"),
    _name("po_no", comment="empty where no purchase order was named"),
    _name("receipt_no"),
    _name("reversal_no"),
    _name("reason"),
    _name("actor"),
    Column("posting_id", Uuid, nullable=False),
    Column("recorded_at", INSTANT, nullable=False),
    # None to the receipt: an older build kept none.
    PrimaryKeyConstraint("tenant", "po_no", "receipt_no"),
    comment="Which receipts were taken back, and why. Append-only",
)

# -- orders ---------------------------------------------------------------------------------------------------------

address = Table(
    "address",
    metadata,
    Column("address_id", Uuid, primary_key=True),
    _name("tenant"),
    Column("data", JSONB, nullable=True, comment="people's data, and the order's free note; null once erased"),
    _created(),
)

inbox = Table(
    "inbox",
    metadata,
    Column("inbox_id", BigInteger, Identity(always=True), primary_key=True),
    _name("tenant"),
    _name("order_ref"),
    _name("kind"),
    _name("key", comment="the business key of the command"),
    Column("attempt", Integer, nullable=False, comment="a repeat of an undecided row keeps it"),
    Column("digest", LargeBinary, nullable=False),
    Column("payload", JSONB, nullable=False),
    _name("actor"),
    # queued -> accepted | refused; both are final and carry the answer
    _name("state", server_default="queued"),
    Column("answer", JSONB),
    _created("received_at"),
    Column("decided_at", INSTANT),
    UniqueConstraint("tenant", "order_ref", "key", "attempt"),
    CheckConstraint("state in ('queued', 'accepted', 'refused')", name="state"),
    CheckConstraint("(state = 'queued') = (decided_at is null)", name="decided"),
    Index("ix_inbox_undecided", "tenant", "order_ref", "inbox_id", postgresql_where=text("state = 'queued'")),
    comment="Every command before Temporal is called. Commands of an order are decided in the order of their rows",
)

orders = Table(
    "orders",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name("source"),
    _name("order_no"),
    _name("site"),
    _name("status"),
    Column("needs_attention", Boolean, nullable=False, server_default=text("false")),
    Column("attention", JSONB),
    Column("revision", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    _name("shortage_policy"),
    _maybe("customer_no"),
    Column("requested_delivery", Date),
    _name("carrier"),
    _name("service_level"),
    Column("address_id", Uuid, nullable=False),
    Column("ordered_at", INSTANT, nullable=False),
    Column("ship_complete", Boolean, nullable=False, server_default=text("false")),
    Column("backorder_until", INSTANT, comment="what still waits for stock then is cancelled; null waits for ever"),
    _maybe("replaces", comment="the order_no of its ERP's order in whose place it is sent"),
    _maybe("replaces_return", comment="the return of that order that it is for"),
    Column("next_erp_number", Integer, nullable=False, server_default=text("1")),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    _created(),
    _created("updated_at"),
    Column("closed_at", INSTANT),
    PrimaryKeyConstraint("tenant", "order_ref"),
    UniqueConstraint("tenant", "source", "order_no"),
    ForeignKeyConstraint(
        ["tenant", "source", "replaces"],
        ["records.orders.tenant", "records.orders.source", "records.orders.order_no"],
    ),
    CheckConstraint("replaces <> order_no", name="replaces_another"),
    CheckConstraint("replaces is not null or replaces_return is null", name="a_return_is_of_what_it_replaces"),
    Index("ix_orders_status", "tenant", "status", "updated_at"),
    Index("ix_orders_open", "tenant", "order_ref", postgresql_where=text("closed_at is null")),
    Index("ix_orders_replaces", "tenant", "source", "replaces", postgresql_where=text("replaces is not null")),
    Index(
        "ix_orders_backorder_until",
        "backorder_until",
        postgresql_where=text("status = 'backordered' and closed_at is null and backorder_until is not null"),
    ),
    comment="Accepted orders. The row is the lock of everything that is said of an order",
)

order_revision = Table(
    "order_revision",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    Column("revision", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="of the content but for ordered_at"),
    Column("content", JSONB, nullable=False, comment="as accepted, without people's data"),
    Column("address_id", Uuid, nullable=False),
    _created("accepted_at"),
    PrimaryKeyConstraint("tenant", "order_ref", "revision"),
    ForeignKeyConstraint(["tenant", "order_ref"], ["records.orders.tenant", "records.orders.order_ref"]),
)

shipment = Table(
    "shipment",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name("shipment_no"),
    _name("site"),
    _name("carrier"),
    _name("service_level"),
    _name("tracking_status"),
    Column("handed_over_at", INSTANT),
    _maybe("handover_evidence"),
    Column("delivered_at", INSTANT),
    Column("proof_of_delivery", JSONB),
    Column("dissolved_at", INSTANT, comment="its label was voided for good and its stock is no longer in it"),
    _created(),
    PrimaryKeyConstraint("tenant", "order_ref", "shipment_no"),
    ForeignKeyConstraint(["tenant", "order_ref"], ["records.orders.tenant", "records.orders.order_ref"]),
    # Transit locations are named by the shipment, so its number is unique in a tenant.
    UniqueConstraint("tenant", "shipment_no"),
)

parcel = Table(
    "parcel",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name("shipment_no"),
    Column("parcel_no", Integer, nullable=False),
    Column("weight_g", Integer, nullable=False),
    Column("length_mm", Integer),
    Column("width_mm", Integer),
    Column("height_mm", Integer),
    Column("lines", JSONB, nullable=False, comment="[{line_no, sku, quantity, lot}] in base units"),
    Column(
        "packing", Integer, nullable=False, server_default=text("1"), comment="moves on where it must be packed anew"
    ),
    _maybe("tracking_number", comment="of the label that it goes by; null until that is bought"),
    Column("label", LargeBinary),
    _maybe("label_media_type"),
    _name("tracking_status"),
    Column("last_heard_at", INSTANT),
    # underway -> delivered | lost | came back; lost -> delivered: it was found after all
    Column("delivered_at", INSTANT),
    Column("lost_at", INSTANT),
    Column(
        "loss", JSONB(none_as_null=True), comment="{reason, resend, lines}: what was written off, by lot and serial"
    ),
    Column("came_back_at", INSTANT, comment="undelivered"),
    Column("intercepted_at", INSTANT, comment="the carrier said that it sends it back"),
    PrimaryKeyConstraint("tenant", "order_ref", "shipment_no", "parcel_no"),
    CheckConstraint("(lost_at is null) = (loss is null)", name="lost"),
    CheckConstraint("num_nonnulls(delivered_at, lost_at, came_back_at) <= 1", name="ends_once"),
    ForeignKeyConstraint(
        ["tenant", "order_ref", "shipment_no"],
        ["records.shipment.tenant", "records.shipment.order_ref", "records.shipment.shipment_no"],
    ),
    # Serves callbacks: whose parcel is this?
    Index("ix_parcel_tracking_number", "tracking_number", postgresql_where=text("tracking_number is not null")),
)

label = Table(
    "label",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name("shipment_no"),
    Column("version", Integer, nullable=False, comment="of the step that it was bought by"),
    Column("parcel_no", Integer, nullable=False),
    _name("carrier"),
    _name("service_level"),
    Column("packing", Integer, nullable=False, comment="the parcel's when it was asked for"),
    Column("lines", JSONB, nullable=False, comment="what the parcel held then"),
    _maybe("tracking_number", comment="as the carrier writes it; null until it is bought"),
    _maybe("matched_as", comment="the number without blanks, in capitals: scans are matched by it"),
    Column("document", LargeBinary, comment="while its parcel goes by another label, which has its own"),
    _maybe("media_type"),
    _created(),
    Column("last_heard_at", INSTANT),
    Column("noted_at", INSTANT, comment="when a person took note that it was scanned though it was replaced"),
    PrimaryKeyConstraint("tenant", "order_ref", "shipment_no", "version", "parcel_no"),
    ForeignKeyConstraint(
        ["tenant", "order_ref", "shipment_no", "parcel_no"],
        [
            "records.parcel.tenant",
            "records.parcel.order_ref",
            "records.parcel.shipment_no",
            "records.parcel.parcel_no",
        ],
    ),
    CheckConstraint("(tracking_number is null) = (matched_as is null)", name="matched"),
    # Serves callbacks: whose parcel is this?
    Index("ix_label_matched_as", "tenant", "matched_as", postgresql_where=text("matched_as is not null")),
    comment="Every label that was asked for, of each parcel: a scan of one that was replaced finds its parcel, too",
)

STEP_STATES: Final = ("intended", "sent", "unknown", "done", "undone", "skipped")
_STEP_STATE = f"state in {STEP_STATES}"

carrier_step = Table(
    "carrier_step",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name(
        "step_id", comment="label/<shipment_no>/<n>, void/<shipment_no>/<n> or intercept/<shipment_no>/<parcel_no>/<n>"
    ),
    _name("kind"),
    _name("shipment_no"),
    Column("parcel_no", Integer, comment="of an intercept; labels and voids are of all parcels"),
    Column("version", Integer, nullable=False, comment="what is bought, or asked for, again is the next version"),
    _maybe("carrier", comment="of whom it is asked; null where an older build wrote it, and it is the order's"),
    _name("reference", comment="ours, the same on every attempt; the carrier can be asked by it"),
    # intended -> sent -> done | unknown; unknown -> done | intended; done -> undone (voided); any but done -> skipped
    _name("state"),
    _maybe("booking_id"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _maybe("last_error"),
    _maybe("refusal", comment="why the carrier would not intercept a parcel, in our words"),
    _created(),
    _created("updated_at"),
    PrimaryKeyConstraint("tenant", "order_ref", "step_id"),
    UniqueConstraint("tenant", "reference", "kind"),
    CheckConstraint("kind in ('label', 'void', 'intercept')", name="kind"),
    CheckConstraint("(kind = 'intercept') = (parcel_no is not null)", name="of_a_parcel"),
    CheckConstraint("refusal is null or (kind = 'intercept' and state = 'skipped')", name="refused"),
    CheckConstraint(_STEP_STATE, name="state"),
    CheckConstraint("kind <> 'label' or state not in ('done', 'undone') or booking_id is not null", name="done"),
)

erp_message = Table(
    "erp_message",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    Column("number", Integer, nullable=False, comment="its place in the order's feed"),
    _name("kind"),
    _name("reference"),
    Column("payload", JSONB, nullable=False),
    # intended -> sent -> done | unknown; unknown -> done | intended; any but done -> skipped
    _name("state"),
    _maybe("document_no", comment="the ERP's own number of what it made of the message"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _maybe("last_error"),
    _created(),
    Column("done_at", INSTANT),
    Column(
        "nothing_told",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="such a message makes no document there",
    ),
    Column("waits_since", INSTANT, comment="when the ERP was first without what it is to make before; null: it isn't"),
    _maybe("mapping_digest", comment="SHA-256 of the mapping by which the last attempt was made, in hex"),
    PrimaryKeyConstraint("tenant", "order_ref", "number"),
    UniqueConstraint("tenant", "reference"),
    CheckConstraint(_STEP_STATE, name="state"),
    CheckConstraint("state <> 'done' or document_no is not null or nothing_told", name="done_has_a_document"),
    Index("ix_erp_message_waiting", "tenant", "order_ref", postgresql_where=text("state not in ('done', 'skipped')")),
)

carrier_event = Table(
    "carrier_event",
    metadata,
    Column("carrier_event_id", BigInteger, Identity(always=True), primary_key=True),
    _name("tenant"),
    _name("carrier", comment="the connection's name"),
    _maybe("connection", comment="as a build before 0031 named it; null since"),
    _name("event_id"),
    _name("tracking_number"),
    _name("status"),
    _name("vendor_status"),
    Column("occurred_at", INSTANT, comment="no later than it was received"),
    Column("told_at", INSTANT, comment="when the carrier says that it happened, where that can't be"),
    _maybe("location"),
    _maybe("signed_by"),
    _name("heard_by", comment="callback or poll"),
    _created("received_at"),
    _maybe("order_ref", comment="whose parcel it is; null until its tracking number is known"),
    _maybe("shipment_no"),
    Column("parcel_no", Integer),
    Column("applied_at", INSTANT, comment="when the order's workflow had dealt with it"),
    _maybe("effect", comment="what it changed: advanced, or why nothing"),
    UniqueConstraint("tenant", "carrier", "event_id"),
    CheckConstraint("heard_by in ('callback', 'poll')", name="heard_by"),
    Index("ix_carrier_event_tracking_number", "tracking_number"),
    Index("ix_carrier_event_unapplied", "carrier_event_id", postgresql_where=text("applied_at is null")),
    Index("ix_carrier_event_order", "tenant", "order_ref"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", BigInteger, Identity(always=True), primary_key=True),
    _name("tenant"),
    _name("order_ref"),
    _name("signal"),
    _created(),
    Column("delivered_at", INSTANT),
    CheckConstraint("signal in ('carrier_event', 'stock_allocated', 'hold_displaced')", name="signal"),
    Index("ix_outbox_undelivered", "outbox_id", postgresql_where=text("delivered_at is null")),
    comment="What an order's workflow must hear because another order or a callback changed something",
)

count_task = Table(
    "count_task",
    metadata,
    _name("tenant"),
    _name("task_no", comment="made of the order and the pick that it came from"),
    _name("site"),
    _name("location_id"),
    _name("sku"),
    _name("lot", comment="empty where the sku has none"),
    Column("serial_numbers", JSONB, nullable=False, comment="those that are missing, of a sku that has them"),
    _number("missing"),
    _name("order_ref"),
    Column("line_no", Integer, nullable=False),
    _name("pick_no"),
    _created(),
    # open -> done, in the transaction of the count's posting
    Column("done_at", INSTANT),
    Column("found", BigInteger, comment="the rest was written off"),
    _maybe("counted_by"),
    Column("digest", LargeBinary, comment="of what was counted, in the counter's own words"),
    PrimaryKeyConstraint("tenant", "task_no"),
    ForeignKeyConstraint(["tenant", "order_ref"], ["records.orders.tenant", "records.orders.order_ref"]),
    CheckConstraint("missing > 0 and found between 0 and missing", name="found"),
    CheckConstraint("(done_at is null) = (found is null) and (done_at is null) = (counted_by is null)", name="done"),
    Index("ix_count_task_created_at", "tenant", "created_at", "task_no"),
    Index("ix_count_task_open", "tenant", "created_at", "task_no", postgresql_where=text("done_at is null")),
    comment="What a picker did not find, put aside as inspection until somebody has counted",
)

operator_batch = Table(
    "operator_batch",
    metadata,
    _name("tenant"),
    _name("batch_no"),
    _maybe("source", comment="whose orders it is for; null is anybody's"),
    Column("digest", LargeBinary, nullable=False, comment="of what was asked"),
    Column("request", JSONB, nullable=False, comment="what was asked, and which orders it was for"),
    _name("actor"),
    _created("accepted_at"),
    PrimaryKeyConstraint("tenant", "batch_no"),
    comment="One act of an operator for many orders. Append-only: what became of it is in the inbox",
)

operator_batch_order = Table(
    "operator_batch_order",
    metadata,
    _name("tenant"),
    _name("batch_no"),
    _name("order_ref"),
    Column("inbox_id", BigInteger, nullable=False, comment="the act as this order decides it"),
    PrimaryKeyConstraint("tenant", "batch_no", "order_ref"),
    ForeignKeyConstraint(["tenant", "batch_no"], ["records.operator_batch.tenant", "records.operator_batch.batch_no"]),
    # None to the orders: their rows are locks, and these would be taken in no order.
    ForeignKeyConstraint(["inbox_id"], ["records.inbox.inbox_id"]),
    comment="The orders of a batch, as its query found them when it was accepted. Append-only",
)

return_authorization = Table(
    "return_authorization",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name("authorization_no"),
    Column("digest", LargeBinary, nullable=False, comment="of what was asked"),
    _name("reason"),
    _name("actor"),
    Column("valid_until", INSTANT, comment="what comes back later does not come by it; null is for ever"),
    _created("authorized_at"),
    PrimaryKeyConstraint("tenant", "order_ref", "authorization_no"),
    ForeignKeyConstraint(["tenant", "order_ref"], ["records.orders.tenant", "records.orders.order_ref"]),
    comment="What the office lets come back of an order. Append-only: what came is in the inbox",
)

return_authorization_line = Table(
    "return_authorization_line",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name("authorization_no"),
    Column("line_no", Integer, nullable=False),
    _name("sku"),
    _number("quantity", comment="in base units"),
    PrimaryKeyConstraint("tenant", "order_ref", "authorization_no", "line_no"),
    ForeignKeyConstraint(
        ["tenant", "order_ref", "authorization_no"],
        [
            "records.return_authorization.tenant",
            "records.return_authorization.order_ref",
            "records.return_authorization.authorization_no",
        ],
    ),
    CheckConstraint("quantity > 0", name="quantity"),
    comment="How much of each line an authorization is for. Append-only",
)

discrepancy = Table(
    "discrepancy",
    metadata,
    Column("discrepancy_id", BigInteger, Identity(always=True), primary_key=True),
    _name("tenant"),
    _name("kind"),
    _maybe("order_ref"),
    _name("sku"),
    _name("site"),
    _number("quantity"),
    _name("detail"),
    Column("posting_id", Uuid),
    _created(),
    # open -> settled, by a person
    Column("resolved_at", INSTANT),
    _maybe("settlement_no", comment="null where it is open, and where it was settled by SQL"),
    _maybe("settled_by"),
    _maybe("reason_code", comment="null where the reason was told in words, which are kept under an id"),
    _maybe("adjustment_no", comment="the adjustment or count that mended it, if one did"),
    Column("digest", LargeBinary, comment="of what was said when it was settled"),
    CheckConstraint(
        "(settlement_no is null) = (settled_by is null) and (settlement_no is null) = (digest is null)"
        " and (settlement_no is null or resolved_at is not null)"
        " and (settlement_no is not null or (reason_code is null and adjustment_no is null))",
        name="settled",
    ),
    # Serves the answer to what was posted all the same.
    Index("ix_discrepancy_posting_id", "posting_id"),
    Index("ix_discrepancy_all", "tenant", "discrepancy_id"),
    Index("ix_discrepancy_open", "tenant", "discrepancy_id", postgresql_where=text("resolved_at is null")),
    comment="One difference between what we knew and what turned out to be",
)

partner_words = Table(
    "partner_words",
    metadata,
    Column("words_id", Uuid, primary_key=True, comment="made of tenant, order and step"),
    _name("tenant"),
    _name("order_ref"),
    _name("step", comment="a carrier_step's step_id, erp/<number>, track/<tracking number>, or restored"),
    _name("partner", comment="a carrier, or the source of an ERP"),
    _name("code", comment="ours, for what it comes to"),
    _maybe("words", comment="as they were said last; null once erased, and then for good"),
    _created("first_said_at"),
    _created("said_at"),
    CheckConstraint("char_length(words) <= 4000", name="bounded"),
    Index("ix_partner_words_order", "tenant", "order_ref"),
    comment="What partners said when they did not do what was asked. It may be about people, and is nowhere else",
)

# -- after a restore from a backup --------------------------------------------------------------------------------

restoration = Table(
    "restoration",
    metadata,
    Column(
        "epoch",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="by the clock, in seconds: no two lives have the same",
    ),
    _created("restored_at"),
    Column(
        "looked_at", INSTANT, comment="when the partners and Temporal had been asked what they know of each open order"
    ),
    Column(
        "finished_at",
        INSTANT,
        comment="when all had been said again: what was intended before is asked for by reference first",
    ),
    comment="Each time that the database was restored from a backup, as it was told",
)

missing_row = Table(
    "missing_row",
    metadata,
    _name("tenant"),
    _name("order_ref"),
    _name("what"),
    _created("found_at"),
    PrimaryKeyConstraint("tenant", "order_ref", "what"),
    comment="What others name and the database has not: nothing is sent until a restore is told of",
)

known_elsewhere = Table(
    "known_elsewhere",
    metadata,
    Column("epoch", BigInteger, nullable=False, autoincrement=False),
    _name("tenant"),
    _name("order_ref"),
    _name("partner"),
    _name("name", comment="the partner's or Temporal's name of it"),
    _name("detail"),
    _created("found_at"),
    Column("settled_at", INSTANT, comment="when it was undone"),
    PrimaryKeyConstraint("epoch", "tenant", "order_ref", "partner", "name"),
    ForeignKeyConstraint(["epoch"], ["records.restoration.epoch"]),
    CheckConstraint("partner in ('carrier', 'erp', 'temporal')", name="partner"),
    comment="What only others knew after a restore; a person looks at what nobody has said again",
)

# -- whether there is room ----------------------------------------------------------------------------------------

write_probe = Table(
    "write_probe",
    metadata,
    Column("one", Boolean, primary_key=True),
    _number("octets"),
    Column("written_at", INSTANT, nullable=False),
    CheckConstraint("one", name="one"),
    comment="When somebody last found out that there is room to write",
)
