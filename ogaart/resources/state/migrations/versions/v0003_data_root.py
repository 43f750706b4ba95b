"""Version 3: which data root the database belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "data_root",
        sa.Column("row", sa.Integer, primary_key=True, comment="Always 1: a database has one data root."),
        sa.Column("id", sa.String(32), nullable=False, comment="The same as in the data root's root.json."),
        sa.Column("host", sa.Text, nullable=False, comment="Host that used the database first."),
        sa.Column("path", sa.Text, nullable=False, comment="Folder of the data root there."),
    )
