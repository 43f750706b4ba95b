"""What every record of an answer is: a value."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)
