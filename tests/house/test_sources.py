"""The habits of the house that no linter checks, read from the sources themselves."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.sources import parsed, read, tracked

PURE = ("domain", "assignment", "affinity", "messaging", "intake", "stats", "reporting")
IMPURE_MODULES = {
    *("asyncio", "http", "logging", "multiprocessing", "os", "random", "secrets", "shutil", "socket", "subprocess"),
    *("tempfile", "threading", "time", "urllib", "uuid"),
    *("click", "httpx", "litestar", "psycopg", "rich", "sqlalchemy", "uvicorn"),
}
IMPURE_CALLS = {"open", "input", "print", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "Path.cwd"}
SAYS_WHY = re.compile(r"(noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*|(type|pyright): ignore\[[\w, -]+\])(?P<rest>.*)")
REGISTRIES = tuple(
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))
)
MACHINE_PATHS = tuple(
    "/".join(("", *parts, ""))
    for parts in (("work", "main"), ("work", "shared"), ("work", "wt"), ("opt", "pypi"), ("root",))
)


def _calls(tree: ast.AST) -> Iterator[str]:
    """The dotted names of everything called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def _imports(tree: ast.AST) -> Iterator[str]:
    """The first names of all modules imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def _is_impure(call: str) -> bool:
    """Whether a call reads a clock, a random source or the outside world."""
    if "random." in call:
        return True
    return (
        any(call == impure or call.endswith(f".{impure}") for impure in IMPURE_CALLS if "." in impure)
        or call in IMPURE_CALLS
    )


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_take_what_they_need_as_arguments(room: str) -> None:
    """A pure room imports nothing that reads a clock, the environment or the network, and calls nothing of the kind."""
    found = [
        f"{path}: {name}"
        for path, tree in parsed(f"src/offerlab/{room}")
        for name in (
            *(name for name in _imports(tree) if name in IMPURE_MODULES),
            *(call for call in _calls(tree) if _is_impure(call)),
        )
    ]
    assert found == []


def _test_functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every test function with its file."""
    for path, tree in parsed("tests"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield path, node


def test_every_test_says_what_it_shows() -> None:
    """Each test function has a docstring that ends as a sentence does."""
    silent = [
        f"{path}: {node.name}"
        for path, node in _test_functions()
        if not (ast.get_docstring(node) or "").endswith((".", "?", "!"))
    ]
    assert silent == []


def test_every_exemption_gives_its_reason() -> None:
    """Each `noqa` and `type: ignore` names its rule and says why on the same line."""
    bare: list[str] = []
    for path in tracked("src", "tests", "scripts", "migrations", "benchmarks"):
        if path.suffix != ".py" or path.name == Path(__file__).name:
            continue
        for number, line in enumerate(read(path).splitlines(), start=1):
            exempted = "# noqa" in line or "# type: ignore" in line or "# pyright: ignore" in line
            reason = SAYS_WHY.search(line)
            if exempted and not (reason and re.search(r"\w{2,}", reason["rest"])):
                bare.append(f"{path}:{number}: {line.strip()}")
    assert bare == []


def test_no_file_names_a_registry_host() -> None:
    """No tracked file carries the address of a package registry: the installer's own settings decide."""
    assert [f"{path}: {host}" for path in tracked() for host in REGISTRIES if host in read(path)] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """No tracked file carries a path that exists on one machine only."""
    assert [f"{path}: {place}" for path in tracked() for place in MACHINE_PATHS if place in read(path)] == []


def test_every_room_is_in_the_import_contract() -> None:
    """Each package and module of the top level stands in the layers of the import contract."""
    contract = read(Path("pyproject.toml")).partition("[tool.importlinter]")[2]
    names = {path.parts[2].removesuffix(".py") for path in tracked("src/offerlab") if path.suffix == ".py"}
    assert [name for name in sorted(names - {"__init__", "__main__"}) if not re.search(rf"\b{name}\b", contract)] == []
