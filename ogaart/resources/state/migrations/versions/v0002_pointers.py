"""Version 2: which object is current for each table, or pack, of a stage's partition."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "pointers",
        sa.Column("kind", sa.String(64), primary_key=True, comment="A table's name, or `packs`."),
        sa.Column("stage", sa.String(64), primary_key=True),
        sa.Column("partition", sa.String(255), primary_key=True),
        sa.Column("object", sa.Text, nullable=False, comment="Path under the data root."),
        sa.Column("sequence", sa.BigInteger, nullable=False, comment="Number of its commit in the stage's partition."),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, comment="Hash in the object's own seal; empty: has none."),
        sa.Column("seal", sa.String(64), nullable=False, comment="Hash of the other columns."),
    )
