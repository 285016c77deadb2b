"""importing

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_imports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("crs", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("default_division", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_by_name", sa.String(), nullable=False),
        sa.Column("created_by_kind", sa.String(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("historic", sa.Boolean(), nullable=False),
        sa.Column("sheets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("unit_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_imports")),
    )
    for column in ("created_at", "division_code", "state", "unit_id"):
        op.create_index(op.f(f"ix_report_imports_{column}"), "report_imports", [column], unique=False)
    op.create_table(
        "report_import_rows",
        sa.Column("import_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sheet", sa.String(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("errors", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("odd", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("report_id", sa.String(), nullable=True),
        sa.Column("incident_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("changed_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["report_imports.id"], name=op.f("fk_report_import_rows_import_id")),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_report_import_rows")),
    )
    op.create_index(op.f("ix_report_import_rows_incident_id"), "report_import_rows", ["incident_id"], unique=False)
    op.create_index("report_import_rows_by_state", "report_import_rows", ["import_id", "state", "number"], unique=False)
    op.create_index(
        "report_import_rows_once",
        "report_import_rows",
        ["key"],
        unique=True,
        postgresql_where=sa.text("state = 'accepted'"),
    )


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
