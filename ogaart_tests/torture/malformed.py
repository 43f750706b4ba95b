"""Requests that no browser sends: broken HTTP, broken addresses, broken forms, by a seeded choice; as raw bytes."""

import random
from collections.abc import Callable
from urllib.parse import quote

from ogaart.search.search_url import PARAMETERS

HOST = b"Host: localhost\r\n"
PATHS = ("/", "/search", "/api/v1/search", "/image/{}", "/thumb/{}.webp", "/view/{}", "/original/{}", "/credits",
         "/credits/{}", "/upload/{}.webp", "/api/v1/images/{}", "/api/v1/credits", "/api/v1/info", "/healthz",
         "/static/{}", "/api/docs", "/about", "/metrics", "/{}")  # fmt: skip
IDS = ("-1", "0", "9223372036854775807", "9223372036854775808", "1" * 5000, "1e5", "0x10", "٣", "１２", "null", "",
       "NaN", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/x", "%00", "a%00b", "%ff%fe", "%", "%zz", "%e2%82", "+1", " 1",
       "1.0", "%f0%9f%92%a9", "%ed%a0%80", "con", "x" * 300, "//", "\\", "%0d%0aX: y")  # fmt: skip
VALUES = ("", "a", "-", "-a", '"', '"a', "a OR", "NEAR(", "a*", "*", "()", "NOT", "^a", "a:b", "{}", "🙂" * 200,
          "x" * 600, "\x00", "a\x00b", "\ud800", "http://", "http://[", "http://[::1", "http://a:99999/", "https://x.invalid:b/c",
          "http://%00/", "0,0,0,0", "nan,nan,nan,nan", "1e999,0,1,1", "0,0,1,1", "-1,0,1,1", "1,2,3", "-5", "0", "1",
          "99999999999999999999", "1.5", "yes", "no", "maybe", "CC0", "|", ",,,", "1,2,3,4", "A" * 22, "icon", "text",
          "http://localhost/../x", "file:///etc/passwd", "javascript:alert(1)", "' OR 1=1", "\r\nX: y")  # fmt: skip
NAMES = (*(p.name for p in PARAMETERS), "ids", "rely", "format", "nothing", "", "q[]", "\x00")
METHODS = (
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "GETGET",
    "A" * 300,
    "POST",
    "HEAD",
)
HEADERS = ("Range: bytes=0-0", "Range: bytes=9-1", "Range: bytes=-5,0-,x", "Range: lines=1", "If-Range: x",
           "If-Modified-Since: never", "If-None-Match: " + '"' * 50, "Accept: */*;q=x", "Accept-Encoding: gzip;q=nan",
           "Cookie: " + "a=b;" * 500, "X-Forwarded-For: not an address, ,,", "X-Forwarded-Proto: gopher",
           "Content-Type: \xff", "Upgrade: websocket\r\nConnection: Upgrade", "Upgrade: h2c\r\nConnection: Upgrade",
           "Expect: 100-continue", "Expect: 200-ok", "Connection: close, keep-alive, x", "Authorization: Basic %%%",
           "Transfer-Encoding: identity", "Origin: null", "Host: other", "X: " + "y" * 5000)  # fmt: skip
HOSTS = ("", "a b", "localhost:99999999", "[::1", "..", "%00", "x" * 3000, "a/b", "a@b", "<script>", "é", "localhost:x",
         "http://a", '"')  # fmt: skip
LENGTHS = ("-1", "+5", "0x10", "5, 6", "5\r\nContent-Length: 6", "99999999999999999999", "1e3", "", " ", "5 5", "٣")
CHUNKS = (b"zz\r\n", b"-1\r\nx\r\n", b"FFFFFFFFFFFFFFFFF\r\nx", b"5\r\nab", b"5\r\nabcdefgh\r\n0\r\n\r\n",
          b"1;" + b"e" * 70_000,
          b"0\r\nT: " + b"t" * 70_000, b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", b"")  # fmt: skip


class Malformed:
    """Makes such requests, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._kinds: list[Callable[[], bytes]] = [
            self._address, self._address, self._address, self._address, self._parameters, self._form, self._form,
            self._multipart, self._multipart, self._multipart, self._line, self._length, self._chunked, self._headers,
            self._noise, self._pipelined,
        ]  # fmt: skip

    def __call__(self) -> bytes:
        """One request."""
        return self._chance.choice(self._kinds)()

    def _one_of(self, what: tuple[str, ...]) -> str:
        return self._chance.choice(what)

    def _path(self) -> str:
        return self._one_of(PATHS).replace("{}", self._one_of(IDS))

    def _pairs(self) -> str:
        """Parameters, properly escaped or not."""
        pairs = []
        for _ in range(self._chance.choice((0, 1, 1, 2, 3, 8))):
            name, value = self._one_of(NAMES), self._one_of(VALUES)
            escaped = self._chance.random() < 0.8
            pairs.append("=".join(quote(part, errors="surrogatepass") if escaped else part for part in (name, value)))
        return "&".join(pairs)

    def _head(self, method: str, target: str, *headers: str, host: bytes = HOST) -> bytes:
        lines = "".join(f"{header}\r\n" for header in headers)
        plain = target.replace(" ", "%20").replace("\r", "").replace("\n", "")
        return f"{method} {plain} HTTP/1.1\r\n".encode("utf-8", "surrogatepass") + host + lines.encode() + b"\r\n"

    def _address(self) -> bytes:
        method = self._one_of(METHODS) if self._chance.random() < 0.15 else "GET"
        extra = [self._one_of(HEADERS)] if self._chance.random() < 0.3 else []
        # Half of them as far as the application: escaped as the protocol wants it.
        target = f"{self._path()}?{self._pairs()}"
        if self._chance.random() < 0.5:
            target = quote(target, safe="/?&=%", errors="surrogatepass")
        return self._head(method, target, *extra)

    def _parameters(self) -> bytes:
        """Parameters by the thousand."""
        name = self._one_of(NAMES[:-1])
        many = self._chance.choice((500, 5_000, 100_000))
        return self._head("GET", f"{self._one_of(PATHS[:3])}?" + "&".join([f"{quote(name)}=1"] * many))

    def _form(self) -> bytes:
        body = self._pairs().encode("utf-8", "surrogatepass") * self._chance.choice((1, 1, 300))
        kind = self._one_of(
            ("application/x-www-form-urlencoded", "text/plain", "application/json", "", "multipart/form-data")
        )
        return self._head("POST", self._path(), f"Content-Type: {kind}", f"Content-Length: {len(body)}") + body

    def _multipart(self) -> bytes:
        chance = self._chance
        boundary = self._one_of(("b", "b", "b", "x" * 69, "y" * 3000, '"', "", "é", "b;c=d"))
        parts = []
        for _ in range(chance.choice((0, 1, 1, 2, 3, 400))):
            name, value = self._one_of(("picture", "picture", *NAMES)), self._one_of(VALUES)
            file = chance.choice(
                ("", '; filename="a.png"', "; filename=", "; filename*=UTF-8''%ff", '; filename="../\x00"')
            )
            content = chance.randbytes(200) if chance.random() < 0.4 else value.encode("utf-8", "surrogatepass")
            odd = chance.choice(("", "", "Content-Transfer-Encoding: base64\r\n", "X: " + "y" * 9000 + "\r\n", ":\r\n"))
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{odd}\r\n'
            parts.append(head.encode("utf-8", "surrogatepass") + content + b"\r\n")
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        if chance.random() < 0.4:
            body = body[: chance.randrange(len(body))]
        charset = self._one_of(("", "", "; charset=utf-16", "; charset=nothing", "; charset=\x00", "; charset=base64"))
        kind = f"Content-Type: multipart/form-data; boundary={boundary}{charset}"
        target = self._one_of(("/search", "/api/v1/search"))
        return self._head("POST", target, kind, f"Content-Length: {len(body)}") + body

    def _line(self) -> bytes:
        return self._chance.choice((
            b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n",
            b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            b"GET http://other/search HTTP/1.1\r\n" + HOST + b"\r\n", b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
            b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", b"GET //evil/%2f.. HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"GET ?q=a HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET /search?" + b"%" * 500 + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET \xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /search?q=\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET http://[::1/ HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /api/docs#x HTTP/1.1\r\n" + HOST + b"\r\n",
        ))  # fmt: skip

    def _length(self) -> bytes:
        return self._head("POST", self._one_of(PATHS[:3]), f"Content-Length: {self._one_of(LENGTHS)}") + b"hello"

    def _chunked(self) -> bytes:
        extra = ["Content-Length: 5"] if self._chance.random() < 0.3 else []
        coding = self._one_of(("chunked", "gzip, chunked", "chunked, chunked", "x"))
        kind = "Content-Type: multipart/form-data; boundary=b"
        head = self._head("POST", "/api/v1/search", kind, f"Transfer-Encoding: {coding}", *extra)
        return head + self._chance.choice(CHUNKS)

    def _headers(self) -> bytes:
        chance = self._chance
        host = f"Host: {self._one_of(HOSTS)}\r\n".encode()
        many = [self._one_of(HEADERS) for _ in range(chance.choice((1, 3, 2000)))]
        odd = chance.choice(
            (b"", b"", b" folded: x\r\n", b"a b: c\r\n", b": x\r\n", b"X\x00: y\r\n", b"X: \x01\r\n", HOST)
        )
        return self._head("GET", self._one_of(("/api/docs", "/", "/search?q=a")), *many, host=host + odd)

    def _noise(self) -> bytes:
        return self._chance.randbytes(self._chance.choice((1, 40, 3000)))

    def _pipelined(self) -> bytes:
        """Several at once, the last one broken off."""
        whole = b"".join(self._head("GET", self._one_of(("/healthz", "/search?q=a", "/nothing"))) for _ in range(20))
        return whole[: self._chance.randrange(len(whole))]
