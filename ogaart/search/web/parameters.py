"""The parameters of a search as OpenAPI describes them."""

from typing import Annotated, Any

from fastapi import Path

from ogaart.search.parameters import Parameter

ImageId = Annotated[int, Path(ge=0, lt=1 << 63)]
"""An image_id in a path: as large as the store's integers."""


def schema(parameter: Parameter) -> dict[str, Any]:
    """The JSON schema of a parameter's value."""
    one: dict[str, Any] = {"type": parameter.kind.type}
    if parameter.kind.choices:
        one["enum"] = [choice.value for choice in parameter.kind.choices]
    return {"type": "array", "items": one} if parameter.kind.many else one


def openapi(parameter: Parameter) -> dict[str, Any]:
    """A parameter's entry in OpenAPI."""
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.help,
        "schema": schema(parameter),
        "example": [parameter.example] if parameter.kind.many else parameter.example,
    }
