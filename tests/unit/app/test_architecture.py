"""A rule that import-linter cannot say: tables are read by repositories of their own module, or of parts of it."""

import grimp

MIGRATIONS = "chengnao.app.migrations"


def test_tables_are_imported_by_their_own_repositories_alone() -> None:
    graph = grimp.build_graph("chengnao")
    tables = [module for module in graph.modules if module.endswith(".tables")]
    assert len(tables) > 5
    strangers = [
        f"{importer} -> {module}"
        for module in tables
        for importer in graph.find_modules_that_directly_import(module)
        if not (importer.startswith(module.removesuffix("tables")) and importer.endswith("repository"))
        and not importer.startswith(MIGRATIONS)
    ]
    assert strangers == []
