"""Files whose page states no id, an impossible one, or one twice: they are read and published like all others."""

import io
from pathlib import Path

import pytest
from PIL import Image

from ogaart.demo.http import DemoResponse
from ogaart.resources.storage.schema import FILE_LINKS
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, picture
from ogaart_tests.pipeline.test_one_bad_answer import KEY, Odd
from ogaart_tests.world import open_world

CHANGES = {
    "entry-00": ('data-fid="0"', ""),
    "entry-01": ('data-fid="100"', f'data-fid="{"9" * 23}"'),
    "entry-02": ('data-fid="201"', 'data-fid="200"'),
}


def other_encoding(data: bytes) -> bytes:
    """The same pixels in other bytes."""
    content = io.BytesIO()
    Image.open(io.BytesIO(data)).save(content, "PNG", compress_level=0)
    return content.getvalue()


@pytest.mark.slow
def test_files_with_odd_ids_are_published(tmp_path: Path) -> None:
    site = Odd(3)
    site.site.file(201)[1].data = other_encoding(picture(20))
    with open_world(tmp_path, site) as world:
        world.settings.queries.write_text(f'[[query]]\nname = "2d-art"\nper_page = {PER_PAGE}\n')
        for slug, (before, after) in CHANGES.items():
            path = site.site.entry(slug).path
            good = ChangingSite.answer(site, path).body.decode()
            assert before in good
            site.instead[path] = DemoResponse(200, good.replace(before, after).encode())

        world.all()
        links = world.stores.tables.read(FILE_LINKS, KEY)
        files = world.sql(
            "SELECT slug, count(*) FROM files WHERE role = 'file' AND status = 'ok' GROUP BY 1 ORDER BY 1"
        )
        images = world.sql("SELECT slug, count(*) FROM images WHERE indexed GROUP BY slug ORDER BY slug")
        places = world.sql("SELECT slug, count(*) FROM occurrences GROUP BY slug ORDER BY slug")
        again = world.materialize()

    ids = {(row["slug"], row["fid"]) for row in links if row["role"] == "file"}
    assert len(ids) == 6
    assert sorted(slug for slug, fid in ids if fid is not None and fid < 0) == ["entry-00", "entry-01", "entry-02"]
    assert files == places == [("entry-00", 2), ("entry-01", 2), ("entry-02", 2)]
    assert images == [("entry-00", 2), ("entry-01", 2), ("entry-02", 1)]
    assert [row["stale"] for row in again.rows] == [0] * 7
