"""With what a bucket is accessed: the variables of its provider's own tools, or the role of a machine in its cloud.

Clients take the second where the first are not set, and ask the machine's metadata service again and again: elsewhere
there is none, which is noticed here at once.
"""

import os
import re
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from ogaart.resources.objects.store import ObjectsRefused

_SECONDS = 3.0
"""Seconds that a metadata service may take: it is on the machine itself, or beside it."""
_ATTEMPTS = 3


class _Provider(NamedTuple):
    variables: tuple[str, ...]
    """Each of them gives credentials, or says that none are needed."""
    wanted: str
    """Which to name where none is set."""
    checked: str
    """What to look at where the server refuses those that are set."""
    endpoint: str
    """What names another server than the provider's own; empty where nothing does."""


_PROVIDERS = {
    "s3": _Provider(
        ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and the machine's clock",
        "AWS_ENDPOINT_URL",
    ),
    "gs": _Provider(
        ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"),
        "GOOGLE_APPLICATION_CREDENTIALS to a key file",
        "the key file that GOOGLE_APPLICATION_CREDENTIALS names",
        "",
    ),
    "az": _Provider(
        ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_KEY", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
        "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY and the machine's clock",
        "AZURE_STORAGE_ENDPOINT",
    ),
}


def lacking(url: str) -> str:
    """Which variables are missing, where none has credentials, as the end of a message; else empty."""
    provider = _PROVIDERS.get(url.partition(":")[0])
    if provider is None or any(os.environ.get(name) for name in provider.variables):
        return ""
    return f". No credentials are set: set {provider.wanted}, or use a machine whose role may use the bucket"


def refusal(url: str, answer: str) -> str | None:
    """What it means, with the way out, where a server refuses access, knows no such bucket or is away; else None.

    Args:
        url: the bucket.
        answer: the client's message, which has the status of the server's answer and its XML, or that there was none.
    """
    provider = _PROVIDERS.get(url.partition(":")[0])
    if provider is None or lacking(url):  # without credentials it may be the answer to a role's request
        return None
    if "error sending request" in answer:
        server = re.search(r"https?://[^\s/]+", answer)
        named = f", or correct {provider.endpoint}" if os.environ.get(provider.endpoint) else ", or check the network"
        return f"{server[0] if server else 'its server'} does not respond: start it{named}"
    status = re.search(r"status code: (40[134] [A-Z]\w*(?: [A-Z]\w*)*)", answer)
    if status is None:
        return None
    if status[1].startswith("404"):
        return "there is no such bucket: make it" if "list request" in answer else None
    code = re.search(r"<Code>(\w+)</Code>", answer)
    said = ", ".join([status[1], *([code[1]] if code else [])])
    looked_at = provider.checked if provider is not None and not lacking(url) else "the credentials"
    return (
        f"the server refuses access ({said}): check {looked_at}, and that they may list, read, write and delete there"
    )


def require_credentials(url: str) -> None:
    """Refuse a bucket of Google's for which nothing has credentials: its client would wait for the whole patience.

    Raises:
        ObjectsRefused: no variable is set, there is no file of Google's tools, and no metadata service answers.
    """
    if not url.startswith("gs:") or any(name.startswith("GOOGLE_") for name in os.environ):
        return
    if (Path.home() / ".config/gcloud/application_default_credentials.json").exists():
        return
    host = os.environ.get("GCE_METADATA_HOST", "169.254.169.254")
    if not any(_is_metadata_service(host) for _ in range(_ATTEMPTS)):
        raise ObjectsRefused(f"OGAART_OBJECTS ({url}): no metadata service of Google's at {host}{lacking(url)}")


def _is_metadata_service(host: str) -> bool:
    """As Google's own libraries tell it, by a header of the answer."""
    request = urllib.request.Request(f"http://{host}/", headers={"Metadata-Flavor": "Google"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return bool(answer.headers["Metadata-Flavor"] == "Google")
    except (OSError, HTTPException):
        return False
