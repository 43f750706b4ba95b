"""Settings that are not valid, told by the names of their environment variables, and without passwords."""

from pydantic import ValidationError

from ogaart.settings import Settings, shown_url, variable

_SECRETS = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
_URLS = {"qdrant_url", "site", "contact"}


def what_is_wrong(cause: ValidationError) -> str:
    """What is wrong with the settings, by the names of the environment variables."""
    lines = []
    for error in cause.errors():
        name = str(error["loc"][0]).lower() if error["loc"] else ""  # some are named as their variable is
        shown = shown_url(str(error["input"]))
        # What is not a valid URL may hold a password in a place in which shown_url does not look for it.
        value = "***" if name in _SECRETS or (name in _URLS and "@" in str(error["input"])) else repr(shown)
        what = f"{variable(name)}={value}" if name in Settings.model_fields else shown
        lines.append(f"{what}: {error['msg'].removeprefix('Value error, ')}")
    return "; ".join(lines)
