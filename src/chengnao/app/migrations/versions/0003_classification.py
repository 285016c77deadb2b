"""classification

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "category_rules",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("all_words", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("any_words", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("division_code", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category_rules")),
    )
    op.create_index(op.f("ix_category_rules_category"), "category_rules", ["category"], unique=False)
    op.create_index(op.f("ix_category_rules_division_code"), "category_rules", ["division_code"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
