"""Which data root a PostgreSQL database belongs to: an id in both, so that two data roots cannot share one by mistake.

SQLite's file lies in its data root and needs none.
"""

import secrets
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa

from ogaart.resources.objects.store import ObjectStore
from ogaart.resources.state.schema import DATA_ROOT
from ogaart.resources.storage.atomic_files import write_json
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.sealed_json import open_json


class OtherDataRoot(RuntimeError):
    """The database belongs to another data root, or it cannot be known whether it does."""


def id_of(root: DataRoot) -> str | None:
    """The id in a data root; None where it has none yet.

    Raises:
        OtherDataRoot: the file is damaged.
    """
    try:
        return str(open_json(root.identity.read_bytes())["id"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as cause:
        raise OtherDataRoot(f"{root.identity} is damaged ({cause}): restore it from a backup, or delete it") from cause


def require_own(connection: sa.Connection, root: DataRoot, where: str) -> None:
    """Refuse a database that belongs to another data root.

    Raises:
        OtherDataRoot: it does.
    """
    owner = connection.execute(sa.select(DATA_ROOT)).one_or_none()
    if owner is None or owner.id == id_of(root):
        return
    raise OtherDataRoot(
        f"{where} belongs to another data root ({owner.path} on {owner.host}, id {owner.id}), not to {root.root}: "
        f"name another database in OGAART_DATABASE_URL. If this folder is that data root, restored or on another host, "
        f'write {{"id": "{owner.id}"}} to {root.identity}'
    )


def claim(writing: Callable[[], AbstractContextManager[sa.Connection]], root: DataRoot, objects: ObjectStore) -> None:
    """Note in a database that belongs to no data root yet that it belongs to this one.

    Args:
        writing: opens a transaction that writes.
        root: the data root; it gets an id where it has none.
        objects: its bucket has the id too, for all data roots that hold copies of it.

    Raises:
        OtherDataRoot: the id of the data root is damaged.
    """
    with writing() as connection:
        connection.execute(sa.text("LOCK TABLE data_root IN EXCLUSIVE MODE"))  # of several that begin at once, one does
        if connection.execute(sa.select(DATA_ROOT)).one_or_none() is not None:
            return
        known = id_of(root)
        if known is None:
            known = secrets.token_hex(16)
            write_json(root.identity, {"id": known})
        objects.put(root.identity, root.identity)
        owner = {"row": 1, "id": known, "host": socket.gethostname(), "path": str(root.root)}
        connection.execute(sa.insert(DATA_ROOT).values(owner))
