"""Third-party clients written for Node, unmodified: fetched once, run as programs.

`installed` asks npm for exact versions and keeps them below `.tools/npm`, one folder for each set of packages; the
registry's own client checks the hashes. Node is the machine's, or that of its wheel on PyPI.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.find import TOOLS, find_node, find_npm

PATIENCE_S = 300
_ENVIRONMENT = {"NODE_USE_SYSTEM_CA": "1"}  # behind a company's proxy the system knows its certificate


def installed(packages: Mapping[str, str]) -> Path:
    """A folder whose `node_modules` holds exactly these packages (name -> version).

    Skips the test where they are not there and can't be fetched, and says why.
    """
    pins = json.dumps(dict(sorted(packages.items())))
    folder = TOOLS / "npm" / hashlib.sha256(pins.encode()).hexdigest()[:16]
    if (folder / "complete").exists():
        return folder
    npm = find_npm()
    if npm is None or find_node() is None:
        pytest.skip("no node on this machine and no wheel of it")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": json.loads(pins)}))
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
    done = subprocess.run(
        [*npm, "install", *quiet],
        cwd=folder,
        env={**_ENVIRONMENT, **os.environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    if done.returncode:
        pytest.skip(f"npm can't fetch {pins}: {done.stderr.strip()[-500:]}")
    (folder / "complete").touch()
    return folder


def run(folder: Path, script: str, *arguments: str, timeout: float = PATIENCE_S) -> str:
    """What a module script prints, run beside the packages of `folder`.

    Raises:
        AssertionError: it ended with an error; the message is what it said.
    """
    node = find_node()
    assert node is not None, "`installed` looks for node first"
    done = subprocess.run(
        [str(node), "--input-type=module", "-e", script, "--", *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout
