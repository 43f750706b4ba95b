"""Which words of game art mean the same, and which words name a colour; docs/search.md shows both tables. Pure."""

from collections.abc import Mapping
from functools import cache

from ogaart.likeness.colours import COLOUR_NAMES
from ogaart.words.tokens import stem, stems, words

GROUPS: tuple[tuple[str, ...], ...] = (
    ("ship", "spaceship", "space ship", "starship", "spacecraft"),
    ("monster", "enemy", "mob", "creature", "foe"),
    ("tile", "tileset", "tilemap", "tilesheet"),
    ("sprite", "spritesheet", "sprite sheet"),
    ("character", "hero", "protagonist"),
    ("background", "backdrop", "bg", "parallax"),
    ("ui", "gui", "interface", "hud"),
    ("button", "btn"),
    ("bullet", "projectile", "shot"),
    ("gun", "firearm", "pistol", "rifle"),
    ("coin", "gold coin", "money"),
    ("gem", "jewel", "crystal", "diamond"),
    ("chest", "treasure chest", "treasure"),
    ("potion", "flask", "elixir"),
    ("explosion", "blast", "boom"),
    ("car", "automobile", "racecar"),
    ("helicopter", "chopper"),
    ("airplane", "plane", "aircraft", "jet"),
    ("rock", "stone", "boulder"),
    ("ground", "terrain", "floor"),
    ("house", "building", "home"),
    ("dungeon", "cave", "cavern"),
    ("zombie", "undead"),
    ("ghost", "spirit", "phantom"),
    ("robot", "android", "mech", "bot"),
    ("wizard", "mage", "sorcerer", "magician"),
    ("knight", "paladin"),
    ("woman", "female", "girl"),
    ("man", "male", "boy"),
    ("topdown", "top down", "overhead"),
    ("sidescroller", "side scroller", "platformer"),
    ("isometric", "iso"),
    ("icon", "symbol", "pictogram"),
    ("heart", "health", "hp"),
    ("font", "typeface", "lettering"),
    ("fire", "flame"),
    ("sword", "blade"),
    ("asteroid", "meteor", "meteorite"),
    ("switch", "lever"),
    ("bush", "shrub", "hedge"),
)  # fmt: skip
"""Each row means about the same; a picture that has another word of the row ranks behind one that has yours."""

COLOUR_WORDS: Mapping[str, str] = {name: name for name in COLOUR_NAMES} | {
    "gray": "grey", "silver": "grey", "violet": "purple", "magenta": "pink", "cyan": "turquoise", "teal": "turquoise",
    "crimson": "red", "scarlet": "red", "golden": "yellow", "navy": "blue", "azure": "blue", "lime": "green",
}  # fmt: skip
"""Words that also find pictures whose main colour is the one named."""


@cache
def _others() -> Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for group in GROUPS:
        forms = list(dict.fromkeys(tuple(stems(words(one))) for one in group))
        for form in forms:
            found.setdefault(form, []).extend(other for other in forms if other != form)
    return {form: tuple(dict.fromkeys(others)) for form, others in found.items()}


def synonyms(stemmed: str) -> tuple[tuple[str, ...], ...]:
    """What else one term is called: terms, several where they are needed together."""
    return _others().get((stemmed,), ())


@cache
def table_words() -> tuple[str, ...]:
    """Every single word of the table, sorted."""
    forms = (words(form) for group in GROUPS for form in group)
    return tuple(sorted({form[0] for form in forms if len(form) == 1}))


def has_synonyms(word: str) -> bool:
    """Whether the table has a word, in whatever form."""
    return bool(synonyms(stem(word)))
