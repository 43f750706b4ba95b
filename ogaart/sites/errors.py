"""Why a page, a list of queries or a site's name cannot be used."""

from typing import ClassVar


class PageUnreadable(ValueError):
    """The bytes are not a page of the site that can be parsed: empty, cut off, or something else altogether.

    Attributes:
        retryable: whether the same URL may hold the right page later. One bad answer is not the truth: what is stored
            of the entry or the listing stays, the failure is recorded with this flag, and the URL is fetched again.
    """

    retryable: ClassVar[bool] = True


class PageOverLimit(PageUnreadable):
    """The page is larger, longer or nested deeper than is parsed; fetching it again would not change that."""

    retryable = False


class PageForeign(PageUnreadable):
    """A whole page that is neither an entry nor provably another kind of page of this site.

    Log-in forms, "Access denied", maintenance pages, a proxy's own page: all of them come with status 200 now and then
    at an entry's URL, and none of them is evidence about the entry. Code that parses an entry must treat this as a
    failed fetch, not as an answer: fetch the URL again within the run (``SiteClient.get(…, refresh=True)``); if it
    stays so, keep the stored row and record the failure with ``retryable=cause.retryable``.
    """


class PageOfAnother(PageUnreadable):
    """A whole page of the site, and not the one that was requested: another entry's, or another query's results.

    Caches mix pages up, and proxies redirect. As with ``PageForeign``, one such answer is not evidence.
    """


class ListingUnreadable(PageUnreadable):
    """The page is not a result page that can be relied on, or not the one that was requested."""


class ListingRefused(ValueError):
    """The site refuses to run the search, such as for a keyword of fewer than 3 characters."""


class InvalidQueries(ValueError):
    """The file of queries is missing, is not TOML, or holds a query that the site cannot run."""


class UnknownSite(ValueError):
    """The setting names a site that ogaart cannot read."""
