"""`make quality` measures a folder of one's own, and the script of the default projection works from end to end."""

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import benchmarks.quality.__main__ as quality
from benchmarks.default_projection import PACKAGES
from benchmarks.likeness_groups import HELD_OUT
from benchmarks.quality.corpus import folder_corpus, without_colour
from benchmarks.quality.edits import EDITS
from benchmarks.quality.measure import DEFAULT, Measured, Tally, joined
from benchmarks.quality.report import tables
from ogaart.demo import plan
from ogaart.likeness.projections import Projection
from ogaart.resources.embedding.projections import default_projection
from ogaart_tests.world import World


def pictures(count: int) -> dict[str, bytes]:
    """Small pictures of the demo's art by their path, from all over it."""
    art = plan.Art()
    paths = sorted(path for path in art.manifest if path.endswith(".png"))
    return {path: art.read(path) for path in paths[:: max(1, len(paths) // count)][:count]}


def folder_of(root: Path, groups: int, each: int) -> Path:
    """A folder with subfolders of pictures, and one picture at the top."""
    found = iter(pictures(groups * each + 1).values())
    for group in range(groups):
        (root / f"group {group}").mkdir(parents=True)
        for n in range(each):
            (root / f"group {group}" / f"{n}.png").write_bytes(next(found))
    (root / "alone.png").write_bytes(next(found))
    return root


def run(module: str, *arguments: str, home: Path, code: int = 0) -> str:
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("OGAART_")}, "TORCH_HOME": str(home)}
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1_500, check=False)
    assert done.returncode == code, done.stderr[-2_000:]
    return done.stderr if code else done.stdout


@pytest.mark.slow
def test_every_edit_can_be_made_of_a_folder_with_a_single_picture(tmp_path: Path) -> None:
    corpus = folder_corpus(folder_of(tmp_path, 0, 0))
    [picture] = corpus.pictures

    for strangers in ((), corpus.pictures, corpus.strangers[:40]):
        assert all(edit.query(picture, strangers).content for edit in EDITS)
    assert corpus.groups == {"same folder": []}
    [file] = corpus.content.entries[0].files
    assert zipfile.ZipFile(io.BytesIO(file.data)).namelist() == ["alone.png"]  # numbered names tell of frames
    assert len(corpus.strangers) > 100


@pytest.mark.slow
def test_a_folder_may_be_odd(tmp_path: Path) -> None:
    """An empty group, one picture, a nested group, an unreadable file, names of any kind, a picture in two groups."""
    first, second, third = pictures(3).values()
    for path, content in {
        "two words/b\u00e4r 1.png": first, "two words/b.png": second, "two words/again.png": second,
        "two words/more/c.png": first, "two words/more/d.png": third,
        "one/e.png": third, "one/broken.png": b"nothing", "one/a.txt": b"hello", "one/f.png/g.txt": b"a folder",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "empty").mkdir()

    corpus = folder_corpus(tmp_path)

    named = {picture.pixels: picture.name for picture in corpus.pictures}
    assert sorted(sorted(named[pixels] for pixels in group) for group in corpus.groups["same folder"]) == [
        ["one/e.png", "two words/b\u00e4r 1.png"],
        ["two words/again.png", "two words/b\u00e4r 1.png"],
    ]
    assert len(corpus.pictures) == 3
    assert [len(entry.files[0].pictures) for entry in corpus.content.entries] == [1, 2, 2]
    assert corpus.left_out == ["one/broken.png"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_names_that_are_not_utf8_are_readable_and_keep_their_groups_apart(tmp_path: Path) -> None:
    """As archives of the nineties unpack them: in Latin-1, where two folders differ in such a letter alone."""
    first, second, third = pictures(3).values()
    for path, content in {
        b"b\xe4r/1\xe9.png": first, b"b\xe4r/2.png": second, b"b\xfcr/3.png": third, b"b\xfcr/\xe9.png": b"nothing"
    }.items():  # fmt: skip
        file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + path))
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)

    corpus = folder_corpus(tmp_path)

    assert [entry.author for entry in corpus.content.entries] == ["author of b\ufffdr"] * 2
    assert [len(entry.files[0].pictures) for entry in corpus.content.entries] == [2, 1]
    assert corpus.left_out == ["b\ufffdr/\ufffd.png"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--folder", "{}/missing"], "missing is no folder: name one that holds pictures"),
        (["--folder", "{}"], "no readable picture"),
        (["--write", "--folder", "{}"], "--write"),
        (["--write", "--relatives"], "--write"),
        (["--pictures", "0"], "--pictures: at least 1"),
    ],
    ids=["no folder", "no pictures in it", "the page of the demo's art", "a part of the page", "no pictures"],
)
def test_what_cannot_be_measured_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["quality", *(argument.format(tmp_path) for argument in arguments)])

    with pytest.raises(SystemExit) as ended:
        quality.main()

    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_a_publication_of_other_pictures_is_not_measured(tmp_path: Path, copied: World) -> None:
    folder, data = folder_of(tmp_path / "own", groups=1, each=2), tmp_path / "publications"
    data.mkdir()
    (data / "efficientnet_lite0").symlink_to(copied.settings.data)
    arguments = ("--folder", str(folder), "--data", str(data), "--model", "efficientnet_lite0")

    assert "holds a publication of other pictures" in run("benchmarks.quality", *arguments, home=tmp_path, code=2)


@pytest.mark.slow
def test_a_folder_of_ones_own_is_measured_and_a_model_without_weights_is_not(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own", groups=3, each=3)

    text = run("benchmarks.quality", "--folder", str(folder), "--pictures", "1", home=tmp_path)

    assert "## efficientnet_lite0: 10 pictures" in text
    assert "| same folder | 2 |" in text
    assert "| enlarged x2 | 1 |" in text
    assert "vgg16: not measured, its published weights are not on this machine" in text


@pytest.mark.parametrize(
    ("some", "other", "same"),
    [
        ("arcade/items/flagGreen1.png", "arcade/items/flagYellow1.png", True),
        ("arcade/items/flagGreen1.png", "arcade/items/flagYellow2.png", False),
        ("arcade/tanks/tank_blue.png", "arcade/tanks/tank_sand.png", True),
        ("arcade/tanks/tankBody_blue.png", "arcade/tanks/tankBody_dark.png", False),
        ("arcade/space_shooter/laserBlue01.png", "arcade/space_shooter/laserRed01.png", False),
        ("arcade/tiles/sandRight.png", "arcade/tiles/stoneRight.png", False),
    ],
)
def test_a_recolour_is_the_same_drawing_and_not_only_of_a_like_name(some: str, other: str, same: bool) -> None:
    key = without_colour(some)

    assert (key is not None and key == without_colour(other)) is same


def test_what_groups_join_one_after_another_shows_the_same_thing() -> None:
    frames = [frozenset({"green 1", "green 2"}), frozenset({"red 1", "red 2"}), frozenset({"key 1", "key 2"})]
    recolours = [frozenset({"green 1", "red 1"})]

    found = joined([*frames, *recolours])

    flags = frozenset({"green 1", "green 2", "red 1", "red 2"})
    assert {name: found[name] for name in flags} == dict.fromkeys(flags, flags)
    assert found["key 1"] == frames[2]


def test_relatives_alone_have_tables_of_their_own() -> None:
    tally = Tally()
    tally.note(DEFAULT, first=1, in_ten=0.5)

    text = tables(Measured("a model", 3, {}, {"frames": tally}, Tally()))

    assert "| frames | 1 | **1.000 (0.21 to 1.00)** |" in text
    assert "Share of relatives among the first ten" in text
    assert "Source first" not in text
    assert "What the search says" not in text


def test_no_benchmark_searches_among_what_the_default_projection_was_fitted_to() -> None:
    assert not {package for package, _, _ in PACKAGES} & {package for package, _, _ in HELD_OUT}


@pytest.mark.slow
def test_the_script_of_the_default_projection_fits_one(tmp_path: Path) -> None:
    found = list(pictures(2 * len(PACKAGES)).items())
    for n, (package, _, _) in enumerate(PACKAGES):  # as if each had been downloaded and unpacked
        (tmp_path / "art" / package).mkdir(parents=True)
        for path, content in found[2 * n : 2 * n + 2]:
            (tmp_path / "art" / package / Path(path).name).write_bytes(content)
    target = tmp_path / "projection.npz"

    text = run("benchmarks.default_projection", str(tmp_path), "--target", str(target), home=tmp_path)

    fitted = Projection.from_bytes(target.read_bytes())
    assert fitted.name in text
    # Only here: what is unpacked is the demo's art.
    assert re.search(rf"^(\d+) pictures of {len(PACKAGES)} packages; \1 are in the demo$", text, re.MULTILINE)
    assert (fitted.space, fitted.parts) == (default_projection().space, default_projection().parts)
    assert 40 < fitted.pictures <= 2 * len(PACKAGES)
    assert list(fitted.places) == list(default_projection().places)
