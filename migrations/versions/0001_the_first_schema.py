"""The first schema.

Revision: 0001, after none
"""

import sqlalchemy as sa
from alembic import op

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


identifier = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("customer", NUMBER, autoincrement=False, nullable=False),
        sa.Column("experiment_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("segment", sa.String(length=200), nullable=True),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("exposed_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("customer", "experiment_id", name=op.f("pk_assignments")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=200), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_project_id"), "audit", ["project_id"], unique=False)
    op.create_table(
        "contact_keys",
        sa.Column("customer", NUMBER, autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("customer", name=op.f("pk_contact_keys")),
    )
    op.create_table(
        "contacts",
        sa.Column("customer", NUMBER, autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("customer", name=op.f("pk_contacts")),
    )
    op.create_table(
        "events",
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("occurred_at", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("project_id", "event_id", name=op.f("uq_events_project_id_event_id")),
    )
    op.create_index("ix_events_customer", "events", ["customer", "seq"], unique=False)
    op.create_table(
        "exposures",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("experiment_id", NUMBER, nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("segment", sa.String(length=200), nullable=True),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("suppressed", sa.String(length=200), nullable=True),
        sa.Column("offer", sa.String(length=200), nullable=True),
        sa.Column("template", sa.String(length=200), nullable=True),
        sa.Column("channel", sa.String(length=200), nullable=True),
        sa.Column("placement", sa.String(length=200), nullable=True),
        sa.Column("slot", sa.String(length=200), nullable=True),
        sa.Column("device", sa.String(length=200), nullable=True),
        sa.Column("agent", sa.String(length=200), nullable=True),
        sa.Column("occurred_at", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("experiment_id", "customer", "occurred_at", "event_id", name=op.f("pk_exposures")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "exposure_skus",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", NUMBER, nullable=False),
        sa.Column("sku", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "event_id", "position", name=op.f("pk_exposure_skus")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_exposure_skus_experiment_id"), "exposure_skus", ["experiment_id"], unique=False)
    op.create_table(
        "interactions",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("experiment_id", NUMBER, nullable=True),
        sa.Column("variant", sa.Integer(), nullable=True),
        sa.Column("offer", sa.String(length=200), nullable=True),
        sa.Column("sku", sa.String(length=200), nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("occurred_at", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "event_id", name=op.f("pk_interactions")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_interactions_customer", "interactions", ["customer", "type", "occurred_at"], unique=False)
    op.create_table(
        "order_lines",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.String(length=200), nullable=False),
        sa.Column("quantity", NUMBER, nullable=False),
        sa.Column("price_micro", NUMBER, nullable=False),
        sa.Column("net_minor", NUMBER, nullable=False),
        sa.Column("discount_minor", NUMBER, nullable=False),
        sa.Column("cost_minor", NUMBER, nullable=True),
        sa.Column("offer", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "event_id", "position", name=op.f("pk_order_lines")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "orders",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("currency", sa.String(length=200), nullable=False),
        sa.Column("net_minor", NUMBER, nullable=False),
        sa.Column("shipping_minor", NUMBER, nullable=False),
        sa.Column("tax_minor", NUMBER, nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("occurred_at", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "event_id", name=op.f("pk_orders")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_orders_customer", "orders", ["customer", "occurred_at"], unique=False)
    op.create_index("ix_orders_order_id", "orders", ["order_id"], unique=False)
    op.create_table(
        "profiles",
        sa.Column("customer", NUMBER, autoincrement=False, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("customer", name=op.f("pk_profiles")),
    )
    op.create_table(
        "projects",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=200), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("key", name=op.f("uq_projects_key")),
    )
    op.create_table(
        "refund_lines",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("quantity", NUMBER, nullable=True),
        sa.Column("amount_minor", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("project_id", "event_id", "position", name=op.f("pk_refund_lines")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refunds",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("refund_id", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("currency", sa.String(length=200), nullable=True),
        sa.Column("amount_minor", NUMBER, nullable=True),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("occurred_at", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "event_id", name=op.f("pk_refunds")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_refunds_order_id", "refunds", ["order_id"], unique=False)
    op.create_table(
        "rejected",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.Column("code", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("sample", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("redriven", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected")),
    )
    op.create_index(op.f("ix_rejected_digest"), "rejected", ["digest"], unique=False)
    op.create_table(
        "privacy_requests",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.Column("due_at", NUMBER, nullable=False),
        sa.Column("done_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_requests")),
        sa.UniqueConstraint("project_id", "request_id", name=op.f("uq_privacy_requests_project_id_request_id")),
    )
    op.create_index("ix_rejected_project_id", "rejected", ["project_id", "code", "received_at"], unique=False)
    op.create_table(
        "erased",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("erased_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_erased_project_id")),
        sa.PrimaryKeyConstraint("project_id", "digest", name=op.f("pk_erased")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "builds",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("built_at", NUMBER, autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_builds_project_id")),
        sa.PrimaryKeyConstraint("project_id", "built_at", name=op.f("pk_builds")),
    )
    op.create_table(
        "experiments",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_experiments_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("project_id", "key", name=op.f("uq_experiments_project_id_key")),
    )
    op.create_table(
        "keys",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("last_used_at", NUMBER, nullable=True),
        sa.Column("expires_at", NUMBER, nullable=True),
        sa.Column("revoked_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_keys_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_keys_digest")),
    )
    op.create_index(op.f("ix_keys_project_id"), "keys", ["project_id"], unique=False)
    op.create_table(
        "layers",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("salt", sa.String(length=200), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_layers_project_id")),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_layers")),
    )
    op.create_table(
        "merges",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("into_customer", NUMBER, nullable=False),
        sa.Column("linked_at", NUMBER, nullable=False),
        sa.Column("merged_at", NUMBER, nullable=False),
        sa.Column("undone_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_merges_project_id")),
        sa.PrimaryKeyConstraint("project_id", "event_id", name=op.f("pk_merges")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_merges_customer"), "merges", ["customer"], unique=False)
    op.create_table(
        "payloads",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("event_id", identifier, nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_payloads_project_id")),
        sa.PrimaryKeyConstraint("project_id", "event_id", name=op.f("pk_payloads")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_payloads_customer"), "payloads", ["customer"], unique=False)
    op.create_index(op.f("ix_payloads_received_at"), "payloads", ["received_at"], unique=False)
    op.create_table(
        "imports",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("rows", NUMBER, nullable=False),
        sa.Column("accepted", NUMBER, nullable=False),
        sa.Column("bad", NUMBER, nullable=False),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_imports_project_id")),
        sa.PrimaryKeyConstraint("project_id", "digest", name=op.f("pk_imports")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_merges_into_customer"), "merges", ["into_customer"], unique=False)
    op.create_table(
        "metrics",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_metrics_project_id")),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_metrics")),
    )
    op.create_table(
        "offers",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_offers_project_id")),
        sa.PrimaryKeyConstraint("project_id", "key", "version", name=op.f("pk_offers")),
    )
    op.create_table(
        "products",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("sku", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("price_micro", NUMBER, nullable=False),
        sa.Column("unit_cost_micro", NUMBER, nullable=True),
        sa.Column("stock", NUMBER, nullable=True),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_products_project_id")),
        sa.PrimaryKeyConstraint("project_id", "sku", name=op.f("pk_products")),
    )
    op.create_table(
        "relations",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("sku", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_relations_project_id")),
        sa.PrimaryKeyConstraint("project_id", "sku", "kind", "target", name=op.f("pk_relations")),
    )
    op.create_table(
        "latest",
        sa.Column("key_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("run", NUMBER, autoincrement=False, nullable=False),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "run", name=op.f("pk_latest")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "replies",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("caller", sa.String(length=200), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_replies_project_id")),
        sa.PrimaryKeyConstraint("project_id", "caller", "idempotency_key", name=op.f("pk_replies")),
    )
    op.create_table(
        "segments",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_segments_project_id")),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_segments")),
    )
    op.create_table(
        "vault",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("root", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "digest", name=op.f("pk_vault")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_vault_customer"), "vault", ["customer"], unique=False)
    linked = sa.text("root <> customer")
    op.create_index("ix_vault_root", "vault", ["root"], unique=False, sqlite_where=linked, postgresql_where=linked)
    op.create_table(
        "changes",
        sa.Column("experiment_id", NUMBER, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("serve", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_changes_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "position", name=op.f("pk_changes")),
    )
    op.create_table(
        "epochs",
        sa.Column("experiment_id", NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", NUMBER, nullable=False),
        sa.Column("traffic", sa.Double(), nullable=False),
        sa.Column("arms", sa.Text(), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_epochs_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "number", name=op.f("pk_epochs")),
    )
    op.create_table(
        "reports",
        sa.Column("experiment_id", NUMBER, nullable=False),
        sa.Column("as_of", NUMBER, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("frozen_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_reports_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "as_of", name=op.f("pk_reports")),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_id", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_sessions_key_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_table(
        "variants",
        sa.Column("experiment_id", NUMBER, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=200), nullable=True),
        sa.Column("offer", sa.String(length=200), nullable=True),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_variants_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "position", name=op.f("pk_variants")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_until", NUMBER, nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_webhooks_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_project_id"), "webhooks", ["project_id"], unique=False)
    op.create_table(
        "timed_offers",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("offer", sa.String(length=200), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.Column("experiment_id", NUMBER, nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=200), nullable=False),
        sa.Column("delivery", sa.String(length=200), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("stage", sa.String(length=200), nullable=True),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("triggered_at", NUMBER, nullable=False),
        sa.Column("delay", NUMBER, nullable=False),
        sa.Column("lasts", NUMBER, nullable=True),
        sa.Column("due_at", NUMBER, nullable=True),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timed_offers")),
        sa.UniqueConstraint("project_id", "customer", "offer", name=op.f("uq_timed_offers_project_id_customer_offer")),
    )
    op.create_index("ix_timed_offers_status", "timed_offers", ["status", "due_at"], unique=False)
    op.create_index("ix_timed_offers_order_id", "timed_offers", ["order_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("webhook_id", NUMBER, nullable=True),
        sa.Column("timed_offer_id", NUMBER, nullable=True),
        sa.Column("customer", NUMBER, nullable=True),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", NUMBER, nullable=False),
        sa.Column("lease_until", NUMBER, nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("done_at", NUMBER, nullable=True),
        sa.Column("answer", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", "target", name=op.f("uq_outbox_message_id_target")),
    )
    op.create_index("ix_outbox_status", "outbox", ["status", "next_at"], unique=False)
    op.create_index("ix_outbox_webhook_id", "outbox", ["webhook_id", "id"], unique=False)
    op.create_index("ix_outbox_customer", "outbox", ["customer"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_outbox_customer", table_name="outbox")
    op.drop_index("ix_outbox_webhook_id", table_name="outbox")
    op.drop_index("ix_outbox_status", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_timed_offers_order_id", table_name="timed_offers")
    op.drop_index("ix_timed_offers_status", table_name="timed_offers")
    op.drop_table("timed_offers")
    op.drop_index(op.f("ix_webhooks_project_id"), table_name="webhooks")
    op.drop_table("webhooks")
    op.drop_table("variants")
    op.drop_table("sessions")
    op.drop_table("reports")
    op.drop_table("epochs")
    op.drop_table("changes")
    op.drop_index("ix_vault_root", table_name="vault")
    op.drop_index(op.f("ix_vault_customer"), table_name="vault")
    op.drop_table("vault")
    op.drop_table("segments")
    op.drop_table("replies")
    op.drop_table("latest")
    op.drop_table("relations")
    op.drop_table("products")
    op.drop_table("offers")
    op.drop_table("metrics")
    op.drop_table("imports")
    op.drop_index(op.f("ix_payloads_received_at"), table_name="payloads")
    op.drop_index(op.f("ix_payloads_customer"), table_name="payloads")
    op.drop_table("payloads")
    op.drop_index(op.f("ix_merges_customer"), table_name="merges")
    op.drop_index(op.f("ix_merges_into_customer"), table_name="merges")
    op.drop_table("merges")
    op.drop_table("layers")
    op.drop_index(op.f("ix_keys_project_id"), table_name="keys")
    op.drop_table("keys")
    op.drop_table("experiments")
    op.drop_table("builds")
    op.drop_table("erased")
    op.drop_table("privacy_requests")
    op.drop_index(op.f("ix_rejected_digest"), table_name="rejected")
    op.drop_index("ix_rejected_project_id", table_name="rejected")
    op.drop_table("rejected")
    op.drop_index("ix_refunds_order_id", table_name="refunds")
    op.drop_table("refunds")
    op.drop_table("refund_lines")
    op.drop_table("projects")
    op.drop_table("profiles")
    op.drop_index("ix_orders_order_id", table_name="orders")
    op.drop_index("ix_orders_customer", table_name="orders")
    op.drop_table("orders")
    op.drop_table("order_lines")
    op.drop_index("ix_interactions_customer", table_name="interactions")
    op.drop_table("interactions")
    op.drop_index(op.f("ix_exposure_skus_experiment_id"), table_name="exposure_skus")
    op.drop_table("exposure_skus")
    op.drop_table("exposures")
    op.drop_index("ix_events_customer", table_name="events")
    op.drop_table("events")
    op.drop_table("contacts")
    op.drop_table("contact_keys")
    op.drop_index(op.f("ix_audit_project_id"), table_name="audit")
    op.drop_table("audit")
    op.drop_table("assignments")
