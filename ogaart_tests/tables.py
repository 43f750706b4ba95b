"""Tables of a folder, with the pointers in a database of its own."""

from pathlib import Path

from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.storage.tables import Tables
from ogaart.settings import Settings


def open_tables(root: Path) -> Tables:
    """The tables of a data root."""
    return Tables(root, Pointers(StateDatabase(Settings(data=root))))
