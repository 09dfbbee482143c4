"""Decide what the publisher takes back from an instance that is deprovisioned, and in which order. Pure.

A deletion can fail, and then the instance goes on. So the publisher takes nothing that it cannot give back before the
customer's deletion is certain. The deletion is certain if Azure says that neither the managed application nor its
resource group exists. Both must be gone, because a document with a wrong id must not look like a deletion.

1. As long as the application exists, the instance is marked as leaving, and its token for the publisher's container
   registry is disabled. Both can be undone. The keys stay, so that the instance can report until its end.
2. When the application is gone, the keys are revoked, their secrets are disabled, and the token's passwords are
   removed. The row stays as a tombstone.

Two more plans do not depend on this one, so that a failure in one of them does not delay the others. They are carried
out even if the row is a tombstone already.

- The first of all plans removes the instance's records from the publisher's DNS zone when the application is gone,
  because somebody could take over a name that still leads to a gateway's former address.
- The last one closes an open order of a certificate when the application is gone. The certificate itself is not
  revoked: its key was in the customer's vault, and the publisher never had it.

If a run is killed, the next run looks again and does the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from publisher.certificates.plan import number_of
from publisher.certificates.record import Issuance
from publisher.dns_zone.host_record import INSTANCE, PURPOSE, remove_all
from publisher.dns_zone.record_sets import RecordSet
from publisher.instances.store import Standing
from runbook_lib.change import ActionKind, Change, NoChange, Plan
from runbook_lib.errors import publisher

STAND: ActionKind[Standing] = ActionKind("mark", stage=1)
TOKEN: ActionKind[str] = ActionKind("switch", stage=2)
REVOKE: ActionKind[str] = ActionKind("revoke", stage=3)
DISABLE: ActionKind[str] = ActionKind("disable", stage=4)
REMOVE: ActionKind[str] = ActionKind("remove", stage=4)
END: ActionKind[Standing] = ActionKind("end", stage=5)
CLOSE: ActionKind[Issuance] = ActionKind("close", stage=6)

ENABLED, DISABLED = "enabled", "disabled"
NO_PASSWORDS = "none"
OPEN, OVER = "open", "over"
_LATER = "only after the managed application is gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts about an instance.

    Attributes:
        application: The state in words, as `publisher.instances.departure.application_of` returns it, "" if the
            application is gone.
        standing: The standing in the instance's row.
        token: The name of its token for the publisher's container registry, "" for none.
        token_status: enabled or disabled; "" for no token.
        passwords: The names of the token's passwords.
        keys: The id and the state of each key that is not revoked.
        secrets: The ids of the keys whose secret is enabled.
    """

    application: str
    standing: Standing
    token: str = ""
    token_status: str = ""
    passwords: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFacts:
    """The facts about an instance's name.

    Attributes:
        instance_id: The instance.
        application: The same as in Facts.
        no_zone: Why the publisher can have no record of the instance, "" if it may have some.
        found: The record sets at the name and below it.
    """

    instance_id: str
    application: str
    no_zone: str = ""
    found: tuple[RecordSet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """The facts about the certificates of an instance's name.

    Attributes:
        application: The same as in Facts.
        recent: The instance's last issuances, the newest first.
    """

    application: str
    recent: tuple[Issuance, ...] = ()


def close_order(facts: CertificateFacts) -> Plan:
    """Return how an open issuance is closed, if this is possible now, and what is left of the certificates."""
    changes, unchanged = [], []
    for newest in facts.recent[:1]:
        if newest.open and not facts.application:
            changes.append(CLOSE.change(newest, number_of(newest), OPEN, OVER))
        elif newest.open:
            unchanged.append(NoChange(number_of(newest), f"it is closed {_LATER}"))
    # Texts of RFC 3339 in UTC sort in the order of time.
    until = max((each.not_after for each in facts.recent), default="")
    if until:
        why = f"it is valid until {until}. It is not revoked, because its key is in the customer's vault"
        unchanged.append(NoChange("certificate", why))
    return Plan(tuple(changes), tuple(unchanged))


def clear_name(facts: NameFacts) -> Plan:
    """Return the changes to the instance's records in the publisher's DNS zone that are possible now."""
    if facts.no_zone:
        return Plan(unchanged=(NoChange("name", facts.no_zone),))
    unneeded, unchanged = [], []
    for each in facts.found:
        why = "it is marked: the publisher needs it" if each.metadata.get(PURPOSE) else _of_another(each, facts)
        if not why:
            unneeded.append(each)
        if why or facts.application:
            unchanged.append(NoChange(f"{each.type} {each.name}", why or _LATER))
    return Plan(() if facts.application else remove_all(unneeded).changes, tuple(unchanged))


def _of_another(found: RecordSet, facts: NameFacts) -> str:
    """Return why a record set is another instance's, "" if it is not.

    A record set below the name of another instance is also that instance's, such as its certificate's challenge.
    """
    for host in facts.found:
        owner = host.metadata.get(INSTANCE, "")
        if owner not in ("", facts.instance_id) and f".{found.name}".endswith(f".{host.name}"):
            return f"it is at the name of instance {owner}"
    return ""


def leave(facts: Facts) -> Plan:
    """Return the changes to the instance's row and credentials that are possible now."""
    if facts.standing == "ended":
        return Plan(unchanged=(NoChange("instance", "it is deprovisioned already"),))
    suspended = [*_stand(facts, "leaving"), *_token(facts, DISABLED)]
    if facts.application:
        waiting = [NoChange(f"key {key}", _LATER) for key, _ in facts.keys]
        waiting += [NoChange(f"password {name} of token {facts.token}", _LATER) for name in facts.passwords]
        return Plan(tuple(suspended), (*waiting, NoChange("instance", f"its row is closed {_LATER}")))
    return Plan(
        (
            *suspended,
            *(REVOKE.change(key, f"key {key}", state, "revoked") for key, state in facts.keys),
            *(DISABLE.change(key, f"secret of key {key}", ENABLED, DISABLED) for key in facts.secrets),
            *_passwords(facts),
            END.change("ended", "instance", "leaving", "ended"),
        )
    )


def take_back(facts: Facts) -> Plan:
    """Return the changes that make the instance work again.

    Raises RunbookError VD-INSTANCE-011 if the instance is gone.
    """
    if not facts.application or facts.standing == "ended":
        raise publisher.NOT_TAKEN_BACK.error(f"the instance is {facts.standing}")
    return Plan((*_stand(facts, "active"), *_token(facts, ENABLED)))


def _stand(facts: Facts, wanted: Standing) -> Sequence[Change]:
    if facts.standing == wanted:
        return ()
    return (STAND.change(wanted, "instance", facts.standing, wanted),)


def _token(facts: Facts, wanted: str) -> Sequence[Change]:
    if facts.token_status in ("", wanted):
        return ()
    return (TOKEN.change(wanted, f"token {facts.token}", facts.token_status, wanted),)


def _passwords(facts: Facts) -> Sequence[Change]:
    if not facts.passwords:
        return ()
    # One update removes both passwords, because an update names the passwords that are kept.
    names = ", ".join(facts.passwords)
    return (REMOVE.change(facts.token, f"passwords of token {facts.token}", names, NO_PASSWORDS),)
