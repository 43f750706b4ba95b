"""The environment, read once into one frozen object: every setting with its type, unit, default and meaning.

The README's table of settings is made from the descriptions here.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MiB = 1 << 20
GiB = 1 << 30
UNUSABLE_IN_PATHS = re.compile(r"[?%*\[\x00-\x1f\x7f\ud800-\udfff]")
"""URLs of databases end at ``?`` and decode ``%``; ``*`` and ``[`` are patterns of file names; the rest is not text."""

_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,2})[^/?#\s\"]*@")
_SECRET_PARAMETER = re.compile(r"""([?&](?:ssl)?(?:password|api[_-]?key|access_token)=)[^&\s'"#)]+""", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::(\d{0,5}))?", re.ASCII)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

MOST_PAGE_BYTES = 16 * MiB
"""No larger page is fetched or parsed; the largest seen, with hundreds of comments, stay under 1 MiB."""


def shipped_file(name: str) -> Path:
    """A file of the project's top folder, such as ``dagster.yaml``; in an installed wheel, the wheel's copy of it."""
    package = Path(__file__).resolve().parent
    project = package.parent
    return project / name if (project / "pyproject.toml").exists() else package / name


def _default_queries() -> Path:
    """``queries.toml`` of the current folder; where it has none, the one that comes with the program."""
    here = Path("queries.toml")
    return here if here.exists() else shipped_file("queries.toml")


ESCAPES = "write @ : / ? # in a password as %40 …"


class Settings(BaseSettings):
    """All settings; each is one environment variable of the same name in capitals with the prefix ``OGAART_``.

    Raises:
        pydantic.ValidationError: a variable has a value outside its type or limits; the message names both.
    """

    model_config = SettingsConfigDict(
        env_prefix="OGAART_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    data: Path = Field(Path("data"), description="The data root: the folder that holds all data; one host owns it.")
    site: str = Field("https://opengameart.org", description="Base URL of the site to read.")
    site_name: str = Field("opengameart", description="The kind of site that it is: opengameart, or module:class.")
    contact: str = Field("", description="Mail address or URL sent in the User-Agent, so that the site can reach you.")
    queries: Path = Field(
        default_factory=_default_queries,
        description="The file that lists the queries, that is, which art to index. "
        "Default: `queries.toml` in the current folder, otherwise the one that comes with ogaart.",
    )
    model: str = Field("vgg16", description="The embedding model: vgg16, efficientnet_lite0, or one that was added.")
    weights: Path | None = Field(None, description="A state dict (.pth) for the model; default: its published weights.")

    database_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL database for the state, such as `postgresql://user:password@host/ogaart`, for this "
        "data root alone; unset: SQLite in the data root.",
    )
    objects: str | None = Field(
        None,
        description="A bucket for files that never change: `s3://bucket/prefix`, `gs://…` or `az://…`; needs "
        "OGAART_DATABASE_URL. Unset: the data root.",
    )
    cache_bytes: int = Field(
        20 * GiB, ge=0, description="Bytes of copies of a bucket's files that the data root keeps; not of vectors."
    )
    qdrant_url: str | None = Field(
        None,
        validation_alias=AliasChoices("QDRANT_URL", "qdrant_url"),
        description="A Qdrant server or cluster; unset: Qdrant's engine in the process.",
    )
    qdrant_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("QDRANT_API_KEY", "qdrant_api_key"),
        description="The server's API key.",
    )
    qdrant_grpc: bool = Field(False, description="Use gRPC instead of REST.")
    qdrant_timeout: float = Field(60.0, gt=0, description="Seconds one request to Qdrant may take.")
    qdrant_shards: int | None = Field(
        None, ge=1, le=1_000, description="Parts of a new collection on a cluster; unset: the server's default."
    )
    qdrant_replicas: int | None = Field(
        None, ge=1, le=100, description="Nodes that hold each part of a new collection; unset: the server's default, 1."
    )
    qdrant_write_consistency: int | None = Field(
        None,
        ge=1,
        description="Replicas that must have a write before it counts, OGAART_QDRANT_REPLICAS at most; unset: more "
        "than half of them.",
    )
    qdrant_quantization: Literal["turbo1", "turbo2", "turbo4", "scalar", "binary", "none"] = Field(
        "turbo2",
        description="What a Qdrant server keeps in memory of each number of a vector: turbo1, turbo2, turbo4 (as many "
        "bits, from Qdrant 1.18), scalar (8 bits), binary (1 bit) or none.",
    )
    qdrant_snapshots: bool = Field(
        True, description="Whether the server makes a snapshot of a collection before it is deleted, and keeps it."
    )

    delay: float = Field(0.0, ge=0, description="Seconds between two requests; robots.txt's Crawl-delay if larger.")
    timeout_connect: float = Field(10.0, gt=0, description="Seconds that opening a connection may take.")
    timeout_read: float = Field(60.0, gt=0, description="Seconds without a byte after which a request fails.")
    attempts: int = Field(5, ge=1, description="Attempts at one URL within a run.")
    backoff: float = Field(2.0, ge=0, description="Seconds before the second attempt; doubles each time, with jitter.")
    timeout_total: float = Field(
        3600.0, gt=0, description="Seconds one response may take; the next attempt resumes it."
    )
    min_rate: float = Field(1024.0, ge=0, description="Bytes per second; a slower response fails.")
    max_wait: float = Field(
        900.0, gt=0, description="Longest Retry-After to honour, in seconds; beyond it the site counts as down."
    )
    robots_hours: float = Field(24.0, ge=0, description="Hours after which robots.txt is fetched again.")
    circuit_failures: int = Field(12, ge=1, description="Failures in a row after which the site counts as down.")
    circuit_urls: int = Field(3, ge=1, description="Different URLs that must be among those failures.")
    circuit_refusals: int = Field(
        3, ge=1, description="Refusals (401, 403, 404, 410) in a row after which a URL served before is tested."
    )
    circuit_seconds: float = Field(
        60.0, ge=0, description="Seconds before a site that is down is tried again; doubles each time."
    )
    max_page_bytes: int = Field(
        MOST_PAGE_BYTES, gt=0, le=MOST_PAGE_BYTES, description="Largest page (decoded) that is read; 16 MiB at most."
    )
    listing_hours: float = Field(20.0, ge=0, description="Hours for which a stored result page is not fetched again.")
    requests_per_day: int = Field(6000, ge=1, description="Requests a day that scheduled runs may make in all.")
    entry_refresh_days: float = Field(
        14.0,
        ge=0,
        description="Days after which scheduled runs fetch an entry's page again; new ones sooner.",
    )
    refresh_days: float = Field(90.0, ge=0, description="Days after which scheduled runs check a file again.")
    confirm_hours: float = Field(
        6.0,
        ge=0,
        description="Hours after which a second refusal withdraws an entry or file that was readable.",
    )
    max_file_bytes: int = Field(2 * GiB, gt=0, description="Largest file that is downloaded.")
    min_free_bytes: int = Field(2 * GiB, ge=0, description="Free disk space that a step needs to start.")

    progress_seconds: float = Field(30.0, gt=0, description="Seconds between two lines of progress in a step's log.")
    lock_seconds: float = Field(30.0, ge=0, description="Seconds a step waits for another run on its partition.")

    max_member_bytes: int = Field(512 * MiB, gt=0, description="Largest archive member that is unpacked.")
    max_unpacked_bytes: int = Field(8 * GiB, gt=0, description="Unpacking one file stops after this many bytes.")
    max_members: int = Field(50_000, gt=0, description="Unpacking one file stops after this many members.")
    max_ratio: float = Field(1000.0, gt=1, description="Largest ratio of unpacked to packed bytes (above 10 MiB).")
    max_depth: int = Field(3, ge=0, description="Archives inside archives are opened this many levels deep.")
    max_pixels: int = Field(64_000_000, gt=0, description="Most pixels of a picture that is decoded.")
    member_seconds: float = Field(60.0, gt=0, description="Seconds one member may take to unpack and decode.")
    worker_bytes: int = Field(2 * GiB, gt=0, description="Address space a decoding worker may use beyond its start.")

    decoders: int = Field(
        0,
        ge=0,
        description="Processes of a step that decode pictures; 0: as many as cores, at most 16.",
    )

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where the embedding model computes; auto: a GPU that PyTorch can use, else the processor."
    )
    precision: Literal["exact", "fast"] = Field(
        "exact",
        description="exact: the model's own vectors; fast: fewer bits, vectors of a space of their own, measured on "
        "your pictures first.",
    )
    embed_batch: int = Field(32, ge=1, description="Pictures in one batch of the embedding model.")
    embed_threads: int = Field(0, ge=0, description="Threads of the embedding model; 0: as many as cores.")

    cells_per_sheet: int = Field(
        32, ge=0, le=128, description="Cells of one sheet that an altered sprite is compared with; 0: none."
    )
    keep_generations: int = Field(2, ge=1, description="Publications kept on disk.")
    max_failure_share: float = Field(
        0.2, ge=0, le=1, description="Largest share of failed files that passes the check."
    )

    executor: Literal["in_process", "celery", "k8s"] = Field(
        "in_process",
        description="Where the steps of runs that Dagster launches are executed: in_process (in the run's process), "
        "celery (by workers: `ogaart worker`) or k8s (each in a Kubernetes job).",
    )
    celery_broker: SecretStr | None = Field(
        None,
        description="URL of the Redis server that passes steps to Celery workers; default: redis://127.0.0.1:6379/0.",
    )

    log_format: Literal["text", "json"] = Field(
        "text",
        description="Format of log lines: text, or json, an object a line with run, step, partition and URL.",
    )

    serve_host: str = Field("127.0.0.1", description="Address the search page listens on.")
    hosts: str = Field("", description="Names of the search page besides localhost, comma-separated; `*`: any.")
    cors_origins: str = Field(
        "*", description="Origins whose pages may use the API in a browser, comma-separated; `*`: any; empty: none."
    )
    serve_port: int = Field(8080, ge=0, le=65535, description="Port of the search page.")
    dagster_database: SecretStr | None = Field(
        None,
        description="PostgreSQL database of Dagster's instance: postgresql+psycopg2://user:password@host/name; "
        "unset: SQLite under the data root.",
    )
    concurrent_runs: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Runs at a time; unset: what dagster.yaml says, 3. With workers, at least one for each of them.",
    )
    embedding_steps: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Steps of `embeddings` at a time, over all workers; unset: 1, or the limit of the pool `embedder` "
        "in Dagster's UI.",
    )
    dagster_port: int = Field(3000, ge=0, le=65535, description="Port of the Dagster UI.")
    failure_webhook: SecretStr | None = Field(None, description="URL to which each failed run is sent as JSON (POST).")
    failure_command: SecretStr | None = Field(
        None, description="Command that receives each failed run as JSON on its standard input."
    )
    dagster_hosts: str = Field(
        "", description="Host names of the Dagster UI besides loopback names, separated by commas."
    )
    max_upload_bytes: int = Field(10 * MiB, gt=0, description="Largest picture a visitor may upload or link to.")
    max_query_pixels: int = Field(40_000_000, gt=0, description="Most pixels of such a picture.")
    url_fetch: bool = Field(True, description="Whether the search page fetches pictures from links.")
    searches_per_minute: int = Field(240, ge=0, description="Searches one client may make per minute; 0: any number.")
    uploads_per_minute: int = Field(30, ge=0, description="Pictures one client may upload per minute; 0: any number.")

    searches_waiting: int = Field(64, ge=0, description="Searches that may wait for a thread; the next gets a 503.")
    uploads_at_once: int = Field(
        16, ge=1, description="Uploads in progress at a time; at most a quarter of them from one client."
    )
    upload_seconds: float = Field(120.0, gt=0, description="Seconds an upload may take.")
    drain_seconds: float = Field(
        20.0, gt=0, description="Seconds that requests in progress have after the search page was told to end."
    )
    connections: int = Field(
        512, ge=4, description="Connections to the search page; at most a quarter of them from one client."
    )

    @property
    def decoder_count(self) -> int:
        """Processes that may decode pictures at the same time."""
        return self.decoders or min(os.cpu_count() or 1, 16)

    @field_validator("site")
    @classmethod
    def _base_url(cls, value: str) -> str:
        """Hold the base without its trailing slash, so that paths join in one way."""
        if not value.startswith(("http://", "https://")):
            raise ValueError("expected a base URL such as https://opengameart.org")
        if shown_url(value) != value:
            raise ValueError("no user name or password is sent to the site: remove it from the URL")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        """Accept URLs of PostgreSQL; the message does not repeat the value, which may hold a password."""
        if value is not None and not re.match(r"postgres(ql(\+\w+)?)?://", value.get_secret_value()):
            raise ValueError("expected a URL that begins with postgresql://; unset it to use SQLite in the data root")
        return _with_port(value, written="@")

    @field_validator("objects")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        """Accept URLs of buckets, in one spelling; access is configured by the provider's own variables."""
        if value is None:
            return None
        if not re.fullmatch(r"(s3|gs|az)://[a-z0-9][a-z0-9._-]*(/[A-Za-z0-9._/-]*)?", value):
            raise ValueError("expected a URL such as s3://bucket/prefix, gs://… or az://…, without keys in it")
        return value.rstrip("/")

    @field_validator("qdrant_url")
    @classmethod
    def _server(cls, value: str | None) -> str | None:
        """Accept URLs of a server in which user name and password can be told from the rest."""
        if value is not None:
            try:
                parts = urlsplit(value)
                valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            except ValueError:  # the port is not a number, or the brackets of an address do not match
                valid = False
            if not valid or shown_url(value).count("@") or any(map(str.isspace, value)):
                raise ValueError(f"expected a URL such as http://127.0.0.1:6333; {ESCAPES}")
        return value

    @field_validator("qdrant_write_consistency")
    @classmethod
    def _confirmed(cls, value: int | None, info: ValidationInfo) -> int | None:
        """Refuse more confirmations than there are replicas: no write would ever succeed."""
        replicas = info.data.get("qdrant_replicas", value)  # where it is not valid itself, that is the message
        if value is not None and value > (replicas or 1):
            held = "OGAART_QDRANT_REPLICAS is unset" if replicas is None else f"OGAART_QDRANT_REPLICAS is {replicas}"
            raise ValueError(f"expected {replicas or 1} at most, since {held}: raise that, or unset this")
        return value

    @field_validator("failure_webhook")
    @classmethod
    def _webhook(cls, value: SecretStr | None) -> SecretStr | None:
        """Accept HTTP URLs; the message does not repeat the value, which may hold a secret."""
        if value is not None and not value.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("expected a URL that begins with http:// or https://")
        return _with_port(value)

    @field_validator("celery_broker")
    @classmethod
    def _broker(cls, value: SecretStr | None) -> SecretStr | None:
        """Accept URLs of Redis servers; the message does not repeat the value, which may hold a password."""
        if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("expected the URL of a Redis server, such as redis://127.0.0.1:6379/0")
        found = _with_port(value, written="/#")
        if found is not None and not re.fullmatch(r"/?|/\d+", urlsplit(found.get_secret_value()).path):
            raise ValueError("expected the number of a Redis database after the port, such as redis://127.0.0.1:6379/0")
        return found

    @field_validator("dagster_database")
    @classmethod
    def _database(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Accept what Dagster can open: with the bare scheme, SQLAlchemy would choose another driver."""
        if value is not None and not value.get_secret_value().startswith("postgresql+psycopg2://"):
            raise ValueError("expected a URL that begins with postgresql+psycopg2://")
        found, state = _with_port(value, written="@"), info.data.get("database_url")
        if found is not None and state is not None and _database_of(found) == _database_of(state):
            raise ValueError(
                "it is the database of OGAART_DATABASE_URL: make another one, such as by `createdb dagster`"
            )
        return found

    @field_validator("contact")
    @classmethod
    def _header(cls, value: str) -> str:
        """Refuse what cannot be written in the User-Agent."""
        if not (value.strip().isascii() and value.strip().isprintable()):
            raise ValueError("expected a mail address or URL in printable ASCII")
        if shown_url(value) != value:
            raise ValueError("it is public: remove the user name and password from the URL")
        return value.strip()

    @field_validator("data")
    @classmethod
    def _usable_path(cls, value: Path) -> Path:
        """Refuse a path that the databases under it would read as something else, and write elsewhere."""
        if _URL.match(str(value)):
            raise ValueError("expected the path of a folder on this machine, not a URL")
        path = value.expanduser().resolve()
        if found := UNUSABLE_IN_PATHS.search(str(path)):
            raise ValueError(
                f"the path of the data root, {str(path)!r}, contains {found[0]!r}: SQLite and DuckDB do not read it as "
                "a part of a file name; move the data root to a path without it"
            )
        return path

    @field_validator("queries", "weights")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is not None and _URL.match(str(value)):
            raise ValueError("expected the path of a file or folder on this machine, not a URL")
        return value.expanduser().resolve() if value is not None else None

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        """The settings as logs and tracebacks show them: without passwords in URLs."""
        for name, value in super().__repr_args__():
            yield name, shown_url(value) if isinstance(value, str) else value


def _with_port(value: SecretStr | None, *, written: str = "") -> SecretStr | None:
    """Refuse a URL whose port is not a number, on which the library that opens it would fail in its own way.

    A password may hold any other sign: the host begins after the last ``@`` before the query.

    Args:
        value: the URL.
        written: signs that the library takes for the end of the password, unless they are written as ``%40`` and so on.
    """
    if value is not None:
        before, _, after = value.get_secret_value().partition("://")[2].partition("?")[0].rpartition("@")
        found = _HOST_AND_PORT.fullmatch(after.partition("/")[0])
        if found is None or int(found[1] or 1) not in range(1, 65_536) or any(sign in before for sign in written):
            raise ValueError(f"expected a host and, after a colon, a port from 1 to 65535; {ESCAPES}")
    return value


def _database_of(url: SecretStr) -> tuple[str | None, int, str]:
    """Host, port and name of a database of PostgreSQL."""
    parts = urlsplit(url.get_secret_value())
    return parts.hostname, parts.port or 5432, parts.path


def shown_url(text: str) -> str:
    """A URL, or a text with URLs in it, as it may be printed, logged or stored: without user names and passwords."""
    return _SECRET_PARAMETER.sub(r"\1***", _USERINFO.sub(r"\1", text))


def variable(name: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    first = alias.choices[0] if isinstance(alias, AliasChoices) else None
    return first if isinstance(first, str) else f"OGAART_{name.upper()}"
