"""Version 4: small facts, such as what is known of the site's state."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "facts",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="JSON with its seal; kind and name are in it."),
    )
