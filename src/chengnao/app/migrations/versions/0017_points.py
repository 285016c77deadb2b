"""points: what a protocol needs to know of a device, and its own points

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("settings", "points"):
        column = sa.Column(
            name, postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default=sa.text("'{}'::jsonb")
        )
        op.add_column("devices", column)
        op.alter_column("devices", name, server_default=None)
    # The same number may name a meter in one protocol and a station in another.
    op.drop_constraint(op.f("uq_devices_address"), "devices", type_="unique")
    op.create_unique_constraint("uq_devices_address", "devices", ["protocol", "address"])


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
