"""What is read before an engine opens its files: all that they hold, and none of their holes."""

from pathlib import Path

from ogaart.resources.index.readahead import read_ahead

LENGTH, HELD = 32 << 20, 1 << 20


def test_what_a_file_holds_is_read_and_its_holes_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "segment" / "payload_index"
    folder.mkdir(parents=True)
    with (folder / "page_0.dat").open("wb") as file:
        file.write(b"x" * HELD)
        file.seek(LENGTH // 2)
        file.write(b"y" * HELD)
        file.truncate(LENGTH)

    read = read_ahead(tmp_path, frozenset())

    assert 2 * HELD <= read < LENGTH


def test_what_is_named_is_left_on_the_disk(tmp_path: Path) -> None:
    for name in ("links.bin", "matrix.dat", "payload_storage/page_0.dat"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 1000)

    assert read_ahead(tmp_path, frozenset({"matrix.dat", "payload_storage"})) == 1000
    assert read_ahead(tmp_path, frozenset()) == 3000
