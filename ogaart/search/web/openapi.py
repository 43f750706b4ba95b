"""The API's description in OpenAPI: parameters with their bounds, and the errors of each route."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import FastAPI, Path

from ogaart.search.parameters import MAX_TEXT, MAX_VALUES, Parameter, Text, Texts, Whole
from ogaart.search.web.schemas.problems import ProblemRecord

ImageId = Annotated[int, Path(ge=0, lt=1 << 63, description="The picture, by its image_id.")]
"""An image_id in a path: as large as the store's integers."""

_DESCRIPTIONS = {
    400: "Invalid parameter: unknown, or outside its values; the detail names it and what is nearest.",
    403: "The link is not fetched, by this server's rules.",
    404: "Not found.",
    405: "Another method; Allow names those that there are.",
    408: "The body did not arrive in time.",
    410: "The upload has expired.",
    413: "The picture, the body or the bundle is too large.",
    422: "The picture cannot be read.",
    429: "Too many requests; see Retry-After and RateLimit.",
    500: "The server failed.",
    502: "The link does not return a picture.",
    503: "Nothing is published yet, the server is busy, or a part of it does not work; see Retry-After.",
}
ALWAYS = (400, 404, 405, 429, 500, 503)
OF_PICTURES = (*ALWAYS, 403, 408, 410, 413, 422, 502)


def problems(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """The errors of a route: each is problem+json."""
    schema = {"$ref": f"#/components/schemas/{ProblemRecord.__name__}"}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in sorted(statuses)
    }


def schema(parameter: Parameter) -> dict[str, Any]:
    """The JSON schema of a parameter's value."""
    kind = parameter.kind
    one: dict[str, Any] = {"type": kind.type}
    if kind.choices:
        one["enum"] = [choice.value for choice in kind.choices]
    elif kind.type == "string":
        one |= {"minLength": 1, "maxLength": kind.longest if isinstance(kind, Text | Texts) else MAX_TEXT}
    if isinstance(kind, Whole):
        one |= {"minimum": kind.low, "maximum": kind.high}
    if kind.many:
        return {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_VALUES}
    if kind.default not in (None, ""):
        one["default"] = next(iter(kind.write(kind.default)), None) or _plain(kind.default)
    return one


def _plain(value: Any) -> Any:
    """A default as the URL would hold it."""
    return ("yes" if value else "no") if isinstance(value, bool) else value


def openapi(parameter: Parameter) -> dict[str, Any]:
    """A parameter's entry in OpenAPI."""
    also = f" Also read as `{'`, `'.join(parameter.aliases)}`." if parameter.aliases else ""
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.help + also,
        "schema": schema(parameter),
        "example": [parameter.example] if parameter.kind.many else _example(parameter),
    }


def _example(parameter: Parameter) -> Any:
    return int(parameter.example) if isinstance(parameter.kind, Whole) else parameter.example


def describe(app: FastAPI) -> None:
    """Make the application describe itself with its own errors instead of the framework's."""
    made = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        found = made()
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas[ProblemRecord.__name__] = ProblemRecord.model_json_schema()
        for operations in found["paths"].values():
            for operation in operations.values():
                invalid = operation["responses"].get("422", {})
                if "HTTPValidationError" in str(invalid):
                    del operation["responses"]["422"]
        return found

    app.openapi = described  # type: ignore[method-assign]
