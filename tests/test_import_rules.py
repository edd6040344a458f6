"""Who may import whom: the folders' contract, read from the source with ast."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("components", "model", "tfx_pipeline", "serving", "benchmarks")


class Import(NamedTuple):
    """An import of one of our modules, and whether importing the file runs it."""

    file: str
    module: str
    at_import: bool


def local_imports(source: str, file: str) -> Iterator[Import]:
    """The imports of our own packages, `from a import b` as `a.b`."""
    for module, at_import in _imports(ast.parse(source), True):
        if _package(module) in PACKAGES:
            yield Import(file, module, at_import)


def _imports(node: ast.AST, at_import: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, at_import) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "a relative import hides which package it is from"
        yield from ((f"{node.module}.{alias.name}", at_import) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, at_import and not _is_deferred(node, child))


def _is_deferred(node: ast.AST, child: ast.AST) -> bool:
    """Whether `child` of `node` does not run when the module is imported."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return child in node.body
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _package(name: str) -> str:
    """The top-level package of a file's path or of a module's name."""
    return re.split(r"[./]", name)[0]


def _files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _all_imports() -> list[Import]:
    return [
        found
        for path in _files(*PACKAGES)
        for found in local_imports(path.read_text(), path.relative_to(ROOT).as_posix())
    ]


IMPORTS = _all_imports()


def imports_of(package: str, *targets: str) -> set[tuple[str, str]]:
    """(file, module) for what files of `package` import from the packages `targets`."""
    return {
        (found.file, found.module)
        for found in IMPORTS
        if _package(found.file) == package and _package(found.module) in targets
    }


def test_the_reader_sees_every_form_of_import():
    source = """
import json
import model.features
from components import config, errors
if TYPE_CHECKING:
    from serving import client
else:
    import benchmarks
def later():
    with quiet():
        from model import trainer
"""
    assert [(found.module, found.at_import) for found in local_imports(source, "x.py")] == [
        ("model.features", True),
        ("components.config", True),
        ("components.errors", True),
        ("serving.client", False),
        ("benchmarks", True),
        ("model.trainer", False),
    ]


def test_the_reader_finds_the_packages():
    assert {_package(found.file) for found in IMPORTS} == set(PACKAGES)


def test_the_names_of_features_are_the_leaf():
    assert [found for found in IMPORTS if found.file == "model/features.py"] == []


@pytest.mark.parametrize("package", ["components", "serving"])
def test_only_the_names_of_features_are_taken_from_model(package):
    leaf = "model.features"
    others = {
        (file, module)
        for file, module in imports_of(package, "model")
        if module != leaf and not module.startswith(f"{leaf}.")
    }
    assert others == set()


def test_model_stands_alone():
    assert imports_of("model", *set(PACKAGES) - {"model"}) == set()


@pytest.mark.parametrize("package", ["components", "serving"])
def test_parts_do_not_know_who_puts_them_together(package):
    others = set(PACKAGES) - {package, "model"}
    assert imports_of(package, *others) == set()


def test_only_the_command_line_starts_benchmarks_and_only_when_asked():
    found = {
        (found.file, found.at_import)
        for found in IMPORTS
        if _package(found.module) == "benchmarks" and _package(found.file) != "benchmarks"
    }
    assert found <= {("tfx_pipeline/benchmark_cli.py", False)}


def test_packages_do_not_import_each_other_in_a_circle():
    graph: dict[str, set[str]] = {}
    for found in IMPORTS:
        importer, imported = _package(found.file), _package(found.module)
        if found.at_import and importer != imported:
            graph.setdefault(importer, set()).add(imported)
    # Raises CycleError, which names the circle.
    graphlib.TopologicalSorter(graph).prepare()


def test_no_file_imports_the_whole_of_tfx():
    """`tfx.v1` imports Google's AI Platform too: a quarter of the time that a process starts in."""
    found = {
        path.name
        for path in _files(*PACKAGES, "tests")
        for module, _ in _imports(ast.parse(path.read_text()), True)
        if module == "tfx.v1" or module.startswith("tfx.v1.")
    }
    assert found == set()
