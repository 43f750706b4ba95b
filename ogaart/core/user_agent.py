"""The User-Agent header of every request that ogaart sends: product, version, and how to reach its operator."""

from importlib.metadata import PackageNotFoundError, version

PRODUCT = "ogaart"
"""The name under which robots.txt may address ogaart."""


def user_agent(contact: str, purpose: str = "") -> str:
    """The header's value.

    Args:
        contact: mail address or URL of the operator; may be empty.
        purpose: what the requests are for, where that is not the crawl.

    Raises:
        ValueError: the contact cannot be written in a header.
    """
    try:
        number = version(PRODUCT)
    except PackageNotFoundError:
        number = "0"
    contact = contact.strip()
    if not (contact.isascii() and contact.isprintable()):
        raise ValueError(f"OGAART_CONTACT {contact!r}: expected a mail address or URL in printable ASCII")
    notes = "; ".join(note for note in (purpose, f"+{contact}" if contact else "") if note)
    return f"{PRODUCT}/{number} ({notes})" if notes else f"{PRODUCT}/{number}"
