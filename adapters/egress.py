"""Where our calls may go: to public addresses, and to those networks that a deployment allows.

Who configures a partner names a host, and a partner names others in its contracts and answers. Any of these may lead to
what only we can reach: this machine, its neighbors, the cloud's metadata. A name proves nothing, for it may resolve
otherwise the next time. So the address decides, at every connect: what was looked up is checked, and then that very
address is connected to. TLS and the `Host` header keep the name.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Thread
from typing import Final, Self

import httpcore
import httpx

from domain.errors import Rejected

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host, for a port. Raises `OSError` where it has none."""

REFUSED: Final = "egress_refused"

_SCHEMES: Final = frozenset({"http", "https"})

# The registries of special-purpose addresses, RFC 6890 and its updates. `ipaddress` has them too, but each Python its
# own version of them.
_NOT_PUBLIC: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4: what is behind them is inside another address
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "2001::/23",  # with Teredo, which has an IPv4 address inside
            "2001:db8::/32",
            "2002::/16",  # 6to4, likewise
            "3fff::/20",
        ),
    )
)
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


class Forbidden(Rejected):
    """A call would go to where this deployment calls nobody. Nothing was sent."""

    def __init__(self, detail: str) -> None:
        super().__init__(REFUSED, detail)


def resolve(host: str, port: int) -> Sequence[str]:
    """Look a host up, as the system does. It takes numbers in every form that C's `inet_aton` takes."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is no host's name") from error
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True)
class Egress:
    """The networks that may be called though they are not public, and how names are looked up."""

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = field(default=resolve, compare=False)

    @classmethod
    def parse(cls, networks: Iterable[str]) -> Self:
        """Read the networks from their CIDR notation. Raises `ValueError`, which says what is wrong with which."""
        return cls(tuple(map(_network, networks)))

    def check(self, address: Address, host: str | None = None) -> None:
        """Raise `Forbidden` where an address, or one that is inside of it, is not to be called. `host` had it."""
        if not self._may_be_called(address):
            named = f"{host} is at {address}" if host and host != str(address) else f"The address is {address}"
            raise Forbidden(f"{named}, which is neither public nor in a network that this deployment allows")

    def addresses_of(self, host: str, port: int, timeout_s: float | None) -> tuple[str, ...]:
        """Look a host up, and check each of its addresses.

        Raises httpcore's `ConnectError` where it has none, and `ConnectTimeout`.
        """
        try:
            found = [ip_address(each.partition("%")[0]) for each in self._look_up(host, port, timeout_s)]
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} can't be looked up") from error
        except (OSError, ValueError) as error:
            raise httpcore.ConnectError(error) from error
        if not found:
            raise httpcore.ConnectError(f"{host} has no address")
        for address in found:
            self.check(address, host)
        return tuple(dict.fromkeys(map(str, found)))

    def _look_up(self, host: str, port: int, timeout_s: float | None) -> Sequence[str]:
        """Wait no longer than that: the system's own way can't be told so, and takes as long as a name server likes."""
        found: Future[Sequence[str]] = Future()
        Thread(target=self._resolve_into, args=(found, host, port), daemon=True).start()
        return found.result(timeout_s)

    def _resolve_into(self, found: Future[Sequence[str]], host: str, port: int) -> None:
        try:
            found.set_result(self.resolve(host, port))
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            found.set_exception(error)

    def _may_be_called(self, address: Address) -> bool:
        if isinstance(address, IPv6Address) and address in _MAPPED:
            address = _last_32_bits(address)  # it is what the system connects to
        if any(address in network for network in self.allowed):
            return True
        return all(map(self._may_be_called, _inside(address))) and _is_public(address)


def _network(text: str) -> Network:
    try:
        network = ip_network(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is no network in CIDR notation, such as 10.1.0.0/16: {error}") from error
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError(f"{text!r} is a network of IPv4, written as IPv6: write it as IPv4")
    return network


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return address in _NAT64
    return not any(address in network for network in _NOT_PUBLIC)


def _inside(address: Address) -> Iterator[IPv4Address]:
    """Yield the address where a gateway would send on what goes to this one."""
    if isinstance(address, IPv6Address) and (address in _NAT64 or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP):
        yield _last_32_bits(address)


def _last_32_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)


def check_url(url: httpx.URL) -> None:
    """Raise `Forbidden` where a URL is not of HTTP, or has more in front of its host than the scheme."""
    if url.scheme not in _SCHEMES:
        raise Forbidden(f"{url.scheme or 'no scheme'}: only http and https are called")
    if url.userinfo:
        raise Forbidden(f"There is a user in front of {url.host}: credentials don't belong in an address")
    if not url.host or "%" in url.host or url.host.endswith("."):
        raise Forbidden("An address needs a host, without a zone and without a dot at its end")
