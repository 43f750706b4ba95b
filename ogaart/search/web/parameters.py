"""The parameters of a search in words: one table, from which OpenAPI and the API page are made."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Path
from pydantic import BeforeValidator

from ogaart.core.image_ids import LARGEST_IMAGE_ID, parse_image_id
from ogaart.imaging.colours import COLOUR_NAMES
from ogaart.search.query import MAX_PAGE_SIZE, PAGE_SIZE, Aspect, Size
from ogaart.search.search_url import MAX_FOREIGN, USES


def _image_id(text: str) -> int:
    if (number := parse_image_id(text)) is None:
        raise ValueError(f"expected a whole number from 0 to {LARGEST_IMAGE_ID}")
    return number


ImageId = Annotated[int, BeforeValidator(_image_id), Path(ge=0, le=LARGEST_IMAGE_ID)]
"""An image_id in a path."""


@dataclass(frozen=True)
class Parameter:
    """One parameter; ``many`` ones may be given several times."""

    name: str
    description: str
    example: str
    kind: str = "string"
    many: bool = False
    choices: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        one: dict[str, Any] = {"type": self.kind}
        if self.choices:
            one["enum"] = list(self.choices)
        return {"type": "array", "items": one} if self.many else one

    @property
    def openapi(self) -> dict[str, Any]:
        """Its entry in OpenAPI."""
        return {
            "name": self.name,
            "in": "query",
            "required": False,
            "description": self.description,
            "schema": self.schema,
            "example": [self.example] if self.many else self.example,
        }


_YES_NO = ("yes", "no")

_EXAMPLE = f"by image_id, by the token of an upload, or by link (at most {MAX_FOREIGN} of the last two)"

PARAMETERS = (
    Parameter("q", 'Words; `"a phrase"` and `-not` are understood. A link is understood as `url`.', "robot"),
    Parameter("url", "A picture by its link, fetched by this server from the public web.", "https://example.org/a.png"),
    Parameter("upload", "Token of a picture sent within the last hour.", "zck3sNIgVpcOi_PQnctMQQ"),
    Parameter("like", f"Pictures to be like: {_EXAMPLE}.", "252004677832353023", many=True),
    Parameter("unlike", f"Pictures to be unlike: {_EXAMPLE}.", "252004677832353023", many=True),
    Parameter("crop", "Part of the picture: left,top,width,height as shares of it.", "0.1,0.2,0.5,0.5"),
    Parameter("licence", "Licence by name, version included; any of several.", "CC-BY 4.0", many=True),
    Parameter("use", "What one licence must let you do; all of several.", "sell", many=True, choices=USES),
    Parameter("type", "Art type; any of several.", "2D Art", many=True),
    Parameter("author", "Author, as shown; any of several.", "Kenney", many=True),
    Parameter("tag", "Tags, also comma-separated; all of them.", "space", many=True),
    Parameter("size", "Size by area: up to 32², 128², 512² pixels, or more.", "icon", choices=tuple(Size)),
    Parameter("aspect", "Shape.", "square", choices=tuple(Aspect)),
    Parameter("min_width", "Smallest width in pixels.", "16", kind="integer"),
    Parameter("max_width", "Largest width in pixels.", "512", kind="integer"),
    Parameter("min_height", "Smallest height in pixels.", "16", kind="integer"),
    Parameter("max_height", "Largest height in pixels.", "512", kind="integer"),
    Parameter("alpha", "Whether it is see-through anywhere.", "yes", choices=_YES_NO),
    Parameter("pixel_art", "Whether it is drawn pixel by pixel: few colours, small.", "yes", choices=_YES_NO),
    Parameter("colour", "Main colour; any of several.", "blue", many=True, choices=COLOUR_NAMES),
    Parameter("entry", "One entry, by its name in its URL.", "robot-animated"),
    Parameter("fold", "`no`: near-identical hits each by itself.", "no", choices=_YES_NO),
    Parameter("group", "`yes`: one hit of each entry.", "yes", choices=_YES_NO),
    Parameter("limit", f"Hits on a page, 1 to {MAX_PAGE_SIZE}; default {PAGE_SIZE}.", "10", kind="integer"),
    Parameter("page", "Page, from 1.", "2", kind="integer"),
)
