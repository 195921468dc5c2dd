"""Build `.venv` from nothing but Python and the package registries.

Usage: `python3 scripts/bootstrap.py service|dev|postgres`. Every version and hash comes from `requirements/`, so what
is installed does not depend on the day. uv does the work because it is about eight times faster than pip; it is
told what pip's own settings say (index, certificate, proxy), and where it fails pip does the same work, slower.
A stamp in the environment remembers what is installed: a second call costs no time.

Standard library only: this runs before anything is installed.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
LOCKS = ROOT / "requirements"
SETS = {  # each set contains the ones it names
    "service": ("build", "service"),
    "dev": ("build", "dev"),
    "postgres": ("postgres",),
}
IMPLIES = {"service": ("dev",)}  # a set that another, already installed, contains
UV_FROM_PIP = {  # pip's setting -> uv's variable
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "trusted-host": "UV_INSECURE_HOST",
}
UNCOMPILED = r"[/\\](tests?|testing|mypy|mypyc|pyright|pip|setuptools|uv)[/\\]"  # never imported, or compiled already
PIP_PRECEDENCE = ("global", "site", "user", "install", ":env:")


def fail(reason: str) -> None:
    """Say in one line what is missing, and stop."""
    sys.exit(f"bootstrap: {reason}")


def run(*command: str, env: dict[str, str] | None = None) -> bool:
    """Run a command with its output shown; True if it succeeded."""
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == 0


def fingerprint(name: str) -> str:
    """What the set `name` would install: its lock files, the project's own settings and the Python that runs them."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for part in SETS[name]:
        digest.update((LOCKS / f"{part}.txt").read_bytes())
    return digest.hexdigest()


def is_installed(name: str) -> bool:
    """Whether the set, or one that contains it, stands in the environment unchanged."""
    for other in (name, *IMPLIES.get(name, ())):
        stamp = VENV / f".{other}.stamp"
        if PYTHON.exists() and stamp.exists() and stamp.read_text() == fingerprint(other):
            return True
    return False


def create_environment() -> None:
    """Create `.venv`, or say which system package is missing."""
    if PYTHON.exists():
        return
    if not run(sys.executable, "-m", "venv", str(VENV)):
        fail(
            "python3 cannot create virtual environments; install its venv module (Debian: apt-get install python3-venv)"
        )


def pip_settings() -> dict[str, str]:
    """Pip's own settings, the narrower scope winning: `{"index-url": …}`."""
    listing = subprocess.run(
        [str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        name, separator, value = line.partition("=")
        scope, _, key = name.rpartition(".")
        if separator and scope in PIP_PRECEDENCE:
            rank = PIP_PRECEDENCE.index(scope)
            found[key] = max(found.get(key, (-1, "")), (rank, value.strip().strip("'\"")))
    return {key: value for key, (_, value) in found.items()}


def uv_environment() -> dict[str, str]:
    """The environment for uv: this process's own, completed by what pip is configured with."""
    env = dict(os.environ)
    for key, value in pip_settings().items():
        if key in UV_FROM_PIP and UV_FROM_PIP[key] not in env:
            env[UV_FROM_PIP[key]] = value.replace("\\n", " ")
    env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip does; every file is checked against its hash
    env.setdefault("UV_LINK_MODE", "copy" if os.name == "nt" else "hardlink")
    env.setdefault("UV_NO_PROGRESS", "0" if sys.stderr.isatty() else "1")
    return env


def install(lock: Path) -> None:
    """Install one lock file with every hash checked, by uv, else by pip."""
    pip = (str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet")
    arguments = ("--require-hashes", "-r", str(lock))
    if lock.stem == "build":
        done = run(*pip, *arguments)
    else:
        uv = (str(PYTHON), "-m", "uv", "pip", "install", "--quiet", "--python", str(PYTHON))
        done = run(*uv, *arguments, env=uv_environment()) or run(*pip, *arguments)
    if not done:
        fail(f"could not install {lock.relative_to(ROOT)}; is a package registry reachable (pip config list)?")


def install_project() -> None:
    """Install OfferLab itself, editable, without asking any registry."""
    editable = ("--disable-pip-version-check", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
    if not run(str(PYTHON), "-m", "pip", "install", *editable):
        fail("could not install OfferLab itself; the lines above say why")


def compile_installed() -> None:
    """Byte-compile what was installed; otherwise every process does it anew where Python may not write its cache."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run(str(PYTHON), "-m", "compileall", "-qq", "-j", "0", "-x", UNCOMPILED, str(VENV), env=env)


def main() -> None:
    """Install the set named on the command line, unless it is there."""
    name = sys.argv[1] if len(sys.argv) > 1 else "dev"
    if name not in SETS:
        fail(f"unknown set {name!r}; one of {', '.join(SETS)}")
    if is_installed(name):
        return
    started = time.monotonic()
    print(f"bootstrap: installing the {name} set into .venv", flush=True)
    create_environment()
    for part in SETS[name]:
        install(LOCKS / f"{part}.txt")
    if name != "postgres":
        install_project()
    compile_installed()
    (VENV / f".{name}.stamp").write_text(fingerprint(name))
    print(f"bootstrap: done in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
