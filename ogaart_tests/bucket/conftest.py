"""The PostgreSQL server of these tests."""

from ogaart_tests.postgres import postgres

__all__ = ["postgres"]
