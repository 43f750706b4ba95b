"""What an error is answered with."""

from pydantic import Field

from ogaart.search.web.schemas.base import Record


class ProblemRecord(Record):
    """What went wrong (RFC 9457), and what to do."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    way_out: str = Field(description="What to do next.")
