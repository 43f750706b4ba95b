"""Version 6: publications that hosts without a shared disk follow."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "publications",
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="Its files with their hashes, as sealed JSON."),
        sa.Column("in_service", sa.Boolean, nullable=False, comment="Of one row."),
    )
