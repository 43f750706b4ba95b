"""From a search URL to a query: finds the pictures behind tokens, links and ids."""

import hashlib
from dataclasses import dataclass, replace

from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import InvalidParameter, NotFound
from ogaart.search.picture_parameters import LINK, Example, is_link
from ogaart.search.query import QueryPicture, SearchQuery, Sort
from ogaart.search.results import Hit
from ogaart.search.search_url import SearchUrl


@dataclass(frozen=True)
class ShownExample:
    """A positive or negative example as the page shows it: of the catalog, or else a visitor's."""

    example: Example
    hit: Hit | None = None
    picture: QueryPicture | None = None
    url: str = ""


@dataclass(frozen=True)
class ResolvedQuery:
    """A query with what a page shows of it."""

    query: SearchQuery
    picture: QueryPicture | None = None
    picture_url: str = ""
    positive: tuple[ShownExample, ...] = ()
    negative: tuple[ShownExample, ...] = ()


class QueryResolver:
    """Turns search URLs into queries.

    Args:
        service: finds hits and reads pictures.
        uploads: visitors' pictures.
    """

    def __init__(self, service: SearchService, uploads: Uploads) -> None:
        self._service = service
        self._uploads = uploads

    def read_links(self, address: SearchUrl) -> SearchUrl:
        """Resolve a link, typed as words or passed as a link, to an entry or a picture."""
        words = address.words.strip()
        if not is_link(words):
            words = self._link_in(words)
        if not is_link(words):
            found = self._service.find_link(address.url) if address.url else None
            if found is None or not found.entry:
                return address
            return replace(address, url="", crop=None, filters=address.filters.with_changes(entry=found.entry), page=1)
        found = self._service.find_link(words)
        if found is not None and (found.entry or len(found.images) > 1):
            slug = found.entry or self._service.hits(found.images[:1])[0].slug
            return replace(address, words="", filters=address.filters.with_changes(entry=slug), page=1)
        return replace(address, words="", upload="", url=words, positive=(), negative=(), crop=None, page=1)

    def _link_in(self, words: str) -> str:
        """The link among some words, as phones share it after a title, if it leads somewhere here; else the words."""
        links = LINK.findall(words)
        return links[0] if len(links) == 1 and self._service.find_link(links[0]) is not None else words

    def resolve(self, address: SearchUrl, visitor: Visitor) -> ResolvedQuery:
        """Make the query.

        Raises:
            UploadGone: the token is unknown or has expired.
            Unreadable: the link does not return a readable picture.
            RemoteRefused: the link is not fetched, by this server's rules.
            RemoteFailed: the link does not return a picture.
            NotFound: none of the pictures of the search is published.
        """
        space = self._service.info().space
        positive, negative = (
            self._shown(examples, space, visitor) for examples in (address.positive, address.negative)
        )
        if (address.positive or address.negative) and not positive and not negative:
            raise NotFound("none of the pictures of this search is published (any more)")
        token = address.upload or (self._linked(address.url, visitor) if address.url else "")
        if not token and positive and (address.cropped == positive[0].example or (len(positive) == 1 and not negative)):
            token, rest = self._alone(address, positive[0], visitor)
            positive = (*rest, *positive[1:])
        picture = self._uploads.picture(token, visitor, address.crop, space) if token else None
        query = SearchQuery(
            words=address.words,
            picture=picture,
            positive=tuple(one.hit.image_id for one in positive if one.hit),
            negative=tuple(one.hit.image_id for one in negative if one.hit),
            positive_pictures=tuple(one.picture for one in positive if one.picture),
            negative_pictures=tuple(one.picture for one in negative if one.picture),
            filters=address.filters,
            fold=address.fold,
            group=address.one_each,
            sort=Sort(address.sort),
            weights=address.weights,
            limit=address.limit,
            offset=address.offset,
        )
        return ResolvedQuery(query, picture, _upload_url(token) if token else "", positive, negative)

    def _shown(self, examples: tuple[Example, ...], space: str, visitor: Visitor) -> tuple[ShownExample, ...]:
        """The examples, without images that are not in the catalog (any more)."""
        hits = {hit.image_id: hit for hit in self._service.hits([one for one in examples if isinstance(one, int)])}
        shown: list[ShownExample] = []
        for one in examples:
            if isinstance(one, int):
                if one in hits:
                    shown.append(ShownExample(one, hit=hits[one]))
            else:
                token = self._linked(one, visitor) if is_link(one) else one
                shown.append(
                    ShownExample(
                        one, picture=self._uploads.picture(token, visitor, space=space), url=_upload_url(token)
                    )
                )
        return tuple(shown)

    def _linked(self, url: str, visitor: Visitor) -> str:
        """Token of the picture behind a link, of this catalog or fetched; kept for one hour."""
        token = key_of(f"link {url}")
        if not self._uploads.has(token):
            found = self._service.find_link(url)
            if found is not None and found.entry:
                raise InvalidParameter(
                    f"{url[:200]} is an entry with many pictures; search for it as `q`, and choose one of them"
                )
            own = self._service.original(found.images[0]) if found is not None and found.images else None
            visitor.charge()  # before the fetch: a link that hangs costs as much as one that works
            content = own[1] if own is not None else self._service.fetch(url, visitor)
            self._uploads.add(content, visitor.charged, token)
        return token

    def _alone(self, address: SearchUrl, like: ShownExample, visitor: Visitor) -> tuple[str, tuple[ShownExample, ...]]:
        """What the only picture of the search is: a visitor's own, the crop of a hit, or just a hit.

        Returns:
            Its token, if it has one, and the positive examples that are left.
        """
        if like.hit is None:
            return (self._linked(str(like.example), visitor) if is_link(str(like.example)) else str(like.example)), ()
        if address.crop is None:
            return "", (like,)
        # A crop of a hit is a picture of its own: the hit's original takes the place of the hit.
        token = key_of(f"image {like.hit.image_id}")
        if not self._uploads.has(token):
            found = self._service.original(like.hit.image_id)
            if found is None:
                return "", (like,)
            self._uploads.add(found[1], visitor, token)
        return token, ()


def _upload_url(token: str) -> str:
    return f"/upload/{token}.webp"


def key_of(text: str) -> str:
    """A token for a picture that has a URL of its own, so that it is fetched and read once."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
