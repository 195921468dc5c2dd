"""Everything the environment may say, read once and passed on as an argument."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from offerlab.errors import Misconfigured

PREFIX: Final = "OFFERLAB_"
SHORTEST_ADMIN_KEY: Final = 32


class Settings(Struct, frozen=True, kw_only=True):
    """How this process runs.

    Attributes:
        data_dir: folder of the embedded store, its lock and its copy of the ruleset.
        database_url: SQLAlchemy URL; None is SQLite inside `data_dir`.
        admin_key: a ready admin key of the project `default`, 32 characters or more.
        currency: the project's currency, fixed at its first start; None is the one it has, USD for a new one.
        origins: sites whose pages may call the storefront routes; empty is any.
        lake_url: folder or object store of sealed events, None is none.
        engine: what computes moments: `store` asks the database itself.
        host, port: where `serve` listens.
        shopify_secret, woocommerce_secret: what those shops sign their webhooks with; None refuses them.
        state_timeout_ms: how long a decision waits for a customer's state from a database server.
        webhook_private: whether webhooks may lead to loopback and private addresses.
        base_url: where the service is reached from outside; links in mail begin with it.
        smtp_url: the mail server.
        mail_from: who sends, `Shop <offers@shop.example>`.
        streams: clients that may listen for changed flags at one time; 0 tells nobody.
    """

    data_dir: Path = Path("offerlab-data")
    database_url: str | None = None
    admin_key: str | None = None
    currency: str | None = None
    origins: tuple[str, ...] = ()
    lake_url: str | None = None
    engine: str = "store"
    host: str = "127.0.0.1"
    port: int = 8000
    shopify_secret: str | None = None
    woocommerce_secret: str | None = None
    state_timeout_ms: int = 10
    webhook_private: bool = False
    base_url: str | None = None
    smtp_url: str | None = None
    mail_from: str | None = None
    streams: int = 1_000

    @property
    def url(self) -> str:
        """The database to open."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'offerlab.db').absolute()}"

    @property
    def embedded(self) -> bool:
        """Whether the store is SQLite: one process, migrated at its start."""
        return self.url.startswith("sqlite")


def read_settings(environment: Mapping[str, str], **flags: object) -> Settings:
    """Settings from `OFFERLAB_*` variables; flags that are not None win.

    Raises:
        Misconfigured: a value that can't be used, named with its variable.
    """
    found = _texts(environment) | _numbers(environment)
    found.update({name: value for name, value in flags.items() if value is not None})
    settings = structs.replace(Settings(), **found)
    _check(settings)
    return settings


def _texts(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in (
        "database_url",
        "admin_key",
        "currency",
        "lake_url",
        "engine",
        "host",
        "shopify_secret",
        "woocommerce_secret",
        "smtp_url",
        "mail_from",
    ):
        if value := environment.get(PREFIX + name.upper()):
            found[name] = value
    if folder := environment.get(PREFIX + "DATA_DIR"):
        found["data_dir"] = Path(folder)
    if base := environment.get(PREFIX + "BASE_URL"):
        found["base_url"] = base.rstrip("/")
    if origins := environment.get(PREFIX + "ORIGINS"):
        found["origins"] = tuple(origin.strip().rstrip("/") for origin in origins.split(",") if origin.strip())
    return found


def _numbers(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    if private := environment.get(PREFIX + "WEBHOOK_PRIVATE"):
        if private not in ("0", "1"):
            raise Misconfigured(f"{PREFIX}WEBHOOK_PRIVATE is 0 or 1, not {private!r}")
        found["webhook_private"] = private == "1"
    for name in ("port", "state_timeout_ms", "streams"):
        if number := environment.get(PREFIX + name.upper()):
            if not (number.isascii() and number.isdecimal()):
                raise Misconfigured(f"{PREFIX}{name.upper()} is no number: {number!r}")
            found[name] = int(number)
    return found


def _check(settings: Settings) -> None:
    if settings.admin_key is not None and len(settings.admin_key) < SHORTEST_ADMIN_KEY:
        raise Misconfigured(f"{PREFIX}ADMIN_KEY has fewer than {SHORTEST_ADMIN_KEY} characters")
    if settings.smtp_url is not None and (settings.mail_from is None or settings.base_url is None):
        raise Misconfigured(f"{PREFIX}SMTP_URL needs {PREFIX}MAIL_FROM and {PREFIX}BASE_URL beside it")
    if settings.base_url is not None and not settings.base_url.startswith(("https://", "http://")):
        raise Misconfigured(f"{PREFIX}BASE_URL begins with https:// (or http://)")
    if settings.engine != "store":
        raise Misconfigured(f"{PREFIX}ENGINE is {settings.engine!r}; this build knows 'store'")
    if not 0 <= settings.port < 2**16:
        raise Misconfigured(f"port {settings.port} is outside 0 to 65535")
