"""Version 1: fetch records, and how far they follow their journal."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "fetch_records",
        sa.Column("key", sa.String(64), primary_key=True, comment="sha256 of the URL, in hex."),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("final_url", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.Text),
        sa.Column("last_modified", sa.Text),
        sa.Column("content_type", sa.Text),
        sa.Column("content_encoding", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("fetched_at", sa.String(32), nullable=False),
        sa.Column("checked_at", sa.String(32), nullable=False),
        sa.Column("seal", sa.String(64), nullable=False, comment="Hash of the record's line in its journal."),
    )
    op.create_table(
        "journals",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, comment="Id in the first line of the journal's file."),
        sa.Column("position", sa.BigInteger, nullable=False, comment="Bytes of it whose lines are rows."),
    )
