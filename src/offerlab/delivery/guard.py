"""Where a webhook may lead: to the public internet, and nowhere else.

A name is looked up once and the connection goes to the very address that was checked, so that no second answer of
the name server counts (rebinding). Whoever hosts receivers in a private network opens it with a setting.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from offerlab.domain.naming import has_control
from offerlab.errors import InvalidInput, OfferLabError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a host name up: its addresses, none when there are none."""

LONGEST: Final = 2_000
LOOKUP_S: Final = 3.0
_SCHEMES: Final = ("http", "https")
_NETWORKS_BEHIND: Final = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "2002::/16", "2001::/32"))
"""IPv6 that carries an IPv4 address inside: translation, 6to4, Teredo."""


class Forbidden(OfferLabError):
    """An address that nothing is sent to."""

    code = "forbidden_target"


async def lookup(host: str, port: int) -> Sequence[str]:
    """The system's answer for a host name."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return ()
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class Guard:
    """Says which targets are allowed.

    Args:
        allow_private: whether loopback, private and link-local addresses may be called.
        resolve: looks host names up.
    """

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = lookup) -> None:
        self._allow_private = allow_private
        self._resolve = resolve

    def check_form(self, url: str) -> tuple[str, int]:
        """Host and port of a URL that is well formed.

        Raises:
            InvalidInput: another scheme, a user in it, control characters, no host.
        """
        if len(url) > LONGEST or has_control(url) or " " in url or "\\" in url:
            raise InvalidInput("this is no URL for a webhook", field="url")
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise InvalidInput("this is no URL for a webhook", field="url") from error
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise InvalidInput("a webhook's URL begins with http:// or https:// and names a host", field="url")
        if parts.username is not None or parts.password is not None:
            raise InvalidInput("a webhook's URL carries no user name", field="url")
        return parts.hostname, port

    async def check(self, url: str) -> None:
        """Refuse a URL that leads inside; a name that nobody knows (yet) passes and is looked up at every sending.

        Raises:
            InvalidInput: names the field `url`.
        """
        host, port = self.check_form(url)
        try:
            await self.addresses(host, port)
        except Forbidden as error:
            raise InvalidInput(error.detail, field="url") from error

    async def addresses(self, host: str, port: int) -> list[str]:
        """Addresses of a host, all of them allowed; empty when it has none.

        Raises:
            Forbidden: one of them lies inside.
        """
        literal = _literal(host)
        found = [literal] if literal is not None else list(await self._resolve(host, port))
        if not self._allow_private:
            for address in found:
                if not is_public(address):
                    raise Forbidden(f"{host} leads to {address}, which is no address of the public internet")
        return found


def _literal(host: str) -> str | None:
    """The address that a host is written as, in any of the spellings that a system's resolver takes; None: a name."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:  # 127.1, 0x7f.1, 2130706433, 0177.0.0.1
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except (OSError, UnicodeError):
        return None


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, whatever wraps it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in _NETWORKS_BEHIND):
            return False
    return ip.is_global and not ip.is_multicast
