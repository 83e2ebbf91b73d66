"""What somebody may use up: points that come back with time, and the terms that a partner's key is held to."""

from dataclasses import dataclass

from app.kernel.addresses import IPNetwork, is_within, plain_address


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most ``maximum`` points, of which ``per_second`` come back each second."""

    maximum: int
    per_second: int

    def within(self, other: "Allowance") -> "Allowance":
        """The smaller of the two, part by part."""
        return Allowance(min(self.maximum, other.maximum), min(self.per_second, other.per_second))


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a key is held to besides its scopes: its own budget, requests in a minute, the networks it may be used from."""

    allowance: Allowance | None = None
    requests_per_minute: int | None = None
    networks: tuple[IPNetwork, ...] = ()

    def admit(self, address: str) -> bool:
        """Whether somebody at that address may use it."""
        if not self.networks:
            return True
        parsed = plain_address(address)
        return parsed is not None and is_within(parsed, self.networks)
