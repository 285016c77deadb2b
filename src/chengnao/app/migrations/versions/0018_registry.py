"""registry: life cycle and upkeep of devices

Revision: 0018, after 0017
"""

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    raise NotImplementedError("take back the copy of the database that was made before the upgrade")
