"""All tables. `migrations/` builds them; a test holds the two together.

Shapes that carry the weight of a hundred million exposures:

* `events` is the register of ids: `UNIQUE (project_id, event_id)` for ever. What an event *says* lies in one typed
  table (`exposures`, `orders`, `refunds`, `interactions`) under the same id.
* `customer` is the vault's number everywhere, from a random one on (ADR 0010); ids as sent are in no table.
* times are int64 microseconds UTC, amounts int64 minor units (`_minor`) or millionths (`_micro`).
* the latest truth about a customer (`profiles`, `assignments`) is clustered by customer: a decision reads it by key.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from offerlab.storage.columns import Digest, Document, Identifier, Name, Number

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _project() -> Column[int]:
    return Column("project_id", Number, ForeignKey("projects.id"), nullable=False, primary_key=True)


projects = Table(
    "projects",
    metadata,
    Column("id", Number, primary_key=True),
    Column("key", Name, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("currency", Name, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # HMAC key of the vault and of decision tokens
    Column("settings", Document, nullable=False),
    Column("version", Number, nullable=False),  # raised by whatever changes a decision
    Column("created_at", Number, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, ForeignKey("projects.id"), nullable=False, index=True),
    Column("kind", Name, nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Name, nullable=False),
    Column("digest", Digest, nullable=False, unique=True),
    Column("created_at", Number, nullable=False),
    Column("last_used_at", Number),
    Column("expires_at", Number),
    Column("revoked_at", Number),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Digest, primary_key=True),
    Column("key_id", Number, ForeignKey("keys.id"), nullable=False),
    Column("created_at", Number, nullable=False),
    Column("expires_at", Number, nullable=False),
)

vault = Table(  # as with events, whoever writes has loaded the project: not asked again for every customer
    "vault",
    metadata,
    Column("project_id", Number, primary_key=True, autoincrement=False),
    Column("digest", Digest, primary_key=True),
    Column("customer", Number, nullable=False, index=True),
    Column("root", Number, nullable=False),  # the number it counts under now: of whoever it was linked to
    Column("created_at", Number, nullable=False),
    sqlite_with_rowid=False,
)
Index(  # most ids count under their own number, which `ix_vault_customer` finds
    "ix_vault_root",
    vault.c.root,
    sqlite_where=vault.c.root != vault.c.customer,
    postgresql_where=vault.c.root != vault.c.customer,
)

erased = Table(
    "erased",
    metadata,
    _project(),
    Column("digest", Digest, primary_key=True),
    Column("erased_at", Number, nullable=False),
    sqlite_with_rowid=False,
)

contact_keys = Table(
    "contact_keys",
    metadata,
    Column("customer", Number, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
)

contacts = Table(
    "contacts",
    metadata,
    Column("customer", Number, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("updated_at", Number, nullable=False),
)

merges = Table(
    "merges",
    metadata,
    _project(),
    Column("event_id", Identifier, primary_key=True),  # what said so
    Column("customer", Number, nullable=False, index=True),  # the number given up: by the earliest that stands
    Column("into_customer", Number, nullable=False, index=True),
    Column("linked_at", Number, nullable=False),  # when it happened
    Column("merged_at", Number, nullable=False),  # when we heard
    Column("undone_at", Number),
    sqlite_with_rowid=False,
)

payloads = Table(
    "payloads",
    metadata,
    _project(),
    Column("event_id", Identifier, primary_key=True),
    Column("customer", Number, nullable=False, index=True),
    Column("received_at", Number, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),  # as sent, under the customer's own key
    sqlite_with_rowid=False,
)

privacy_requests = Table(
    "privacy_requests",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("kind", Name, nullable=False),
    Column("digest", Digest),  # the customer, as the vault knows them; null for the whole shop
    Column("received_at", Number, nullable=False),
    Column("due_at", Number, nullable=False),
    Column("done_at", Number),
    UniqueConstraint("project_id", "request_id"),
)

imports = Table(
    "imports",
    metadata,
    _project(),
    Column("digest", Digest, primary_key=True),  # of file and mapping
    Column("kind", Name, nullable=False),
    Column("rows", Number, nullable=False),  # how many of the file's rows are done
    Column("accepted", Number, nullable=False),
    Column("bad", Number, nullable=False),
    Column("updated_at", Number, nullable=False),
    sqlite_with_rowid=False,
)

products = Table(
    "products",
    metadata,
    _project(),
    Column("sku", Name, primary_key=True),
    Column("name", Text, nullable=False),
    Column("category", Text),
    Column("price_micro", Number, nullable=False),
    Column("unit_cost_micro", Number),
    Column("stock", Number),
    Column("kind", Name, nullable=False),
    Column("attributes", Document, nullable=False),
    Column("updated_at", Number, nullable=False),
)

relations = Table(
    "relations",
    metadata,
    _project(),
    Column("sku", Name, primary_key=True),
    Column("kind", Name, primary_key=True),
    Column("target", Name, primary_key=True),
    Column("rank", Integer, nullable=False),
    Column("features", Document, nullable=False),
    Column("source", Name, nullable=False),
    Column("evidence", Document, nullable=False),
)

offers = Table(
    "offers",
    metadata,
    _project(),
    Column("key", Name, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("kind", Name, nullable=False),
    Column("body", Document, nullable=False),
    Column("created_at", Number, nullable=False),
)

segments = Table(
    "segments",
    metadata,
    _project(),
    Column("key", Name, primary_key=True),
    Column("name", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("rule", Document, nullable=False),
    Column("created_at", Number, nullable=False),
)

layers = Table(
    "layers",
    metadata,
    _project(),
    Column("key", Name, primary_key=True),
    Column("name", Text, nullable=False),
    Column("salt", Name, nullable=False),
    Column("created_at", Number, nullable=False),
)

metrics = Table(
    "metrics",
    metadata,
    _project(),
    Column("key", Name, primary_key=True),
    Column("body", Document, nullable=False),
    Column("created_at", Number, nullable=False),
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, ForeignKey("projects.id"), nullable=False),
    Column("key", Name, nullable=False),
    Column("status", Name, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("body", Document, nullable=False),  # all settings but the three tables below
    Column("created_at", Number, nullable=False),
    UniqueConstraint("project_id", "key"),
)

variants = Table(
    "variants",
    metadata,
    Column("experiment_id", Number, ForeignKey("experiments.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("key", Name, nullable=False),
    Column("role", Name),
    Column("offer", Name),
    Column("weight", Double, nullable=False),
    Column("value", Document),
)

epochs = Table(
    "epochs",
    metadata,
    Column("experiment_id", Number, ForeignKey("experiments.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", Number, nullable=False),
    Column("traffic", Double, nullable=False),
    Column("arms", Document, nullable=False),  # segment -> [[start, end, variant], …]
    Column("claims", Document, nullable=False),  # slots owned in layers
)

changes = Table(
    "changes",
    metadata,
    Column("experiment_id", Number, ForeignKey("experiments.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Number, nullable=False),
    Column("status", Name, nullable=False),
    Column("serve", Document, nullable=False),
)

assignments = Table(
    "assignments",
    metadata,
    Column("customer", Number, primary_key=True, autoincrement=False),
    Column("experiment_id", Number, primary_key=True, autoincrement=False),
    Column("variant", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("segment", Name),
    Column("bucket", Integer, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("exposed_at", Number, nullable=False),
    sqlite_with_rowid=False,
)

profiles = Table(
    "profiles",
    metadata,
    Column("customer", Number, primary_key=True, autoincrement=False),
    Column("project_id", Number, nullable=False),
    Column("body", LargeBinary, nullable=False),  # msgpack of domain.customer.Profile
    Column("updated_at", Number, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("project_id", Number, nullable=False),
    Column("event_id", Identifier, nullable=False),
    Column("type", Name, nullable=False),
    Column("customer", Number, nullable=False),
    Column("occurred_at", Number, nullable=False),
    Column("received_at", Number, nullable=False),
    Column("digest", Digest, nullable=False),
    UniqueConstraint("project_id", "event_id"),
    Index("ix_events_customer", "customer", "seq"),
)


def _event_key() -> tuple[Column[int], Column[str]]:
    return (
        Column("project_id", Number, primary_key=True, autoincrement=False),
        Column("event_id", Identifier, primary_key=True),
    )


def _times() -> tuple[Column[int], Column[int]]:
    return Column("occurred_at", Number, nullable=False), Column("received_at", Number, nullable=False)


exposures = Table(  # in the order in which a report reads them; `events` sees to it that an id comes once
    "exposures",
    metadata,
    Column("project_id", Number, nullable=False),
    Column("event_id", Identifier, nullable=False),
    Column("experiment_id", Number, nullable=False),
    Column("customer", Number, nullable=False),
    Column("variant", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("segment", Name),
    Column("bucket", Integer, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("suppressed", Name),
    Column("offer", Name),
    Column("template", Name),  # hash of the message shown
    Column("channel", Name),
    Column("placement", Name),
    Column("slot", Name),  # of a page that has several, as the shop calls them
    Column("device", Name),
    Column("agent", Name),  # of customer care, as the shop calls them
    *_times(),
    PrimaryKeyConstraint("experiment_id", "customer", "occurred_at", "event_id"),
    sqlite_with_rowid=False,
)

exposure_skus = Table(  # products that were picked for this customer; none: the offer's own
    "exposure_skus",
    metadata,
    *_event_key(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("experiment_id", Number, nullable=False, index=True),
    Column("sku", Name, nullable=False),
    sqlite_with_rowid=False,
)

orders = Table(
    "orders",
    metadata,
    *_event_key(),
    Column("order_id", Text, nullable=False),
    Column("customer", Number, nullable=False),
    Column("currency", Name, nullable=False),
    Column("net_minor", Number, nullable=False),  # sum of the lines: before tax, shipping and refunds
    Column("shipping_minor", Number, nullable=False),
    Column("tax_minor", Number, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("code", Text),
    Column("revision", Number, nullable=False),  # the highest one of an order_id counts
    *_times(),
    Index("ix_orders_customer", "customer", "occurred_at"),
    Index("ix_orders_order_id", "order_id"),
    sqlite_with_rowid=False,
)

order_lines = Table(
    "order_lines",
    metadata,
    *_event_key(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("line_id", Text, nullable=False),
    Column("sku", Name, nullable=False),
    Column("quantity", Number, nullable=False),
    Column("price_micro", Number, nullable=False),
    Column("net_minor", Number, nullable=False),
    Column("discount_minor", Number, nullable=False),
    Column("cost_minor", Number),
    Column("offer", Name),
    sqlite_with_rowid=False,
)

refunds = Table(
    "refunds",
    metadata,
    *_event_key(),
    Column("refund_id", Text),  # null for a cancellation, which gives back all that is left
    Column("order_id", Text, nullable=False),
    Column("customer", Number, nullable=False),
    Column("currency", Name),
    Column("amount_minor", Number),  # null: the sum of its lines; a cancellation: everything
    Column("lines", Integer, nullable=False),
    *_times(),
    Index("ix_refunds_order_id", "order_id"),
    sqlite_with_rowid=False,
)

refund_lines = Table(
    "refund_lines",
    metadata,
    *_event_key(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("line_id", Text, nullable=False),
    Column("quantity", Number),
    Column("amount_minor", Number),  # null: the line's own value for that quantity
    sqlite_with_rowid=False,
)

interactions = Table(
    "interactions",
    metadata,
    *_event_key(),
    Column("type", Name, nullable=False),
    Column("customer", Number, nullable=False),
    Column("experiment_id", Number),
    Column("variant", Integer),
    Column("offer", Name),
    Column("sku", Name),
    Column("number", Double),
    Column("body", Document),
    *_times(),
    Index("ix_interactions_customer", "customer", "type", "occurred_at"),
    sqlite_with_rowid=False,
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, ForeignKey("projects.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("types", Document, nullable=False),  # kinds of message it wants; an empty list wants all
    Column("description", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # signs what is sent; shown once
    Column("old_secret", LargeBinary),  # signs too, until `old_until`
    Column("old_until", Number),
    Column("enabled", Boolean, nullable=False),
    Column("reason", Text),  # why it was switched off
    Column("created_at", Number, nullable=False),
)

timed_offers = Table(
    "timed_offers",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, nullable=False),
    Column("customer", Number, nullable=False),
    Column("offer", Name, nullable=False),
    Column("offer_version", Integer, nullable=False),
    Column("experiment_id", Number, nullable=False),
    Column("variant", Integer, nullable=False),
    Column("channel", Name, nullable=False),
    Column("delivery", Name, nullable=False),
    Column("order_id", Text),  # the order whose parcel it waits for
    Column("stage", Name),  # the stage it waits for
    Column("context", Document, nullable=False),
    Column("triggered_at", Number, nullable=False),
    Column("delay", Number, nullable=False),  # microseconds after the trigger, or after the stage
    Column("lasts", Number),  # microseconds after it fell due
    Column("due_at", Number),  # null while it waits for its stage
    Column("status", Name, nullable=False),
    Column("reason", Name),
    Column("updated_at", Number, nullable=False),
    UniqueConstraint("project_id", "customer", "offer"),  # at most once per offer and customer
    Index("ix_timed_offers_status", "status", "due_at"),
    Index("ix_timed_offers_order_id", "order_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, nullable=False),
    Column("message_id", Name, nullable=False),
    Column("target", Name, nullable=False),  # email, or webhook:<id>
    Column("webhook_id", Number),
    Column("timed_offer_id", Number),
    Column("customer", Number),
    Column("type", Name, nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed under the customer's key where it speaks of one
    Column("status", Name, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),  # of the attempts: those that were answered, and badly
    Column("next_at", Number, nullable=False),
    Column("lease_until", Number),
    Column("created_at", Number, nullable=False),
    Column("done_at", Number),
    Column("answer", Integer),  # HTTP status or SMTP reply of the last attempt
    Column("error", Text),
    UniqueConstraint("message_id", "target"),
    Index("ix_outbox_status", "status", "next_at"),
    Index("ix_outbox_webhook_id", "webhook_id", "id"),
    Index("ix_outbox_customer", "customer"),
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, nullable=False),
    Column("received_at", Number, nullable=False),
    Column("code", Name, nullable=False),
    Column("detail", Text, nullable=False),
    Column("event_id", Text),
    Column("type", Text),
    Column("source", Name, nullable=False),  # how it is to be read again
    Column("sample", Text),  # the body with personal fields masked
    Column("sealed", LargeBinary),  # as sent, under the project's key
    Column("digest", Digest, index=True),  # the customer, where one could be read: erasing takes it along
    Column("redriven", Boolean, nullable=False),
    Index("ix_rejected_project_id", "project_id", "code", "received_at"),
)

latest = Table(
    "latest",
    metadata,
    Column("key_id", Number, primary_key=True, autoincrement=False),  # 0 is webhooks
    Column("run", Number, primary_key=True, autoincrement=False),  # the process that tells it
    Column("updated_at", Number, nullable=False),
    Column("body", Document, nullable=False),
    sqlite_with_rowid=False,
)

builds = Table(
    "builds",
    metadata,
    _project(),
    Column("built_at", Number, primary_key=True, autoincrement=False),
    Column("body", Document, nullable=False),  # from what it was made, and how it differs from the one before
)

reports = Table(
    "reports",
    metadata,
    Column("experiment_id", Number, ForeignKey("experiments.id"), primary_key=True),
    Column("as_of", Number, primary_key=True, autoincrement=False),
    Column("digest", Digest, nullable=False),
    Column("body", Text, nullable=False),
    Column("frozen_at", Number, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Number, primary_key=True),
    Column("project_id", Number, nullable=False, index=True),
    Column("at", Number, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Name, nullable=False),
    Column("object", Text, nullable=False),
    Column("before", Document),
    Column("after", Document),
    Column("previous", Digest, nullable=False),  # hash of the row before: a chain
    Column("hash", Digest, nullable=False),
)

replies = Table(
    "replies",
    metadata,
    _project(),
    Column("caller", Name, primary_key=True),
    Column("idempotency_key", Name, primary_key=True),
    Column("digest", Digest, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Number, nullable=False),
)
