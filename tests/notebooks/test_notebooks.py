"""The notebooks run: on the store that a real (small) demo left behind, or on published data that is not ours."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

from realdata import shared_file

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a demo with 300 shoppers."""
    folder = tmp_path_factory.mktemp("demo") / "offerlab-demo"
    command = ["-m", "offerlab.cli", "demo", "--no-stay", "--port", "0", "--shoppers", "300", "--data-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False, timeout=1_800
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "planted" in done.stdout
    return folder


@pytest.mark.notebook
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(
    path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every cell of a notebook runs, and pictures come out; without its data a notebook is skipped."""
    text = path.read_text(encoding="utf-8")
    if "OFFERLAB_DATA_DIR" in text:
        monkeypatch.setenv("OFFERLAB_DATA_DIR", str(request.getfixturevalue("demo_folder")))
    if "OFFERLAB_SHARED" in text:
        monkeypatch.setenv("OFFERLAB_SHARED", str(shared_file("hillstrom_email.parquet").parents[1]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat is partly typed
    with tempfile.TemporaryDirectory(prefix="ol-", dir="/tmp") as sockets:  # short: a socket's path has 107 bytes
        NotebookClient(
            notebook,
            timeout=900,
            startup_timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),  # ports may be taken
        ).execute()
    shown = [kind for cell in notebook.cells for out in cell.get("outputs", []) for kind in out.get("data", {})]
    assert shown.count("image/svg+xml") >= 2
