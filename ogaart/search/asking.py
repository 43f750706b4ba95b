"""From an address to a query: finds the pictures that tokens, links and ids stand for."""

import hashlib
from dataclasses import dataclass

from ogaart.search.address import Address
from ogaart.search.query import Query, QueryPicture
from ogaart.search.results import Hit
from ogaart.search.service import SearchService
from ogaart.search.uploads import Uploads


@dataclass(frozen=True)
class Asked:
    """A query with what a page shows of it."""

    query: Query
    picture: QueryPicture | None = None
    picture_url: str = ""
    likes: tuple[Hit, ...] = ()
    dislikes: tuple[Hit, ...] = ()


class Asking:
    """Turns addresses into queries.

    Args:
        service: gives hits and looks at pictures.
        uploads: visitors' pictures.
    """

    def __init__(self, service: SearchService, uploads: Uploads) -> None:
        self._service = service
        self._uploads = uploads

    def ask(self, address: Address) -> Asked:
        """Make the query.

        Raises:
            UploadGone: the token is unknown or has expired.
            Unreadable: what the link leads to is no readable picture.
        """
        likes = tuple(self._service.hits(address.likes))
        dislikes = tuple(self._service.hits(address.dislikes))
        token = address.upload
        picture = self._uploads.picture(token, address.crop, self._service.info().space) if token else None
        rest = tuple(hit.image_id for hit in likes)
        query = Query(
            words=address.words,
            picture=picture,
            likes=rest,
            dislikes=tuple(hit.image_id for hit in dislikes),
            filters=address.filters,
            fold=address.fold,
            group=address.group,
            limit=address.limit,
            offset=address.offset,
        )
        return Asked(query, picture, f"/upload/{token}.webp" if token else "", likes, dislikes)


def key_of(text: str) -> str:
    """A token for a picture that has an address of its own, so that it is fetched and looked at once."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
