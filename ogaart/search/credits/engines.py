"""Files of a bundle that game engines take as they are: a credits scene for Godot, import settings for Unity. Pure."""

import json
from collections.abc import Sequence

from ogaart.search.credits.credits import Credits
from ogaart.search.credits.exports import clean

_GODOT = """[gd_scene format=3]

[node name="Credits" type="RichTextLabel"]
anchors_preset = 15
anchor_right = 1.0
anchor_bottom = 1.0
bbcode_enabled = false
text = {text}
"""
_UNITY = """// Imports the pixel art of this bundle as sprites with hard pixels. Keep it in a folder named Editor.
using UnityEditor;
using UnityEngine;

public sealed class OgaartImport : AssetPostprocessor
{{
    private static readonly string[] PixelArt =
    {{
{names}
    }};

    private void OnPreprocessTexture()
    {{
        foreach (string name in PixelArt)
        {{
            if (!assetPath.EndsWith("/" + name)) continue;
            var importer = (TextureImporter)assetImporter;
            importer.textureType = TextureImporterType.Sprite;
            importer.filterMode = FilterMode.Point;
            importer.textureCompression = TextureImporterCompression.Uncompressed;
            importer.mipmapEnabled = false;
        }}
    }}
}}
"""


def scene_list(owed: Credits) -> str:
    """The lines of a credits scene: authors, and under each what they made and under which licence."""
    lines: list[str] = []
    for author in owed.authors:
        lines += ["", _line(author.name)]
        for work in author.works:
            licence = _line(work.relied_on.name) if work.relied_on else "no licence stated"
            others = f", with {', '.join(map(_line, work.collaborators))}" if work.collaborators else ""
            lines.append(f"  {_line(work.title)}{others} ({licence})")
            if work.own_notice:
                lines += [f"    {line}" for line in clean(work.text).split("\n")]
            lines.append(f"  {work.page_url}")
    return "\n".join(lines[1:]) + "\n"


def engine_files(owed: Credits, pixel_art: Sequence[str]) -> list[tuple[str, str]]:
    """Names and contents of the files.

    Args:
        owed: what to credit.
        pixel_art: names in the bundle of those pictures that are pixel art.
    """
    text = scene_list(owed)
    # Both engines read the escapes of JSON in their strings.
    names = "\n".join(f"        {json.dumps(name)}," for name in pixel_art)
    return [
        ("credits.txt", text),
        ("for-godot/credits.tscn", _GODOT.format(text=json.dumps(text, ensure_ascii=False))),
        ("for-unity/Editor/OgaartImport.cs", _UNITY.format(names=names)),
    ]


def _line(text: str) -> str:
    return " ".join(clean(text).split())
