"""registry: life cycle and upkeep of devices

Revision: 0018, after 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_SEARCH = """
INSERT INTO device_search (device_id, keys)
SELECT id, ARRAY(
    SELECT DISTINCT substr(text, place, 2)
    FROM (SELECT lower(concat_ws(E'\\n', id, name, address)) AS text) AS searched,
        generate_series(1, greatest(length(text) - 1, 1)) AS place
)
FROM devices"""


def upgrade() -> None:
    for name, default in (("life", "in_service"), ("owner", ""), ("vendor", ""), ("model", ""), ("serial", "")):
        op.add_column("devices", sa.Column(name, sa.String(), nullable=False, server_default=default))
        op.alter_column("devices", name, server_default=None)
    op.add_column("devices", sa.Column("upkeep_due", sa.Date(), nullable=True))
    op.drop_constraint("uq_devices_address", "devices", type_="unique")
    op.drop_index(op.f("ix_devices_class_code"), "devices")
    retired = sa.text("life <> 'retired'")
    op.create_index("ux_devices_address", "devices", ["protocol", "address"], unique=True, postgresql_where=retired)
    op.create_index("ix_devices_class", "devices", ["class_code", "id"])
    op.create_index("ix_devices_class_life", "devices", ["class_code", "life"])
    op.create_index("ix_devices_faulty", "devices", ["id"], postgresql_where=sa.text("faults <> '[]'::jsonb"))
    due = sa.text("upkeep_due IS NOT NULL")
    op.create_index("ix_devices_upkeep_due", "devices", ["upkeep_due"], postgresql_where=due)
    op.drop_index("ix_devices_place", "devices")
    op.create_index("ix_devices_place", "devices", ["lon", "lat"], postgresql_where=sa.text("place_ok"))
    _presence_and_search()
    _upkeep_and_credentials()
    _imports()
    unknown = sa.text("reason = 'unknown_device' AND state = 'waiting'")
    op.create_index("ix_quarantine_knocking", "quarantine", ["source", "device_hint"], postgresql_where=unknown)


def _presence_and_search() -> None:
    op.create_table(
        "device_presence",
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_presence_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_presence")),
    )
    offline = sa.text("NOT online")
    op.create_index("ix_device_presence_offline", "device_presence", ["device_id"], postgresql_where=offline)
    op.execute("INSERT INTO device_presence (device_id, online) SELECT id, false FROM devices")
    op.create_table(
        "device_search",
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("keys", postgresql.ARRAY(sa.String()), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_search_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_search")),
    )
    op.execute(_SEARCH)
    op.create_index("ix_device_search_keys", "device_search", ["keys"], postgresql_using="gin")


def _upkeep_and_credentials() -> None:
    op.create_table(
        "device_upkeep",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("next_due", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_upkeep")),
    )
    op.create_index("ix_device_upkeep_device", "device_upkeep", ["device_id", "at"])
    op.create_table(
        "device_credentials",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_credentials")),
        sa.UniqueConstraint("digest", name=op.f("uq_device_credentials_digest")),
    )
    op.create_index(op.f("ix_device_credentials_device_id"), "device_credentials", ["device_id"])


def _imports() -> None:
    op.create_table(
        "device_imports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("crs", sa.String(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("unknown", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_by_name", sa.String(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("unit_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_imports")),
    )
    for column in ("created_at", "division_code", "state", "unit_id"):
        op.create_index(op.f(f"ix_device_imports_{column}"), "device_imports", [column])
    op.create_table(
        "device_import_errors",
        sa.Column("import_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sheet", sa.String(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("cell", sa.String(), nullable=False),
        sa.Column("column", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["device_imports.id"], name=op.f("fk_device_import_errors_import_id")),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_device_import_errors")),
    )


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
