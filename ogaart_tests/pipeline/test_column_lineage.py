"""The column lineage: it names columns of earlier stages that exist, and reaches Dagster's assets and events."""

from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ogaart.core.stages import Stage
from ogaart.definitions import defs
from ogaart.pipeline.column_lineage import LINEAGE_COLUMNS, sources
from ogaart.resources.storage.schema import SEARCH_RESULTS

if TYPE_CHECKING:
    from ogaart_tests.world import World

ORDER = list(Stage)


def columns_and_lineage() -> dict[Stage, tuple[list[str], dict[str, list[tuple[str, str]]]]]:
    """Of each asset the columns that Dagster knows, and what they are made from."""
    found = {}
    graph = defs().resolve_asset_graph()
    for key in graph.toposorted_asset_keys:
        metadata: dict[str, Any] = dict(graph.get(key).metadata)
        schema, lineage = metadata["dagster/column_schema"], metadata.get("dagster/column_lineage")
        deps = getattr(lineage, "value", lineage)
        made_from = {} if deps is None else {
            column: [(d.asset_key.to_user_string(), d.column_name) for d in found_deps]
            for column, found_deps in deps.deps_by_column.items()
        }  # fmt: skip
        found[Stage(key.to_user_string())] = ([c.name for c in getattr(schema, "value", schema).columns], made_from)
    return found


def test_a_column_is_made_from_columns_of_earlier_stages_that_exist() -> None:
    known = columns_and_lineage()

    for stage, (columns, made_from) in known.items():
        assert set(made_from) <= set(columns), stage
        for column, found in made_from.items():
            for source, name in found:
                assert ORDER.index(Stage(source)) < ORDER.index(stage), (stage, column)
                assert name in known[Stage(source)][0], (stage, column, source, name)


@pytest.mark.parametrize(
    ("stage", "column", "source"),
    [
        (Stage.CONTENT_PAGES, "slug", ("search_pages", "slug")),
        (Stage.RAW_FILES, "sha256", ("file_links", "url")),
        (Stage.EMBEDDINGS, "norm", ("extracted_images", "pixel_sha256")),
        (Stage.QDRANT_COLLECTION, "payload_hash", ("content_pages", "licences")),
        (Stage.CATALOG, "palette", ("extracted_images", "palette")),
        (Stage.PUBLICATION, "indexed", ("catalog", "indexed")),
    ],
)
def test_where_a_column_comes_from(stage: Stage, column: str, source: tuple[str, str]) -> None:
    assert source in columns_and_lineage()[stage][1][column]


def test_only_settings_the_site_and_the_run_are_made_from_no_column() -> None:
    without = {
        (stage.value, column)
        for stage, (columns, made_from) in columns_and_lineage().items()
        for column in set(columns) - set(made_from) - LINEAGE_COLUMNS
        if stage is not Stage.SEARCH_PAGES
    }

    assert without == {
        ("extracted_images", "pixels_version"),
        ("embeddings", "model"),
        ("embeddings", "space"),
        ("qdrant_collection", "collection"),
    }
    assert sources(Stage.SEARCH_PAGES, SEARCH_RESULTS) == {}


def test_a_materialization_carries_it_too(demo_world: "World") -> None:
    from ogaart.orchestration.instance import open_instance

    with open_instance(demo_world.settings) as instance:
        for stage in ORDER[1:]:
            event = instance.get_latest_materialization_event(dg.AssetKey(stage.value))
            assert event is not None
            assert event.asset_materialization is not None
            lineage = event.asset_materialization.metadata["dagster/column_lineage"]
            assert isinstance(lineage.value, dg.TableColumnLineage), stage
