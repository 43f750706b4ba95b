"""Texture atlases of every kind: the regions that they name, the pictures that they mean, and what is none."""

import json

import pytest

from ogaart.imaging.atlases.base import MAX_BYTES, MAX_OF_FILE, MAX_REGIONS, Atlas, Region
from ogaart.imaging.atlases.reader import may_be_atlas, picture_of, read_atlases

FRAME = {"frame": {"x": 2, "y": 4, "w": 16, "h": 24}, "rotated": False, "trimmed": False}
PLIST = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN"'
    ' "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0"><dict><key>frames</key><dict>'
    "<key>oak.png</key><dict>{}</dict></dict><key>metadata</key><dict><key>textureFileName</key>"
    "<string>trees.png</string></dict></dict></plist>"
)
UNITY = """fileFormatVersion: 2
guid: 0123
TextureImporter:
  spriteSheet:
    serializedVersion: 2
    sprites:
    - serializedVersion: 2
      name: oak
      rect:
        serializedVersion: 2
        x: 2
        y: 4
        width: 16
        height: 24
"""
GODOT = """[gd_resource type="SpriteFrames" load_steps=3 format=3]

[ext_resource type="Texture2D" uid="uid://abc" path="res://art/trees.png" id="1_x"]

[sub_resource type="AtlasTexture" id="AtlasTexture_oak"]
atlas = ExtResource("1_x")
region = Rect2(2, 4, 16, 24)

[resource]
"""
GODOT_TILES = """[gd_resource type="TileSet" load_steps=3 format=3]

[ext_resource type="Texture2D" path="res://art/trees.png" id="1_x"]

[sub_resource type="TileSetAtlasSource" id="TileSetAtlasSource_1"]
texture = ExtResource("1_x")
margins = Vector2i(2, 4)
separation = Vector2i(1, 3)
texture_region_size = Vector2i(16, 24)
0:0/0 = 0
0:0/0/terrain_set = 0
2:1/size_in_atlas = Vector2i(2, 1)
2:1/0 = 0

[resource]
sources/0 = SubResource("TileSetAtlasSource_1")
"""
GODOT_3 = """[gd_resource type="AtlasTexture" load_steps=2 format=2]

[ext_resource path="res://trees.png" type="Texture" id=1]

[resource]
atlas = ExtResource( 1 )
region = Rect2( 2, 4, 16, 24 )
"""
LIBGDX = """
trees.png
size: 64,64
format: RGBA8888
filter: Nearest,Nearest
repeat: none
oak
  rotate: false
  xy: 2, 4
  size: 16, 24
  orig: 16, 24
  offset: 0, 0
  index: -1
"""
LIBGDX_NEW = "trees.png\nsize: 64, 64\nfilter: Nearest, Nearest\noak\nbounds: 2, 4, 16, 24\n"
OAK = Region("oak", 2, 4, 16, 24)
OAK_PNG = Region("oak.png", 2, 4, 16, 24)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            json.dumps({"frames": {"oak.png": FRAME}, "meta": {"image": "trees.png"}}),
            Atlas("TexturePacker JSON", "trees.png", (OAK_PNG,)),
        ),
        (
            json.dumps({"frames": [{"filename": "oak.png", **FRAME}], "meta": {"image": "trees.png"}}),
            Atlas("TexturePacker JSON", "trees.png", (OAK_PNG,)),
        ),
        (
            json.dumps({"textures": [{"image": "trees.png", "frames": [{"filename": "oak.png", **FRAME}]}]}),
            Atlas("TexturePacker JSON", "trees.png", (OAK_PNG,)),
        ),
        (
            json.dumps({"frames": {"oak": FRAME}, "meta": {"app": "https://www.aseprite.org/", "image": "C:\\t.png"}}),
            Atlas("Aseprite JSON", "C:\\t.png", (OAK,)),
        ),
        (
            json.dumps({"frames": {"oak": {**FRAME, "rotated": True}}, "meta": {}}),
            Atlas("TexturePacker JSON", "", (Region("oak", 2, 4, 24, 16),)),
        ),
        (
            '<TextureAtlas imagePath="trees.png">'
            '<SubTexture name="oak" x="2" y="4" width="16" height="24"/></TextureAtlas>',
            Atlas("TextureAtlas XML", "trees.png", (OAK,)),
        ),
        (
            '<TextureAtlas imagePath="trees.png"><sprite n="oak" x="2" y="4" w="16" h="24" r="y"/></TextureAtlas>',
            Atlas("TextureAtlas XML", "trees.png", (OAK,)),
        ),
        (
            '<!DOCTYPE tileset SYSTEM "http://mapeditor.org/dtd/1.0/map.dtd"><tileset name="t" tilewidth="16"'
            ' tileheight="8" spacing="1" margin="2"><image source="trees.png" width="40" height="12"/></tileset>',
            Atlas("Tiled", "trees.png", (Region("0", 2, 2, 16, 8), Region("1", 19, 2, 16, 8))),
        ),
        (
            '<map><tileset firstgid="1" source="other.tsx"/><tileset firstgid="9" tilewidth="8" tileheight="8">'
            '<image source="trees.png" width="16" height="8"/></tileset><layer/></map>',
            Atlas("Tiled", "trees.png", (Region("0", 0, 0, 8, 8), Region("1", 8, 0, 8, 8))),
        ),
        (
            json.dumps({"columns": 2, "image": "t.png", "imagewidth": 16, "imageheight": 8, "margin": 0, "spacing": 0,
                        "tilewidth": 8, "tileheight": 8, "type": "tileset"}),
            Atlas("Tiled", "t.png", (Region("0", 0, 0, 8, 8), Region("1", 8, 0, 8, 8))),
        ),
        (
            PLIST.format("<key>frame</key><string>{{2,4},{16,24}}</string><key>rotated</key><false/>"),
            Atlas("cocos2d plist", "trees.png", (OAK_PNG,)),
        ),
        (
            PLIST.format("<key>textureRect</key><string>{{2,4},{24,16}}</string><key>textureRotated</key><true/>"),
            Atlas("cocos2d plist", "trees.png", (OAK_PNG,)),
        ),
        (LIBGDX, Atlas("LibGDX", "trees.png", (OAK,))),
        (LIBGDX_NEW, Atlas("LibGDX", "trees.png", (OAK,))),
        (GODOT, Atlas("Godot", "art/trees.png", (Region("AtlasTexture_oak", 2, 4, 16, 24),))),
        (GODOT_3, Atlas("Godot", "trees.png", (Region("", 2, 4, 16, 24),))),
        (UNITY, Atlas("Unity meta", "", (OAK,), from_below=True)),
        (UNITY.replace("\n", "\r\n"), Atlas("Unity meta", "", (OAK,), from_below=True)),
    ],
    ids=["hash", "array", "phaser", "aseprite", "rotated", "starling", "generic xml", "tsx", "tmx", "tiled json",
         "plist", "plist 3", "libgdx", "libgdx new", "godot 4", "godot 3", "unity", "unity crlf"],
)  # fmt: skip
def test_an_atlas_names_its_picture_and_regions(text: str, expected: Atlas) -> None:
    assert may_be_atlas(text.encode())
    assert read_atlases(text.encode()) == (expected,)
    assert read_atlases(b"\xef\xbb\xbf" + text.encode()) == (expected,)


def test_a_libgdx_text_may_have_several_pictures() -> None:
    first, second = read_atlases((LIBGDX + "\n" + LIBGDX.replace("trees.png", "more.png")).encode())

    assert (first.picture, second.picture) == ("trees.png", "more.png")


@pytest.mark.parametrize(
    "text",
    [
        '{"frames": 12}',
        '{"frames": [1, 2, 3], "meta": null}',
        '{"frames": {"a": {"frame": 1}}}',
        '{"frames": {"a": {"frame": {"x": 0, "y": 0, "w": -4, "h": 1e400}}}}',
        '{"frames": {"a": {"frame": {"x": "q", "y": 0, "w": 4, "h": 4}}}}',
        '{"tilewidth": 0, "tileheight": 8, "imagewidth": 8, "imageheight": 8, "image": "a.png"}',
        '{"textures": [' + "[" * 100_000,
        "<TextureAtlas><SubTexture/></TextureAtlas>",
        '<TextureAtlas imagePath="a.png"><SubTexture name="a" x="0" y="0" width="0" height="5"/></TextureAtlas>',
        GODOT_TILES.replace("(16, 24)", "(0, 0)"),
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><TextureAtlas>&c;</TextureAtlas>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><TextureAtlas>&b;</TextureAtlas>',
        PLIST.format("<key>frame</key><string>{{2,4}}</string>"),
        PLIST.format(f"<key>frame</key>{'<array>' * 60_000}{'</array>' * 60_000}"),
        '{"tilewidth": 8, "tileheight": 8, "imagewidth": Infinity, "imageheight": 8, "image": "a.png"}',
        '{"tilewidth": 1e999, "tileheight": 8, "image": "a.png"}',
        '{"tilewidth": 8, "tileheight": 8, "columns": 1e999, "tilecount": 4, "image": "a.png"}',
        '{"tilewidth": 9e20, "tileheight": 8, "imagewidth": 9e20, "imageheight": 8, "image": "a.png"}',
        "<plist><dict><key>frames</key>",
        "<tileset tilewidth='a' tileheight='1'><image source='a.png' width='1' height='1'/></tileset>",
        "trees.png\nsize: 1,1\noak\n  xy: a\n",
        GODOT.replace("Rect2(2, 4, 16, 24)", "Rect2(2, 4)"),
        "fileFormatVersion: 2\nTextureImporter:\n  spriteMode: 1\n",
        "A readme.\nsize: large\n",
        "",
    ],
)
def test_what_is_none_or_damaged_has_no_regions(text: str) -> None:
    assert read_atlases(text.encode()) == ()


def test_atlases_are_bounded() -> None:
    frames = {f"{n}.png": FRAME for n in range(MAX_REGIONS + 10)}

    [atlas] = read_atlases(json.dumps({"frames": frames, "meta": {}}).encode())

    assert len(atlas.regions) == MAX_REGIONS
    assert read_atlases(b'{"frames": {}' + b" " * MAX_BYTES) == ()


def test_all_atlases_of_a_text_are_bounded_together() -> None:
    """A map of Tiled may name many tile sets; each that states no size may have thousands of tiles."""
    tile_set = '<tileset tilewidth="1" tileheight="1"><image source="a.png"/></tileset>'
    text = f"<map>{tile_set * 400}</map>".encode()

    found, few = read_atlases(text), read_atlases(text, 2 * MAX_REGIONS + 1)

    assert sum(len(atlas.regions) for atlas in found) == MAX_OF_FILE
    assert [len(atlas.regions) for atlas in few] == [MAX_REGIONS, MAX_REGIONS]


@pytest.mark.parametrize(
    "stated",
    [
        {"imagewidth": 64, "imageheight": 16, "spacing": 9e20},
        {"columns": 1e30, "tilecount": 1e30, "spacing": 9e20},
        {"spacing": 9e20},
    ],
    ids=["by size", "by count", "by neither"],
)
def test_tiles_that_lie_beyond_any_picture_are_left_out(stated: dict[str, float]) -> None:
    text = json.dumps({"tilewidth": 16, "tileheight": 16, "image": "t.png", **stated})

    [atlas] = read_atlases(text.encode())

    assert [(one.x, one.y, one.width, one.height) for one in atlas.regions] == [(0, 0, 16, 16)]


def test_names_can_be_stored_whatever_a_text_holds() -> None:
    """JSON may hold half of a surrogate pair, which no UTF-8 can, and anything in place of a name."""
    text = '{"frames": [{"filename": "o\\ud83dk", "frame": {"x": 2, "y": 4, "w": 16, "h": 24}}, %s], "meta": %s}'
    other = '{"filename": [1], "frame": {"x": 0, "y": 0, "w": 8, "h": 8}}'

    [atlas] = read_atlases((text % (other, '{"image": "\\udc00.png"}')).encode())
    [unnamed] = read_atlases((text % (other, '{"image": {}, "app": 7}')).encode())

    assert (atlas.picture, unnamed.picture) == ("?.png", "")
    assert [one.name for one in atlas.regions] == ["o?k", ""]


@pytest.mark.parametrize(
    ("stated", "path", "found"),
    [
        ("trees.png", "pack/data/trees.json", "pack/data/trees.png"),
        ("../art/Trees.PNG", "pack/data/trees.json", "pack/art/trees.png"),
        ("res://art/leaves.png", "pack/data/a.tres", "pack/other/leaves.png"),
        ("C:\\work\\leaves.png", "pack/data/a.json", "pack/other/leaves.png"),
        ("", "pack/data/trees.png.meta", "pack/data/trees.png"),
        ("", "pack/data/trees.xml", "pack/data/trees.png"),
        ("sky.png", "inner.zip!/sky.json", "inner.zip!/sky.png"),
        ("trees.png", "elsewhere/a.json", None),
        ("none.png", "pack/data/a.json", None),
    ],
    ids=["beside", "relative", "by name", "windows", "unity", "own name", "nested", "two of that name", "missing"],
)
def test_a_stated_picture_is_the_one_beside_or_the_only_one_of_its_name(
    stated: str, path: str, found: str | None
) -> None:
    pictures = ("pack/data/trees.png", "pack/art/trees.png", "pack/other/leaves.png", "inner.zip!/sky.png")

    assert picture_of(stated, path, {name: name for name in pictures}) == found


@pytest.mark.parametrize(
    "empty",
    [{"x": 20, "y": 4, "w": 0, "h": 0}, {"x": -1, "y": 4, "w": 8, "h": 8}, {"x": 1 << 17, "y": 0, "w": 8, "h": 8}],
    ids=["empty", "left of the picture", "far outside"],
)
def test_a_region_that_shows_nothing_costs_the_others_nothing(empty: dict[str, int]) -> None:
    """The empty frame of an animation, or one that a program placed wrong."""
    x, y, w, h = empty.values()
    frames = {"gone": {"frame": empty}, "oak": FRAME}
    texts = [
        json.dumps({"frames": frames, "meta": {}}),
        f'<TextureAtlas><SubTexture name="gone" x="{x}" y="{y}" width="{w}" height="{h}"/>'
        '<SubTexture name="oak" x="2" y="4" width="16" height="24"/></TextureAtlas>',
        LIBGDX + f"gone\n  xy: {x}, {y}\n  size: {w}, {h}\n",
        GODOT.replace("[resource]", f'[sub_resource type="AtlasTexture" id="gone"]\natlas = ExtResource("1_x")\n'
                      f"region = Rect2({x}, {y}, {w}, {h})\n\n[resource]"),
        UNITY + f"    - serializedVersion: 2\n      name: gone\n      rect:\n        serializedVersion: 2\n"
        f"        x: {x}\n        y: {y}\n        width: {w}\n        height: {h}\n",
    ]  # fmt: skip

    found = [atlas.regions for text in texts for atlas in read_atlases(text.encode())]

    assert [[(one.x, one.y, one.width, one.height) for one in regions] for regions in found] == [
        [(2, 4, 16, 24)]
    ] * len(texts)


def test_a_tile_set_of_godot_names_the_tiles_that_it_uses() -> None:
    [atlas] = read_atlases(GODOT_TILES.encode())

    assert may_be_atlas(GODOT_TILES.encode())
    assert (atlas.format, atlas.picture) == ("Godot", "art/trees.png")
    assert atlas.regions == (Region("0:0", 2, 4, 16, 24), Region("2:1", 36, 31, 33, 24))


def test_a_map_whose_layers_are_long_is_read_to_its_tile_sets() -> None:
    tiles = {"image": "t.png", "imagewidth": 32, "imageheight": 16, "tilewidth": 16, "tileheight": 16}
    text = json.dumps({"height": 100, "layers": [{"data": [1] * 20_000}], "tilesets": [tiles]}).encode()

    assert may_be_atlas(text[:36_864])
    assert [len(atlas.regions) for atlas in read_atlases(text)] == [2]


UTF_16_XML = (
    '<?xml version="1.0" encoding="UTF-16"?>\n<TextureAtlas imagePath="b\u00e4ume.png">{}</TextureAtlas>'.format(
        '<SubTexture name="oak" x="2" y="4" width="16" height="24"/>'
    )
)
ENCODED = {
    "starling": (UTF_16_XML, "b\u00e4ume.png"),
    "plist": (PLIST.format("<key>frame</key><string>{{2,4},{16,24}}</string>"), "trees.png"),
    "json": (json.dumps({"frames": {"oak": FRAME}, "meta": {"image": "trees.png"}}), "trees.png"),
    "libgdx": (LIBGDX, "trees.png"),
    "godot": (GODOT, "art/trees.png"),
    "unity": (UNITY, ""),
}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", list(ENCODED))
def test_an_atlas_may_be_saved_in_utf_16(kind: str, encoding: str) -> None:
    text, picture = ENCODED[kind]
    data = text.encode(encoding)

    assert may_be_atlas(data)
    assert [(atlas.picture, len(atlas.regions)) for atlas in read_atlases(data)] == [(picture, 1)]


def test_an_xml_text_may_state_utf_16_and_be_saved_in_utf_8() -> None:
    data = UTF_16_XML.encode()

    assert may_be_atlas(data)
    assert [atlas.picture for atlas in read_atlases(data)] == ["b\u00e4ume.png"]


def test_a_text_that_is_no_utf_8_is_taken_for_western_european() -> None:
    data = LIBGDX.replace("trees", "b\u00e4ume").encode("latin-1")

    assert [atlas.picture for atlas in read_atlases(data)] == ["b\u00e4ume.png"]


def test_names_of_pictures_are_the_same_composed_or_not() -> None:
    """Archives of macOS hold names in which an umlaut is a letter and a mark."""
    decomposed = "pack/ba\u0308ume.png"

    assert picture_of("B\u00e4ume.png", "pack/a.json", {decomposed: 1}) == 1
    assert picture_of("ba\u0308ume.png", "pack/a.json", {"pack/b\u00e4ume.png": 1}) == 1


@pytest.mark.parametrize("size", ["", ' width="" height=""', ' width="40"'], ids=["none", "empty", "half"])
def test_a_tile_set_need_not_state_the_size_of_its_picture(size: str) -> None:
    """What lies outside the picture is left out once the picture is known."""
    text = f'<tileset tilewidth="16" tileheight="8" spacing="1" margin="2"><image source="t.png"{size}/></tileset>'

    [atlas] = read_atlases(text.encode())

    assert len(atlas.regions) == MAX_REGIONS
    assert [one for one in atlas.regions if one.x + one.width <= 40 and one.y + one.height <= 12] == [
        Region("0:0", 2, 2, 16, 8),
        Region("1:0", 19, 2, 16, 8),
    ]


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_tile_set_without_a_size_has_as_many_tiles_as_it_states(form: str) -> None:
    facts = {"tilewidth": 8, "tileheight": 8, "columns": 2, "tilecount": 3}
    stated = " ".join(f'{name}="{value}"' for name, value in facts.items())
    texts = {
        "xml": f'<tileset {stated}><image source="t.png"/></tileset>',
        "json": json.dumps({**facts, "image": "t.png"}),
    }

    [atlas] = read_atlases(texts[form].encode())

    assert atlas.regions == (Region("0", 0, 0, 8, 8), Region("1", 8, 0, 8, 8), Region("2", 0, 8, 8, 8))


def test_names_of_a_libgdx_text_may_hold_a_colon() -> None:
    old = "ui.png\nsize: 64,64\nformat: RGBA8888\nui:button\n  rotate: false\n  xy: 2, 4\n  size: 16, 24\n"
    old += "walk: 1\n  xy: 20, 4\n  size: 8, 8\nsize: xl\n  xy: 30, 4\n  size: 8, 8\n"
    new = "ui.png\nsize: 64, 64\nui:button\nbounds: 2, 4, 16, 24\nanchor: 3, 4\nfire: big\nbounds: 20, 4, 8, 8\n"

    found = [[region.name for region in atlas.regions] for text in (old, new) for atlas in read_atlases(text.encode())]

    assert found == [["ui:button", "walk: 1", "size: xl"], ["ui:button", "fire: big"]]


def test_a_page_of_a_libgdx_text_need_not_state_its_size() -> None:
    text = "a: b.png\nformat: RGBA8888\nfilter: Nearest,Nearest\noak\n  xy: 2, 4\n  size: 16, 24\n"

    assert may_be_atlas(text.encode())
    assert read_atlases(text.encode()) == (Atlas("LibGDX", "a: b.png", (OAK,)),)
