"""From the setting ``OGAART_SITE_NAME`` to the site that it names."""

import importlib
import re

from ogaart.settings import Settings
from ogaart.sites.base import Site
from ogaart.sites.errors import UnknownSite

SITES = {"opengameart": "ogaart.sites.opengameart.site:OpenGameArt"}
"""The sites shipped, by name, as ``module:class``; a module is imported when its site is opened."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED = {"node"}  # OpenGameArt's keys of entries without a name begin with /node/


def open_site(settings: Settings) -> Site:
    """The site that the settings name, at the base URL that they name.

    ``OGAART_SITE_NAME`` is the name of a shipped site, or ``module:class`` of one that is installed beside ogaart.

    Raises:
        UnknownSite: there is no such site, or its name cannot be part of a key.
    """
    module, colon, name = SITES.get(settings.site_name, settings.site_name).partition(":")
    known = f"known are {', '.join(SITES)}; a site of another package is written module:class"
    if not colon:
        raise UnknownSite(f"OGAART_SITE_NAME={settings.site_name!r} is not a known site: {known}")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as cause:
        raise UnknownSite(f"OGAART_SITE_NAME={settings.site_name!r} cannot be imported ({cause}): {known}") from cause
    if not (isinstance(found, type) and issubclass(found, Site)):
        raise UnknownSite(f"OGAART_SITE_NAME={settings.site_name!r} is not a subclass of ogaart.sites.base.Site")
    if not _NAME.fullmatch(found.name) or found.name in _RESERVED:
        raise UnknownSite(f"site name {found.name!r}: use a-z, 0-9 and '_', beginning with a letter, and not 'node'")
    return found(settings.site)
