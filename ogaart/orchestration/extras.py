"""Packages that only some settings need, each brought by an extra: ``pip install 'ogaart[celery]'``."""

from importlib.util import find_spec

from ogaart.core.errors import ExtraMissing
from ogaart.settings import Settings

PACKAGES = {"celery": "dagster_celery", "k8s": "dagster_k8s", "postgres": "dagster_postgres"}
"""The package that each extra brings."""


def require_extra(extra: str) -> None:
    """Refuse to continue without the package of an extra.

    Raises:
        ExtraMissing: it is not installed.
    """
    package = PACKAGES[extra]
    if find_spec(package) is None:
        raise ExtraMissing(
            f"the package {package.replace('_', '-')} is not installed: run `pip install 'ogaart[{extra}]'`"
        )


def database_errors(settings: Settings) -> tuple[type[Exception], ...]:
    """What Dagster raises where its PostgreSQL database does not respond; nothing where its instance is in SQLite."""
    if settings.dagster_database is None:
        return ()
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import OperationalError

    return DagsterPostgresException, OperationalError
