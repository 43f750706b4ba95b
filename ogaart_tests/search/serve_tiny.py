"""Serves the tiny publication, to look at pages by hand: ``python -m ogaart_tests.search.serve_tiny FOLDER PORT``."""

import sys
from pathlib import Path

import uvicorn

from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import GridImageReader, publish

if __name__ == "__main__":
    settings = Settings(data=Path(sys.argv[1]))
    if not (settings.data / "generations").exists():
        publish(settings)
    uvicorn.run(
        create_app(settings, SearchService(settings, GridImageReader())), port=int(sys.argv[2]), log_level="warning"
    )
