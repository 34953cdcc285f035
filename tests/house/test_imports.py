"""Imports run downward; import-linter says which, and these say that it is asked about all."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.house.sources import FLOORS, ROOT, Source, every_python

PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return {found["name"]: found["version"] for line in lines if (found := PINNED.match(line))}


def packages_that_exist() -> set[str]:
    python = every_python()
    return {source.path.parts[0] for source in python} & set(FLOORS)


def import_graph(sources: list[Source]) -> dict[str, set[str]]:
    """Who needs whom to be loaded first. What only a type checker imports needs nobody."""
    modules = {source.module for source in sources}
    return {
        source.module: {
            target for target in _imported(source.tree, modules) if target != source.module
        }
        for source in sources
    }


def _imported(tree: ast.Module, modules: set[str]) -> Iterator[str]:
    for node in _loaded(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from [name for name in (inner, node.module) if name in modules][:1]


def _loaded(tree: ast.Module) -> Iterator[ast.AST]:
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            pending.extend(ast.iter_child_nodes(node))


def source(module: str, text: str) -> Source:
    return Source(path=Path(module.replace(".", "/") + ".py"), text=text)


def test_no_import_runs_in_a_circle() -> None:
    graphlib.TopologicalSorter(import_graph(every_python())).prepare()


def test_a_circle_of_imports_is_found() -> None:
    circle = [source("a.x", "from a import y"), source("a.y", "import a.x")]
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(import_graph(circle)).prepare()


def test_what_only_a_type_checker_imports_makes_no_circle() -> None:
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a.y\n"
    assert import_graph([source("a.x", typed), source("a.y", "import a.x")])["a.x"] == set()


def test_every_package_is_under_the_import_rules() -> None:
    rules = project()["tool"]["importlinter"]
    assert set(rules["root_packages"]) == packages_that_exist()


@pytest.mark.parametrize(
    ("contract", "key"),
    [
        ("Only the top floor knows a product: it starts the demo", "source_modules"),
        ("A product knows Product and nothing else of ours", "forbidden_modules"),
        ("One file talks to Stripe", "source_modules"),
    ],
)
def test_every_contract_names_every_package(contract: str, key: str) -> None:
    contracts = {found["name"]: found for found in project()["tool"]["importlinter"]["contracts"]}
    either_way = {"deploy", "examples"}
    assert set(contracts[contract][key]) | either_way == packages_that_exist() | either_way


def test_every_package_goes_into_the_wheel() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert packages_that_exist() <= set(wheel["only-include"])


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_imports_keep_the_contracts() -> None:
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout[-3000:]


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("router/x.py", "import pool_tier", "Imports run downward"),
        ("migrations/x.py", "import deploy", "Imports run downward"),
        ("pool_tier/x.py", "import dedicated_tier", "Imports run downward"),
        ("examples/x.py", "import router", "A product knows Product"),
        ("router/x.py", "import examples", "Only the top floor knows a product"),
        ("deploy/x.py", "import stripe", "One file talks to Stripe"),
    ],
)
def test_an_import_against_the_contracts_is_found(
    tmp_path: Path, module: str, planted: str, contract: str
) -> None:
    for package in project()["tool"]["importlinter"]["root_packages"]:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / module).write_text(planted)
    answer = lint_imports(tmp_path)
    assert answer.returncode == 1
    assert re.search(re.escape(contract) + r".*BROKEN", answer.stdout), answer.stdout


def test_every_dependency_is_locked_at_a_version_that_is_allowed() -> None:
    described = project()["project"]
    wanted = [Requirement(line) for line in described["dependencies"]]
    wanted += [Requirement(line) for line in described["optional-dependencies"]["dev"]]
    pins = locked()
    wrong = [str(need) for need in wanted if not need.specifier.contains(pins.get(need.name, "0"))]
    assert wrong == []


def test_every_locked_package_has_a_hash() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if PINNED.match(line) and not following.strip().startswith("--hash=sha256:")
    ]
    assert bare == []


def test_the_version_that_is_installed_is_the_version_of_the_project() -> None:
    assert importlib.metadata.version("stepwell") == project()["project"]["version"]
