"""What can happen to a database of state on a server: lost, put back from an older copy, or damaged in part."""

from dataclasses import dataclass

import sqlalchemy as sa

from ogaart.resources.state.schema import METADATA
from ogaart.settings import shown_url
from ogaart_tests.torture.running import World

STATE = "OGAART_DATABASE_URL"
OLDER = "older"
"""The copy that was made of a database before the end of the story that made it."""


def keep_older_copy(world: World) -> None:
    """Copy the database of state as it is now."""
    assert world.server is not None
    world.server.fresh(OLDER, like=world.databases[STATE])


@dataclass(frozen=True)
class Replaced:
    """Another database in its place.

    Attributes:
        like: an older copy; by default it is empty.
        noticed: whether ``verify`` must report it.
    """

    like: str | None = None
    noticed: bool = False

    def __str__(self) -> str:
        return f"database of state dropped, {self.like or 'empty'} in its place"

    def strike(self, world: World) -> str:
        """Replace it."""
        assert world.server is not None
        world.server.fresh(world.databases[STATE], like=self.like)
        return place(world)


@dataclass(frozen=True)
class Changed:
    """Its content changed by something else.

    Attributes:
        what: in words.
        statements: SQL, in which ``%`` is no placeholder.
        noticed: whether ``verify`` must report it.
    """

    what: str
    statements: tuple[str, ...]
    noticed: bool = True

    def __str__(self) -> str:
        return f"database of state: {self.what}"

    def strike(self, world: World) -> str:
        """Change it."""
        assert world.server is not None
        with world.server.administering(world.databases[STATE]) as connection:
            for statement in self.statements:
                connection.execute(sa.text(statement))
        return place(world)


def place(world: World) -> str:
    """The database, as ``verify`` names it."""
    assert world.server is not None
    url = sa.engine.make_url(world.server.url(world.databases[STATE])).set(drivername="postgresql+psycopg2")
    return shown_url(url.render_as_string())


LOSSES: tuple[Replaced | Changed, ...] = (
    Replaced(),
    Replaced(like=OLDER),
    *(Changed(f"the table {t.name} dropped", (f"DROP TABLE {t.name}",)) for t in METADATA.sorted_tables),
    Changed("its version lost", ("DROP TABLE alembic_version",)),
    Changed("a column lost", ("ALTER TABLE pointers DROP COLUMN seal",)),
    Changed("every second fetch record deleted", ("DELETE FROM fetch_records WHERE key < '8'",)),
    Changed("every table empty", tuple(f"DELETE FROM {t.name}" for t in METADATA.sorted_tables), noticed=False),
    Changed(
        "a byte of each row flipped",
        (
            "UPDATE fetch_records SET bytes = bytes # 4",
            "UPDATE pointers SET bytes = bytes # 4",
            "UPDATE facts SET content = set_byte(content, 12, get_byte(content, 12) # 4)",
        ),
    ),
    Changed("every pointer to another object", ("UPDATE pointers SET object = replace(object, '-', '_')",)),
)
"""Each is struck by itself."""
