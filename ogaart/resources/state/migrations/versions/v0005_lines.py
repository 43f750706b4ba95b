"""Version 5: lines of logs that several hosts add to, such as takedowns."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "lines",
        sa.Column("log", sa.String(32), primary_key=True, comment="decisions or reports."),
        sa.Column("number", sa.BigInteger, primary_key=True, comment="A later line has a larger one."),
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="JSON with its seal."),
    )
