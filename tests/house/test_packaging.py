"""What is shipped: locked versions, the wheel, the container files, the commands of the README."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.find import ROOT
from support.sources import fenced, read, tracked

PYPROJECT: dict[str, Any] = tomllib.loads(read(Path("pyproject.toml")))
LOCKS = tuple(path for path in tracked("requirements") if path.suffix == ".txt")


def _pins(lock: Path) -> dict[str, str]:
    """The exact version of each package in a lock file."""
    return {
        canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", read(lock), re.MULTILINE)
    }


def _direct(*requirements: str) -> list[Requirement]:
    """The requirements, parsed."""
    return [Requirement(text) for text in requirements]


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_every_pin_has_a_hash_and_no_address(lock: Path) -> None:
    """Each locked package is pinned exactly and followed by hashes; no line names an address or a path."""
    pins = [block for block in re.split(r"\n(?=[\w.-]+==)", read(lock)) if "==" in block]
    assert [block.splitlines()[0] for block in pins if "--hash=sha256:" not in block] == []
    assert re.findall(r"https?:|file:|--index|--find-links| @ ", read(lock)) == []


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        (
            "service",
            [*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["postgres"]],
        ),
        ("dev", [each for group in PYPROJECT["dependency-groups"].values() for each in group if isinstance(each, str)]),
    ],
)
def test_locks_answer_the_ranges(lock: str, requirements: list[str]) -> None:
    """Each dependency of pyproject has a locked version inside its range, and a lowest version."""
    pins = _pins(Path(f"requirements/{lock}.txt"))
    direct = _direct(*requirements)
    assert [
        str(each) for each in direct if not each.specifier.contains(pins.get(canonicalize_name(each.name), "0"))
    ] == []
    assert [str(each) for each in direct if ">=" not in str(each.specifier)] == []


def test_development_runs_on_what_is_shipped() -> None:
    """The development lock holds the very versions of the service's lock."""
    shipped, tested = (_pins(Path(f"requirements/{name}.txt")) for name in ("service", "dev"))
    assert {name: tested.get(name) for name in shipped} == shipped


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(built)


def test_wheel_holds_the_package_and_its_migrations(wheel: Path) -> None:
    """The wheel carries every file of the package and the migrations, and nothing of the tests."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to("src").as_posix() for path in tracked("src/offerlab")}
    wanted |= {f"offerlab/_{path.as_posix()}" for path in tracked("migrations") if path.suffix in {".py", ".mako"}}
    assert wanted - names == set()
    assert [name for name in names if not name.startswith(("offerlab/", "offerlab-"))] == []


def test_wheel_works_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    """What is in the wheel alone can build the store: the migrations are found inside it."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OFFERLAB_DATA_DIR": str(tmp_path / "data")}
    code = "import sys; from offerlab.cli import main; sys.argv[1:] = ['migrate']; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "data").iterdir()) != []


def _compose() -> dict[str, Any]:
    """The compose file with its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load(read(Path("docker-compose.yml")))
    return loaded


def test_compose_file_is_valid() -> None:
    """The compose file follows the compose specification's own schema."""
    package = find_spec("check_jsonschema")  # only read: its own imports need not work here
    assert package is not None
    assert package.origin is not None
    schema = json.loads((Path(package.origin).parent / "builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(_compose(), schema)


@pytest.mark.parametrize("service", ["database", "offerlab"])
def test_compose_services_are_watched_and_keep_their_data(service: str) -> None:
    """Each lasting service has a health check, a volume that the file declares, and starts again after a fall."""
    description = _compose()["services"][service]
    assert description["healthcheck"]["test"]
    assert description["volumes"][0].split(":")[0] in _compose()["volumes"]
    assert description["restart"] == "unless-stopped"


def test_compose_starts_in_order() -> None:
    """The schema is migrated after the database is healthy and before the service starts."""
    services = _compose()["services"]
    assert services["migrate"]["command"] == ["migrate"]
    assert services["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["offerlab"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert "/readyz" in " ".join(services["offerlab"]["healthcheck"]["test"])


def test_image_is_built_from_what_exists_and_runs_unprivileged() -> None:
    """Every path that the Dockerfile copies exists and is let through; the last user is not root."""
    lines = read(Path("Dockerfile")).replace("\\\n", " ").splitlines()
    copied = [
        part for line in lines if line.startswith("COPY ") and "--from" not in line for part in line.split()[1:-1]
    ]
    allowed = {line[1:] for line in read(Path(".dockerignore")).splitlines() if line.startswith("!")}
    assert [path for path in copied if not (ROOT / path).exists() or path.split("/")[0] not in allowed] == []
    stages = "\n".join(lines).split("\nFROM ")
    assert re.findall(r"^USER (\S+)", stages[-1], re.MULTILINE) == ["offerlab"]
    assert re.search(r"^HEALTHCHECK .*/readyz", stages[-1], re.MULTILINE)


def test_both_commands_of_the_readme_are_targets() -> None:
    """The README's two commands are `make demo` and `make test`, and both are targets."""
    blocks = "".join(body for _, body in fenced(read(Path("README.md"))))
    commands = set(re.findall(r"^make [a-z-]+", blocks, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", read(Path("Makefile")), re.MULTILINE))
    assert {"make demo", "make test"} <= commands
    assert {command.split()[1] for command in commands} <= targets


def test_ci_runs_the_daily_check_and_then_the_readme_test_command() -> None:
    """What a landing must pass is what a developer runs: `make check`, then `make test`."""
    assert re.findall(r"^make .*$", read(Path(".ci/run")), re.MULTILINE) == ["make check", "make test"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_help_lists_every_target_a_person_calls() -> None:
    """Each target that a person calls has its line of help, and each is declared phony."""
    makefile = read(Path("Makefile"))
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    phony = set(re.sub(r"\\\n", " ", makefile).partition(".PHONY:")[2].partition("\n")[0].split())
    assert {"demo", "check", "test", "prove", "lowest", "help"} <= explained
    assert set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == phony
