"""The table of stages is the only list of them: every other one is derived from it."""

import ast
from dataclasses import replace
from pathlib import Path

import ogaart
from ogaart.core.stages import (
    BACKED_UP_STAGES,
    COLLECTION_STAGES,
    OFFLINE_STAGES,
    PARTITION_STAGES,
    SITE_STAGES,
    STAGES,
    Stage,
    divided,
)
from ogaart.resources.storage.schema import TABLES

PACKAGE = Path(ogaart.__file__).parent
MOST = 1
"""More stages in one literal list, set, tuple or dict make it a list of stages of its own."""


def literals(path: Path) -> list[tuple[int, set[str]]]:
    """The stages that each literal collection of a file names, with its line."""
    names = set(Stage) - {table.name for table in TABLES}  # some tables are called like their stage
    members = {stage.name: stage for stage in Stage}
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            items: list[ast.expr | None] = [*node.elts]
        elif isinstance(node, ast.Dict):
            items = [*node.keys]
        else:
            continue
        stages = {str(n.value) for n in items if isinstance(n, ast.Constant) and n.value in names}
        stages |= {members[n.attr] for n in items if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "Stage"}
        found.append((node.lineno, stages))
    return found


def test_every_stage_is_an_asset_in_a_module_of_its_name() -> None:
    modules = {path.stem for path in (PACKAGE / "assets").glob("*.py")} - {"__init__"}

    assert modules == {stage.value for stage in Stage} == {stage.value for stage in STAGES}


def test_the_lists_of_stages_follow_from_the_table() -> None:
    assert SITE_STAGES + OFFLINE_STAGES == PARTITION_STAGES
    assert tuple(Stage) == PARTITION_STAGES + COLLECTION_STAGES
    assert set(BACKED_UP_STAGES) <= set(PARTITION_STAGES)


def test_a_stage_between_two_that_read_the_site_belongs_to_their_runs() -> None:
    without = {**STAGES, Stage.FILE_LINKS: replace(STAGES[Stage.FILE_LINKS], reads_site=False)}

    assert divided(without) == (SITE_STAGES, OFFLINE_STAGES)
    assert SITE_STAGES[-1] is Stage.RAW_FILES


def test_no_other_module_lists_stages() -> None:
    elsewhere = [
        f"{path.relative_to(PACKAGE)}:{line} lists {', '.join(sorted(stages))}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "core" / "stages.py"
        for line, stages in literals(path)
        if len(stages) > MOST
    ]

    assert elsewhere == []
