# ruff: noqa: DTZ001 - the site states no zone
from dataclasses import fields
from datetime import datetime

import pytest

from ogaart.core.states import EntryStatus, FileRole
from ogaart.settings import MOST_PAGE_BYTES
from ogaart.sites.errors import PageForeign, PageUnreadable
from ogaart.sites.licences import uses
from ogaart.sites.opengameart.content import parse_entry
from ogaart.sites.records import EntryPage, FileLink, content_hash
from ogaart_tests.sites.opengameart.build import BASE, EVERYTHING, FIELDS, PLAIN, replaced, saved, without

URL = f"{BASE}/content/made-up-forest-tiles"
HASH_OF_PLAIN = "4f2747ae4fd9191d0753aeb79920a2f5ca6c6990fbe5df41c8e91aec1a3f32a1"  # of the first release
AUTHOR = "<span class='username'><a href=\"/users/inventedartist\">InventedArtist</a></span>"
WITHHELD = (
    '<div class="field-label">File(s):&nbsp;</div><div style="padding-left: 20px; font-style: italic;">File(s) '
    "currently unavalable due to potential licensing issues.  We apologize for the inconvenience.</div>"
)


def entry(html: str | bytes, url: str = URL) -> EntryPage:
    return parse_entry(html.encode() if isinstance(html, str) else html, url, BASE)


def changed(old: str, new: str, page: str = PLAIN) -> EntryPage:
    return entry(replaced(saved(page), (old, new)))


def test_a_plain_entry_is_read_whole() -> None:
    page = entry(saved(PLAIN))
    assert page == EntryPage(
        slug="made-up-forest-tiles",
        url=URL,
        status=EntryStatus.OK,
        nid=900001,
        title="Made Up Forest Tiles",
        author="InventedArtist",
        author_url=f"{BASE}/users/inventedartist",
        submitter=None,
        posted_at=datetime(2024, 3, 5, 14, 7),
        art_type="2D Art",
        tags=("forest", "pixel art", "16x16"),
        licences=("CC-BY 4.0", "OGA-BY 3.0"),
        licence_urls=("https://creativecommons.org/licenses/by/4.0/", "http://opengameart.org/content/oga-by-30-faq"),
        notice='Credit "InventedArtist", a link back is nice.',
        description="A made-up set of forest tiles, 16x16.\nTrees, bushes and a path.",
        favourites=12,
        collections=("Imaginary CC0 Collection", "Tiles & more"),
        files=page.files,
        previews=page.previews,
        canonical="made-up-forest-tiles",
    )
    files = f"{BASE}/sites/default/files"
    slug = "made-up-forest-tiles"
    assert page.files == (
        FileLink(
            990001,
            slug,
            0,
            FileRole.FILE,
            f"{files}/forest_tiles_3.zip",
            "forest_tiles_3.zip",
            "forest_tiles.zip",
            "application/zip",
            174821,
        ),
        FileLink(
            990002,
            slug,
            1,
            FileRole.FILE,
            f"{files}/tileset_59.png",
            "tileset_59.png",
            "tileset.png",
            "image/png",
            2911,
        ),
    )
    assert page.previews == (
        FileLink(
            None,
            slug,
            0,
            FileRole.PREVIEW,
            f"{files}/preview_9901.png",
            "preview_9901.png",
            "preview_9901.png",
            None,
            None,
        ),
        FileLink(
            None,
            slug,
            1,
            FileRole.PREVIEW,
            f"{files}/sample%20trees_0.png",
            "sample trees_0.png",
            "sample trees_0.png",
            None,
            None,
        ),
    )


def test_with_everything_at_once_only_the_entrys_own_is_taken() -> None:
    page = entry(saved(EVERYTHING))
    assert (page.nid, page.status) == (900002, EntryStatus.OK)
    assert (page.author, page.author_url, page.submitter) == (
        "Fictional Painter",
        "http://example.com/fictional-painter",
        "fictional uploader",
    )
    assert page.posted_at == datetime(2013, 1, 31, 8, 6)
    assert page.licences == ("CC-BY-SA 3.0", "GPL 3.0")
    assert page.notice == "Credit Fictional Painter & helpers, see http://example.com/fictional-painter"
    assert page.favourites == 0
    assert page.collections == ()
    assert [(f.fid, f.stored_name, f.shown_name, f.length) for f in page.files] == [
        (990011, "café (final) & more_0.zip", "café (final) & more.zip", 1048576),
        (990012, "source.tar_.bz2", "source.tar.bz2", 20480),
        (990013, "source.tar_1.gz", "source.tar.gz", 20481),
        (990014, "Tiles.PNG", "Tiles.PNG", 640),
        (990015, "tiles.png", "tiles.png", 641),
        (990016, "mantis_200%_0.png", "mantis_200%.png", 5120),
        (990017, 'Pack #1 "Angry".svg', 'Pack #1 "Angry".svg', 900),
        (990018, "キャラ_0.png", "キャラ.png", 1500),
        (990019, " walking+jump.rar", " walking+jump.rar", 4096),
        (990020, "cafe.xcf", "cafe.xcf", 300000),
        (990021, "big_pack.7z", "big_pack.7z", 2500000000),
        (990022, "bed.gif", "bed.gif", 777),
    ]
    assert page.files[5].url == f"{BASE}/sites/default/files/mantis_200%25_0.png"
    assert [p.stored_name for p in page.previews] == ["café preview_0.png", "grass.bmp.preview.jpg"]
    assert page.ignored == ()


@pytest.mark.parametrize("field", FIELDS)
def test_any_field_may_be_missing(field: str) -> None:
    whole, page = entry(saved(PLAIN)), entry(without(saved(PLAIN), field))
    differs = {f.name for f in fields(EntryPage) if getattr(whole, f.name) != getattr(page, f.name)}
    assert (
        differs
        == {
            "title": {"title"},
            "author-submitter": {"author", "author_url"},
            "post-date": {"posted_at"},
            "field-art-type": {"art_type"},
            "field-art-tags": {"tags"},
            "field-art-licenses": {"licences", "licence_urls"},
            "collect": {"collections"},
            "favorites": {"favourites"},
            "field-art-preview": {"previews"},
            "body": {"description"},
            "field-copyright-notice": {"notice"},
            "field-art-files": {"files"},
        }[field]
    )
    assert page.status is EntryStatus.OK  # an entry without files is valid


def test_an_entry_without_any_field_is_still_one() -> None:
    text = saved(PLAIN)
    for field in FIELDS:
        text = without(text, field)
    assert entry(text) == EntryPage(
        "made-up-forest-tiles", URL, EntryStatus.OK, nid=900001, canonical="made-up-forest-tiles"
    )


@pytest.mark.parametrize(
    ("html", "author", "url", "submitter"),
    [
        (AUTHOR, "InventedArtist", f"{BASE}/users/inventedartist", None),
        (
            "<span class='username'><a href='http://example.com/p' target='_blank'>A. Painter</a></span><br/>"
            '(Submitted by <strong><a href="/users/up">up (loader)</a></strong>)',
            "A. Painter",
            "http://example.com/p",
            "up (loader)",
        ),
        ("<span class='username'>Plain Text</span>", "Plain Text", None, None),
        ("<span class='username'>Plain</span><br/>(Submitted by <a href='/users/u'>u</a>)", "Plain", None, "u"),
        ("Bare (Submitted by u)", "Bare", None, "u"),
        ("<span class='username'>x (Submitted by me)</span>", "x (Submitted by me)", None, None),
        ("<span class='username'><a href='javascript:alert(1)'>Bad</a></span>", "Bad", None, None),
        ("<a class='username' href='/users/a'>A</a>", "A", f"{BASE}/users/a", None),
        ("<span class='username'></span>", None, None, None),
    ],
)
def test_the_author_has_three_shapes(html: str, author: str | None, url: str | None, submitter: str | None) -> None:
    page = changed(AUTHOR, html)
    assert (page.author, page.author_url, page.submitter) == (author, url, submitter)


def test_a_commenter_is_never_the_author() -> None:
    page = entry(without(saved(EVERYTHING), "author-submitter"))
    assert (page.author, page.author_url, page.submitter) == (None, None, None)


def test_comments_never_stand_in_for_missing_fields() -> None:
    text = saved(EVERYTHING)
    for field in ("post-date", "field-art-licenses", "field-art-files", "field-art-attribution"):
        text = without(text, field)
    page = entry(text)
    assert (page.posted_at, page.licences, page.files, page.notice) == (None, (), (), None)
    assert page.status is EntryStatus.OK


def test_fields_imitated_in_a_description_or_a_comment_say_nothing() -> None:
    fake = (
        '<div class="field field-name-field-art-licenses"><div class="license-icon"><a href="x">'
        '<div class="license-name">CC0</div></a></div></div><div class="field field-name-field-art-files">'
        '<span class="file"><a data-fid="1" '
        'href="/sites/default/files/fake.png">fake.png</a></span></div>'
        '<a href="/user/login?destination=node/666">Log in</a>'
        "<div>File(s) currently unavalable</div><div class='node node-art view-mode-full'></div>"
    )
    text = without(without(saved(PLAIN), "field-art-licenses"), "field-art-files")
    page = entry(replaced(text, ("<p>Trees, bushes and a path.</p>", fake)))
    assert (page.status, page.licences, page.files, page.nid) == (EntryStatus.OK, (), (), 900001)
    everything = saved(EVERYTHING)
    assert entry(replaced(everything, ("Licence is really", fake))) == entry(everything)


def test_withheld_files_are_a_status() -> None:
    footer = '<div class="group-footer">'
    page = entry(replaced(without(saved(PLAIN), "field-art-files"), (footer, WITHHELD + footer)))
    assert (page.status, page.files, page.title) == (EntryStatus.WITHHELD, (), "Made Up Forest Tiles")
    assert changed(footer, WITHHELD + footer).status is EntryStatus.OK  # the files are there
    inside = changed('<span class="file">', f'<span class="gone">{WITHHELD}')
    assert (inside.status, inside.files) == (EntryStatus.WITHHELD, ())


MAINTENANCE = (
    "<html><head><title>Site under maintenance | OpenGameArt.org</title></head>"
    '<body class="html not-front not-logged-in maintenance-page in-maintenance"><div id="maincontent">'
    "OpenGameArt.org is currently under maintenance. We should be back shortly.</div></body></html>"
)
LOGIN = (
    "<html><head><title>User account | OpenGameArt.org</title></head>"
    '<body class="html not-front page-user page-user-login"><div id="maincontent"><div id="block-system-main">'
    '<form action="/user/login?destination=node/900001" id="user-login"></form></div></div></body></html>'
)
HOME = (
    saved("not_found")
    .replace("page-content", "front page-node")
    .replace(
        '<div class="content">',
        '<div class="content"><div class="node node-forum node-teaser view-mode-teaser"></div>',
        1,
    )
)


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(saved("login_required_or_403"), id="access denied"),
        pytest.param(saved("not_found"), id="not found"),
        pytest.param(saved("search_page"), id="a result page"),
        pytest.param(LOGIN, id="a log-in form"),
        pytest.param(MAINTENANCE, id="maintenance"),
        pytest.param(HOME, id="the front page with news"),
        pytest.param("<html><body><h1>Checking your browser</h1></body></html>", id="a guard's page"),
        pytest.param('<html><body class="node-type-">One moment</body></html>', id="a body without a type"),
        pytest.param('<html><body><div class="node node-art view-mode-full"></div></body></html>', id="an empty frame"),
        pytest.param(
            saved(PLAIN).replace("node node-art view-mode-full", "node node-art view-mode-teaser"), id="no entry in it"
        ),
    ],
)
def test_a_page_that_says_nothing_of_the_entry_is_foreign_and_fetched_again(html: str) -> None:
    with pytest.raises(PageForeign) as raised:
        entry(html)

    assert raised.value.retryable
    assert URL in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("node node-art view-mode-full", "node node-art-collection view-mode-full"),
        ("node node-art view-mode-full", "node node-forum view-mode-full"),
        ("node node-art view-mode-full", "node-page-body"),  # the body's class alone says it
    ],
)
def test_a_page_that_proves_another_type_is_not_art(old: str, new: str) -> None:
    page = entry(replaced(saved(PLAIN), (old, new), ("node-type-art", "node-type-collection")))

    assert (page.status, page.nid, page.files) == (EntryStatus.NOT_ART, 900001, ())


@pytest.mark.parametrize(
    ("html", "says"),
    [
        (b"", "empty page"),
        (b"\x89PNG\r\n\x1a\n", "</html>"),
        (saved(PLAIN).encode()[:7000], "cut off"),
        (saved(PLAIN).encode()[:7000] + b"</p><!-- </html> -->", "cut off"),
        (saved(PLAIN).replace("<head>", "<head><script>x='</html>'</script>").encode()[:7000], "cut off"),
        (saved(PLAIN).encode()[:7000] + b"<!DOCTYPE html><html><body>An error</body></html>", "another page begins"),
        (b"<html><body><!-->" + b"<div>" * 50_000 + b"</body></html>", "nested deeper"),
        (b"<html><body><i title='<!--'>" + b"<i></i>" * 70_000 + b"</body></html>", "tags"),
        (b"<html><body>" + b"<div>" * 50_000 + b"</body></html>", "nested deeper"),
        (b"<html><body>" + b"<i></i>" * 50_000 + b"</body></html>", "tags"),
        (b"<html><body>" + b" " * MOST_PAGE_BYTES + b"</body></html>", "bytes"),
        (b"<html><body " + b"a=b " * 50_000 + b"></body></html>", "a tag of"),
    ],
)
def test_a_page_of_another_site_is_unreadable(html: bytes, says: str) -> None:
    with pytest.raises(PageUnreadable, match=says):
        entry(html)


def test_a_node_url_takes_its_slug_from_the_canonical_link() -> None:
    assert entry(saved(EVERYTHING), f"{BASE}/node/900002").slug == "rogue’s-café-—-16×16"
    assert entry(replaced(saved(PLAIN), ('rel="canonical"', 'rel="x"')), f"{BASE}/node/1").slug == "/node/1"
    with pytest.raises(PageUnreadable, match="users/x"):
        entry(replaced(saved(PLAIN), ('rel="canonical"', 'rel="x"')), f"{BASE}/users/x")


def test_the_node_id_has_fallbacks() -> None:
    text = replaced(saved(PLAIN), ("destination=node/900001", "x=1")).decode()
    assert entry(replaced(text, ("page-node-900001", "page-node-77"))).nid == 77
    text = replaced(text, ("page-node-900001", "")).decode()
    assert entry(replaced(text, ("node/900001", "node/78"))).nid == 78
    assert entry(replaced(text, ("shortlink", "x"))).nid is None


@pytest.mark.parametrize(
    ("text", "posted"),
    [
        ("Thursday, October 1, 2026 - 03:37", datetime(2026, 10, 1, 3, 37)),
        ("Sunday, September 9, 2012 - 23:59", datetime(2012, 9, 9, 23, 59)),
        ("Friday, May 31, 2013 - 0:05", datetime(2013, 5, 31, 0, 5)),
        ("Sunday, February 30, 2014 - 12:00", None),
        ("Mardi, Juillet 5, 2024 - 14:07", None),
        ("02/10/2021 - 12:37", None),
        ("", None),
    ],
)
def test_the_date_is_read_without_a_locale(text: str, posted: datetime | None) -> None:
    assert changed("Tuesday, March 5, 2024 - 14:07", text).posted_at == posted


def test_a_notice_under_either_name_keeps_its_lines() -> None:
    page = changed(
        "Credit &quot;InventedArtist&quot;, a link back is nice.", "<p>One<br />Two &amp; 3</p>\n<p>Four</p>"
    )
    assert page.notice == "One\nTwo & 3\nFour"
    assert changed("field-copyright-notice", "field-art-attribution").notice == entry(saved(PLAIN)).notice


def test_the_description_is_text_without_scripts() -> None:
    page = changed(
        "<p>Trees, bushes and a path.</p>",
        "<ul><li>a &lt;b&gt;</li><li>c  <b>d</b></li></ul>e<br>f<script>alert(1)</script><style>g</style><!-- h -->",
    )
    assert page.description == "A made-up set of forest tiles, 16x16.\na <b>\nc d\ne\nf"


@pytest.mark.parametrize(
    "href",
    [
        "https://opengameart.org/sites/default/files/styles/medium/public/tileset_59.png",
        "https://opengameart.org/sites/default/files/archive/oga-by-40.txt",
        "https://example.com/tileset.png",
        "/file/990002/dlcounter",
        "javascript:alert(1)",
    ],
)
def test_a_link_among_the_files_that_is_not_an_upload_is_named(href: str) -> None:
    page = changed("https://opengameart.org/sites/default/files/tileset_59.png", href)
    assert [f.fid for f in page.files] == [990001]
    assert page.ignored == (href,)


@pytest.mark.parametrize(
    "href",
    [
        "/sites/default/files/tileset_59.png",
        "//opengameart.org/sites/default/files/tileset_59.png",
        "http://www.opengameart.org/sites/default/files/tileset_59.png",
    ],
)
def test_every_form_of_a_file_link_is_the_same_file(href: str) -> None:
    assert changed("https://opengameart.org/sites/default/files/tileset_59.png", href) == entry(saved(PLAIN))


def test_what_a_file_link_lacks_is_none() -> None:
    page = changed(
        'type="image/png; length=2911" data-fid="990002" target="_blank" download="tileset.png"',
        'type="nonsense; length=12345678901234567890123" data-fid="x9"',
    )
    link = page.files[1]
    assert (link.fid, link.mime, link.length, link.shown_name) == (None, None, None, "tileset.png")


def test_html_is_decoded_exactly_once() -> None:
    page = changed("files/tileset_59.png", "files/a&amp;amp;b%2526.png")
    assert (page.files[1].url, page.files[1].stored_name) == (
        f"{BASE}/sites/default/files/a&amp;b%2526.png",
        "a&amp;b%26.png",
    )


def test_an_original_that_is_its_own_preview_is_an_original() -> None:
    page = changed(
        "https://opengameart.org/sites/default/files/preview_9901.png", "/sites/default/files/tileset_59.png"
    )
    assert [p.stored_name for p in page.previews] == ["sample trees_0.png"]
    assert [f.stored_name for f in page.files] == ["forest_tiles_3.zip", "tileset_59.png"]


def test_a_licence_without_a_name_is_named_by_its_link() -> None:
    page = changed("<div class='license-name'>CC-BY 4.0</div>", "")
    assert page.licences == ("CC-BY 4.0", "OGA-BY 3.0")
    page = changed("href='https://creativecommons.org/licenses/by/4.0/'", "")
    assert next(zip(page.licences, page.licence_urls, strict=True)) == ("CC-BY 4.0", "")


BY_4 = "href='https://creativecommons.org/licenses/by/4.0/'"


@pytest.mark.parametrize(
    ("name", "link", "stored"),
    [
        ("CC0", "https://creativecommons.org/licenses/by-sa/4.0/", "CC0 (linked to CC-BY-SA-4.0)"),
        ("CC-BY 4.0", "http://creativecommons.org/licenses/by-nc/4.0/deed.en", "CC-BY 4.0 (linked to CC-BY-NC-4.0)"),
        ("CC-BY 3.0", "https://creativecommons.org/licenses/by/4.0/", "CC-BY 3.0 (linked to CC-BY-4.0)"),
        ("CC0", "https://creativecommons.org/publicdomain/mark/1.0/", "CC0 (linked to PUBLICDOMAIN-MARK)"),
        ("LGPL 3.0", "https://www.gnu.org/licenses/gpl.html", "LGPL 3.0 (linked to GPL)"),
        ("OGA-BY 3.0", "/content/oga-by-40-faq", "OGA-BY 3.0 (linked to OGA-BY-4.0)"),
    ],
)
def test_a_licence_that_is_linked_to_another_one_is_neither(name: str, link: str, stored: str) -> None:
    html = replaced(saved(PLAIN), (BY_4, f"href='{link}'"), ("license-name'>CC-BY 4.0<", f"license-name'>{name}<"))

    page = entry(html)

    assert page.licences == (stored, "OGA-BY 3.0")
    assert uses([stored]) == []


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("CC-BY 3.0", "https://creativecommons.org/licenses/by/3.0/us/"),
        ("LGPL 2.1", "https://www.gnu.org/licenses/lgpl.html"),
        ("CC0", "https://example.org/my-licence"),
        ("CC0", "/content/faq"),
    ],
)
def test_a_link_that_contradicts_nothing_leaves_the_name(name: str, link: str) -> None:
    html = replaced(saved(PLAIN), (BY_4, f"href='{link}'"), ("license-name'>CC-BY 4.0<", f"license-name'>{name}<"))

    assert entry(html).licences == (name, "OGA-BY 3.0")


def test_an_icon_s_text_contradicts_a_licence_s_name_too() -> None:
    image = "cc-by_0.png' alt=''"

    assert changed(image, "cc-by_0.png' alt='CC-BY-SA 4.0'").licences[0] == "CC-BY 4.0 (shown as CC-BY-SA 4.0)"
    assert changed(image, "cc-by_0.png' alt='some rights'").licences[0] == "CC-BY 4.0"


def test_the_hash_follows_the_content_and_not_its_popularity() -> None:
    page = entry(saved(PLAIN))
    assert content_hash(changed(">12<", ">13<")) == content_hash(page)
    assert content_hash(entry(without(saved(PLAIN), "collect"))) == content_hash(page)
    assert content_hash(changed("tileset_59.png", "tileset_60.png")) != content_hash(page)
    assert content_hash(changed(">forest<", ">woods<")) != content_hash(page)
    # A golden value: a change of it makes every stored entry look changed.
    assert content_hash(page) == "4f2747ae4fd9191d0753aeb79920a2f5ca6c6990fbe5df41c8e91aec1a3f32a1"


def collaborators(items: str) -> EntryPage:
    field = (
        '<div class="field field-name-field-collaborators field-type-entityreference field-label-above">'
        f'<div class="field-label">Collaborators:&nbsp;</div><div class="field-items">{items}</div></div>'
    )
    anchor = '<div class="field field-name-post-date'
    return entry(replaced(saved(PLAIN), (anchor, field + anchor)))


AUTHOR = """<span class='username'><a href="/users/inventedartist">InventedArtist</a></span>"""


@pytest.mark.parametrize(
    ("shown", "author", "link", "further", "submitter"),
    [
        ("<span class='username'></span>Ada", "Ada", None, (), None),
        (
            "<span class='username'><a href='/users/ada'><img src='a.png'></a></span> "
            "<span class='username'><a href='/users/ada'>Ada</a></span>",
            "Ada", f"{BASE}/users/ada", (), None,
        ),
        (
            "<span class='username'><a href='/users/ada'>Ada</a></span> and "
            "<span class='username'><a href='/users/ben'>Ben</a></span>",
            "Ada", f"{BASE}/users/ada", ("Ben",), None,
        ),
        (
            "<a class='username' href='https://x.org/'>Ada</a> (Submitted by "
            "<span class='username'><a href='/users/ben'>Ben</a></span>)",
            "Ada", "https://x.org/", (), "Ben",
        ),
    ],
)  # fmt: skip
def test_authors_in_odd_markup(
    shown: str, author: str, link: str | None, further: tuple[str, ...], submitter: str | None
) -> None:
    page = entry(replaced(saved(PLAIN), (AUTHOR, shown)))

    assert (page.author, page.author_url, page.collaborators, page.submitter) == (author, link, further, submitter)


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (["<a href='/users/ben'><img src='ben.png'></a> Ben"], ("Ben",)),
        (["<a href='/users/ben'><img src='ben.png'></a><a href='/users/ben'>Ben</a>"], ("Ben",)),
        (["<ul><li><a href='/users/ben'>Ben</a></li><li><a href='/users/cid'>Cid</a></li></ul>"], ("Ben", "Cid")),
        (["", "&nbsp;", "<a href='/users/ben'>Ben</a>", "<a href='/users/ben'>Ben</a>"], ("Ben",)),
        (["Ben", "<b>Cid</b>"], ("Ben", "Cid")),
        (["Plain Bob, <a href='/users/a'>a</a> and Dee"], ("a", "Plain Bob", "Dee")),
        (["Ben<br>Cid Ann"], ("Ben", "Cid Ann")),
        (["<ul><li>Ben</li><li>Cid, Jr.</li></ul>"], ("Ben", "Cid, Jr.")),
    ],
)
def test_collaborators_in_odd_markup(items: list[str], names: tuple[str, ...]) -> None:
    assert collaborators("".join(map(item, items))).collaborators == names


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("<a href='/users/ben'>Ben</a> <a href='/users/cid'>Cid</a>", ("Ben", "Cid")),
        ("<p>Ben</p><p>Cid</p>", ("Ben", "Cid")),
        ("<span class='username'>Ben</span>", ("Ben",)),
        ("", ()),
    ],
)
def test_collaborators_of_a_field_without_items(field: str, names: tuple[str, ...]) -> None:
    assert collaborators(field).collaborators == names


def item(inside: str) -> str:
    return f'<div class="field-item even">{inside}</div>'


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (item('<a href="/users/ben">Ben</a>') + item('<a href="/users/eliza-wy">Eliza Wy</a>'), ("Ben", "Eliza Wy")),
        (item('<a href="/users/ben">Ben</a>, <a href="/users/cy">Cy</a>'), ("Ben", "Cy")),  # several in one item
        (item('<a href="/users/ben">Ben</a>') + item("A guest"), ("Ben", "A guest")),  # without an account
        (item('<a href="/users/ben">Ben</a>') * 2, ("Ben",)),
        (item("") + item('<a href="/users/x"> </a>'), ()),
    ],
)
def test_collaborators_are_read_in_order_and_once(items: str, names: tuple[str, ...]) -> None:
    assert collaborators(items).collaborators == names


def test_the_author_is_not_a_collaborator_of_his_own() -> None:
    author = entry(saved(PLAIN)).author
    assert collaborators(item(f"<a href='/users/a'>{author}</a>") + item("Ben")).collaborators == ("Ben",)


def test_collaborators_elsewhere_on_the_page_are_not_the_entrys() -> None:
    page = saved(EVERYTHING)
    comment = '<div class="field field-name-field-collaborators"><div class="field-item">Mallory</div></div>'
    assert entry(page.replace('<div id="comments"', f'<div id="comments">{comment}</div><div id="comments"')) == entry(
        page
    )


def test_a_record_without_collaborators_has_the_hash_it_had_before_they_were_read() -> None:
    before = entry(saved(PLAIN))
    assert before.collaborators == ()
    assert content_hash(collaborators(item("Ben"))) != content_hash(before)
    assert content_hash(before) == HASH_OF_PLAIN


def test_copyright_notice_and_attribution_instructions_are_both_kept() -> None:
    def field(name: str, text: str) -> str:
        return f'<div class="field field-name-{name}"><div class="field-item">{text}</div></div>'

    anchor = '<div class="field field-name-post-date'
    page = without(saved(PLAIN), "field-copyright-notice") if "field-copyright-notice" in saved(PLAIN) else saved(PLAIN)

    def notice(*fields: str) -> str | None:
        return entry(replaced(page, (anchor, "".join(fields) + anchor))).notice

    copyright_, instructions = field("field-copyright-notice", "© Ada"), field("field-art-attribution", "Name Ada.")
    assert notice(copyright_, instructions) == "© Ada\nName Ada."
    assert notice(instructions, copyright_) == "© Ada\nName Ada."
    assert notice(instructions) == "Name Ada."
    assert notice(copyright_, field("field-art-attribution", "© Ada")) == "© Ada"
