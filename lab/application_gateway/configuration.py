"""Make the proxy's files from a gateway and its firewall policy. Pure.

Faithful: the listener at port 443 serves the certificate that it names, for every host name; its rule leads to the
backend, with the host name of the backend's settings and TLS of version 1.2 or newer; the listener at port 80 redirects
to port 443; at both ports the firewall's rules come first, and they answer 403. A listener without its certificate is
disabled: nobody listens at its port. Left out: several listeners of a port, host names of listeners, probes, path maps,
the managed rules.

Source: learn application-gateway/configuration-listeners, -request-routing-rules, key-vault-certs; HAProxy's
configuration manual 2.6.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.application_gateway.firewall import Rule, rules_in_force
from lab.arm.resources import Resource

# A path below the proxy's working directory, which is the lab's folder of servers. So the path is short.
FOLDER = "application_gateway"
CERTIFICATE, CONTROL, SETTINGS = f"{FOLDER}/listener.pem", f"{FOLDER}/control.sock", f"{FOLDER}/haproxy.cfg"
UNREACHABLE = f"{FOLDER}/unreachable.http"
HTTP, HTTPS = 80, 443
# A replaced process may take this time to finish its requests.
DRAIN_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The behaviour that a gateway and its policy ask for.

    Attributes:
        secret: The id of the certificate's secret, "" if there is no TLS listener.
        backend: `127.0.0.1:PORT`, "" for none.
        backend_host: The host name in requests to the backend. The backend's certificate must have this name.
        redirects: Whether port 80 leads to port 443.
        rules: The firewall's rules in their order.
    """

    secret: str = ""
    backend: str = ""
    backend_host: str = ""
    redirects: bool = False
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The addresses at which the proxy listens, `127.0.0.1:PORT` each, and the file of the CA for backends."""

    http: str
    https: str
    ca_file: str


def wanted(gateway: Resource, policy: Resource | None) -> Wanted:
    """Return the behaviour that a gateway and its policy ask for."""
    properties: Mapping[str, Any] = gateway["properties"]
    made: dict[str, Any] = {"rules": tuple(rules_in_force(policy)) if policy is not None else ()}
    for rule in properties["requestRoutingRules"]:
        listener = _named(properties, rule, "httpListener", "httpListeners")
        port = _named(properties, listener, "frontendPort", "frontendPorts").get("port")
        if port == HTTP and "redirectConfiguration" in rule["properties"]:
            made["redirects"] = True
        elif port == HTTPS and listener["protocol"] == "Https":
            made["secret"] = _named(properties, listener, "sslCertificate", "sslCertificates")["keyVaultSecretId"]
            settings = _named(properties, rule, "backendHttpSettings", "backendHttpSettingsCollection")
            addresses = _named(properties, rule, "backendAddressPool", "backendAddressPools").get("backendAddresses")
            if addresses:
                made["backend"] = f"{addresses[0]['ipAddress']}:{settings['port']}"
                made["backend_host"] = settings["hostName"]
    return Wanted(**made)


def files(asked: Wanted, at: Addresses, *, certificate: bool, number: int) -> dict[str, str]:
    """Return the proxy's files by their paths, without the certificate.

    certificate: whether there is a certificate. number: the number of this configuration of the proxy.
    """
    lists = {
        f"{FOLDER}/rule-{order}-{place}.lst": "".join(f"{one}\n" for one in condition.ranges)
        for order, rule in enumerate(asked.rules)
        for place, condition in enumerate(rule.conditions)
    }
    parts = [_GLOBAL.format(control=CONTROL, number=number, drain=DRAIN_SECONDS, unreachable=UNREACHABLE)]
    rules = list(_rules(asked.rules))
    if asked.redirects:
        parts.append(_frontend("http", f"bind {at.http}", [*rules, "http-request redirect scheme https code 301"]))
    if asked.secret and certificate:
        forwarded = [
            "http-request set-header X-Forwarded-For %[src]",
            "http-request set-header X-Forwarded-Proto https",
            "default_backend panel" if asked.backend else "http-request deny deny_status 502",
        ]
        bind = f"bind {at.https} ssl crt {CERTIFICATE} alpn h2,http/1.1"
        parts.append(_frontend("https", bind, [*rules, *forwarded]))
    if asked.backend:
        parts.append(_BACKEND.format(address=asked.backend, host=asked.backend_host, ca=at.ca_file))
    return {**lists, UNREACHABLE: _UNREACHABLE_ANSWER, SETTINGS: "\n".join(parts)}


def _rules(rules: Sequence[Rule]) -> list[str]:
    lines = []
    for order, rule in enumerate(rules):
        holds = " ".join(
            f"{'!' if condition.negated else ''}{{ src -f {FOLDER}/rule-{order}-{place}.lst }}"
            for place, condition in enumerate(rule.conditions)
        )
        # After a rule that lets a request in, no further rule is asked. The listener still handles the request.
        does = "set-var(txn.let_in) bool(true)" if rule.allows else "deny deny_status 403"
        lines.append(f"http-request {does} if !{{ var(txn.let_in) -m bool }} {holds}")
    return lines


def _frontend(name: str, bind: str, lines: Sequence[str]) -> str:
    return "\n".join([f"frontend {name}", f"    {bind}", *(f"    {line}" for line in lines), ""])


def _named(properties: Mapping[str, Any], holder: Mapping[str, Any], reference: str, kind: str) -> Mapping[str, Any]:
    """Return the properties of the part that another part refers to, {} if it refers to none."""
    own = holder.get("properties", holder)
    target = str((own.get(reference) or {}).get("id", "")).lower()
    return next((one["properties"] for one in properties[kind] if str(one["id"]).lower() == target), {})


# One thread is enough, because the lab shares the machine. The old process passes its sockets to the new one, so no
# connection is refused.
_GLOBAL = """\
global
    nbthread 1
    noreuseport
    maxconn 2000
    description {number}
    hard-stop-after {drain}s
    ssl-default-bind-options ssl-min-ver TLSv1.2
    stats socket unix@{control} mode 600 level admin expose-fd listeners

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    errorfile 503 {unreachable}
"""
# Azure's answer if the backend does not answer. The proxy itself would answer 503.
_UNREACHABLE_ANSWER = """\
HTTP/1.1 502 Bad Gateway\r
Content-Length: 0\r
Connection: close\r
\r
"""
_BACKEND = """\
backend panel
    http-request set-header Host {host}
    server panel {address} ssl verify required ca-file {ca} verifyhost {host} sni str({host})
"""
