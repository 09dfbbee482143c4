"""How the publisher proves to an authority that it controls a name. The only way is DNS-01 (RFC 8555, 8.4)."""

from functools import cached_property
from typing import Protocol

from acme import challenges

from publisher.certificates.caa import Issuer, refusal
from publisher.dns_zone.host_record import refuse_another, shown
from publisher.dns_zone.name_servers import SERVED_SECONDS, NoAnswerError, values_at, wait_until_served
from publisher.dns_zone.record_sets import RecordSets
from publisher.dns_zone.txt_values import TxtValue, TxtValues
from runbook_lib.basics.clock import Clock
from runbook_lib.errors import RunbookError, publisher

# A name server consists of many machines. The next question may reach one that does not have the value yet. All of them
# have it within the time that Azure names.
SERVED_AGAIN_SECONDS = SERVED_SECONDS / 2


class Challenge(Protocol):
    """A way to prove the control of a name. In its methods, `host` is the name and `value` is the text of the proof.

    Attributes:
        kind: The class of the challenge in certbot's client.
    """

    kind: type[challenges.KeyAuthorizationChallenge]

    def obstacle(self, host: str, *, identities: tuple[str, ...], account: str) -> str:
        """Return why the authority would refuse the proof, "" if nothing is known against it.

        Args:
            host: The name in the certificate.
            identities: The authority's names in CAA records, none if they are not known.
            account: The address of the account that orders.
        """

    def publish(self, host: str, value: str) -> None:
        """Show the proof, and wait until the authority can see it."""

    def is_published(self, host: str, value: str) -> bool:
        """Return whether the authority can see the proof."""

    def elsewhere(self, host: str) -> str:
        """Return why the publisher cannot remove the proof for a name, "" if it can."""

    def remove(self, host: str, value: str) -> None:
        """Remove the proof. It may be gone already."""


class Dns01:
    """A TXT record at `_acme-challenge` below the name, beside the values of others."""

    kind = challenges.DNS01

    def __init__(self, record_sets: RecordSets, clock: Clock, *, instance_id: str) -> None:
        self._instance_id = instance_id
        self._record_sets = record_sets
        self._values = TxtValues(record_sets)
        self._clock = clock

    @cached_property
    def _servers(self) -> tuple[str, ...]:
        return self._record_sets.name_servers()

    def obstacle(self, host: str, *, identities: tuple[str, ...], account: str) -> str:
        """Look at the CAA records.

        Raises:
            RunbookError: VD-DNS-001 if the host is not in the zone, VD-DNS-007 if it is another instance's, VD-DNS-008
                if a CNAME record stands where the value belongs.
        """
        zone = self._record_sets.zone
        refuse_another(self._record_sets.read("A", zone.relative(host)), self._instance_id)
        delegated = self._record_sets.read("CNAME", zone.relative(_name(host)))
        if delegated is not None:
            raise publisher.CHALLENGE_DELEGATED.error(f"CNAME {shown(delegated)}", target=_name(host))
        issuer = Issuer(identities=identities, account=account, method=self.kind.typ)
        return refusal(host, self._record_sets.zone.name, issuer, self._caa)

    def publish(self, host: str, value: str) -> None:
        """Add the value, and wait until all name servers serve it.

        Raises:
            RunbookError: VD-DNS-001 if the host is not in the zone, VD-DNS-003 if others change the record set again
                and again, VD-DNS-004 if the set is full, VD-DNS-005 if the name servers do not serve the value in time.
        """
        self._values.add(self._value(host, value))
        wait_until_served(self._servers, _name(host), "TXT", value, clock=self._clock)

    def is_published(self, host: str, value: str) -> bool:
        """Wait for a short time until all name servers serve the value. Return False if they do not."""
        if self._values.see(self._value(host, value)) == "absent":
            return False
        try:
            wait_until_served(self._servers, _name(host), "TXT", value, clock=self._clock, seconds=SERVED_AGAIN_SECONDS)
        except RunbookError as error:
            if error.is_(publisher.RECORD_NOT_SERVED):
                return False
            raise
        return True

    def elsewhere(self, host: str) -> str:
        """Compare the host with the zone."""
        zone = self._record_sets.zone
        return "" if zone.contains(host) else f"the name is not in the zone {zone.name}"

    def remove(self, host: str, value: str) -> None:
        """Remove the value. Raises RunbookError VD-DNS-003."""
        self._values.remove(self._value(host, value))

    def _value(self, host: str, value: str) -> TxtValue:
        return TxtValue(name=self._record_sets.zone.relative(_name(host)), value=value)

    def _caa(self, name: str) -> frozenset[str]:
        for server in self._servers:
            try:
                return values_at(server, name, "CAA")
            except NoAnswerError:
                continue
        return frozenset()  # `publish` asks the servers again, and reports servers that do not answer


def _name(host: str) -> str:
    return f"{challenges.DNS01.LABEL}.{host}"
