"""The certificate authority: its directory, our account, and the steps of an order. certbot's ACME client asks it.

Sources: RFC 8555; RFC 9773 (renewal information, `replaces`).
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from josepy import errors as josepy_errors
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import field

from publisher.certificates.account import AccountKey
from publisher.certificates.network import BoundedNetwork, OtherServerError
from publisher.certificates.plan import OrderStatus
from publisher.certificates.times import Window
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import RunbookError, tls
from runbook_lib.network.retry import PolicySource, retry_after_seconds
from runbook_lib.tls_certificate.chain import text_of

# A message shows at most this number of characters of an authority's text.
MAX_WORDS = 400
# The wait if an authority refuses an order and does not say for how long.
UNSAID_WAIT = timedelta(hours=1)
# Reading an answer of another form raises one of these. RecursionError: the answer is nested very deeply.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, x509.InvalidVersion)
# The order does not exist, or it belongs to an account that is not ours, or is not ours any more.
_GONE = ("malformed", "unauthorized", "accountDoesNotExist")


class TooManyOrdersError(RunbookError):
    """VD-TLS-026: the authority takes no order before the time `until` (aware)."""

    def __init__(self, words: str, *, target: str, until: datetime) -> None:
        super().__init__(tls.TOO_MANY_ORDERS, f"until {rfc3339(until)}: {words}", target=target)
        self.until = until


class ReplacingOrder(messages.NewOrder):
    """A new order that may name the certificate that it replaces (RFC 9773, 5)."""

    replaces: str = field("replaces", omitempty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as the authority describes it.

    Attributes:
        finalize, certificate: The addresses of the signing request and of the chain, "" for none.
        authorization: The proof that the order needs, None if nobody needs to look at it any more.
        error: The authority's words about a failure, "" for none.
    """

    status: OrderStatus
    finalize: str = ""
    certificate: str = ""
    authorization: messages.AuthorizationResource | None = None
    error: str = ""


class Authority:
    """One run's access to the authority. It asks for the directory and the account at the first use.

    Args:
        directory: The address of the authority's directory (RFC 8555, 7.1.1).
        key: Returns the account's key.
        session, policy, clock: See BoundedNetwork.

    Attributes:
        host: The host of the directory, with a port that is not the usual one.

    Raises:
        RunbookError: VD-TLS-020 if the authority refuses a request, VD-TLS-021 if its answer cannot be understood.
        requests.RequestException: The authority does not answer.
    """

    def __init__(
        self,
        *,
        directory: str,
        key: Callable[[], AccountKey],
        session: requests.Session,
        policy: PolicySource,
        clock: Clock,
    ) -> None:
        self._address, self.host = directory, urlsplit(directory).netloc
        self._key = key
        self._session, self._policy, self._clock = session, policy, clock

    @cached_property
    def account_key(self) -> AccountKey:
        """The account's key."""
        return self._key()

    @cached_property
    def _network(self) -> BoundedNetwork:
        return BoundedNetwork(
            directory=self._address, key=self.account_key, session=self._session, policy=self._policy, clock=self._clock
        )

    @cached_property
    def _directory(self) -> messages.Directory:
        with self._told():
            return client.ClientV2.get_directory(self._address, self._network)

    @cached_property
    def account(self) -> str:
        """The account's address. The authority makes the account if it has none for this key."""
        network, directory = self._network, self._directory
        with self._told():
            body = messages.NewRegistration.from_data(terms_of_service_agreed=True)
            answer = network.post(directory["newAccount"], body, new_nonce_url=directory["newNonce"])
            address = _location(answer)
            network.account = messages.RegistrationResource(uri=address, body=messages.Registration())
            return address

    @property
    def identities(self) -> tuple[str, ...]:
        """The names that CAA records use for this authority, none if it does not say its names."""
        with self._told():
            return tuple(str(each).lower() for each in self._directory.meta.caa_identities or ())

    def order(self, host: str, *, replaces: str) -> str:
        """Open an order, and return its address.

        Args:
            host: The only name of the certificate.
            replaces: The ARI id of the certificate that the new one replaces, "" for none.

        Raises:
            TooManyOrdersError: The authority takes no order yet.
            RunbookError: VD-TLS-027 if the authority does not accept `replaces`.
        """
        identifier = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=host)
        body = ReplacingOrder(identifiers=[identifier], **({"replaces": replaces} if replaces else {}))
        with self._told(refusing_replaces=replaces):
            return _location(self._post(self._directory["newOrder"], body))

    def look(self, order: str) -> OrderView:
        """Return the state of an order. order: its address."""
        with self._told():
            try:
                found = messages.Order.from_json(self._post(order, None).json())
            except messages.Error as error:
                if error.code in _GONE:
                    return OrderView(status="gone", error=_words(error))
                raise
            except OtherServerError as error:
                if str(error) != order:
                    raise
                # The publisher has another authority since the order was sent. Only the former one knows the order.
                return OrderView(status="gone", error="the order is at another authority")
            told = str(found.status.name)
            why = "" if found.error is None else _words(found.error)
            seen = OrderView(
                status="invalid", finalize=found.finalize or "", certificate=found.certificate or "", error=why
            )
            if told not in ("pending", "invalid"):
                return _with(seen, told)
            (address,) = found.authorizations
            body = messages.Authorization.from_json(self._post(address, None).json())
            authorization = messages.AuthorizationResource(body=body, uri=address)
            if told == "invalid" or body.status not in (messages.STATUS_PENDING, messages.STATUS_VALID):
                failed = [_words(each.error) for each in body.challenges if each.error is not None]
                return _with(seen, "invalid", authorization, "; ".join(failed) or why)
            under_way = any(each.status == messages.STATUS_PROCESSING for each in body.challenges)
            waits = body.status == messages.STATUS_PENDING and not under_way
            return _with(seen, "pending" if waits else "answered", authorization)

    def answer(self, seen: OrderView, kind: type[challenges.KeyAuthorizationChallenge]) -> None:
        """Ask the authority to look for the proof of a pending order."""
        with self._told():
            challenge = _challenge(seen, kind)
            self._post(challenge.uri, challenge.response(self.account_key.public))

    def proof(self, seen: OrderView, kind: type[challenges.KeyAuthorizationChallenge]) -> str:
        """Return the text that proves a pending order by this kind of challenge."""
        with self._told():
            return str(_challenge(seen, kind).validation(self.account_key.public))

    def finalize(self, seen: OrderView, signing_request: bytes) -> None:
        """Send the signing request (DER) of an order that is ready."""
        with self._told():
            request = x509.load_der_x509_csr(signing_request)
            self._post(seen.finalize, messages.CertificateRequest(csr=request))

    def chain(self, seen: OrderView) -> str:
        """Return the certificates of a valid order as runbook_lib.tls_certificate.chain reads them, the leaf first."""
        with self._told():
            found = x509.load_pem_x509_certificates(self._post(seen.certificate, None).content)
            return text_of([each.public_bytes(Encoding.DER) for each in found])

    def window(self, certificate_id: str) -> tuple[Window | None, float | None]:
        """Return when the authority suggests the renewal of a certificate, and after how many seconds to ask again.

        Each is None if the authority does not say it. Nothing depends on the answer (RFC 9773, 4.3): without it, the
        certificate's lifetime alone decides.
        """
        try:
            with self._told():
                address = f"{self._directory['renewalInfo']}/{certificate_id}"
                found = messages.RenewalInfo.from_json(self._network.get(address).json()).suggested_window
                again = retry_after_seconds(self._network.answer_headers, self._clock.now())
                return Window(_aware(found.start), _aware(found.end)), again
        except (RunbookError, requests.RequestException):
            return None, None

    def _post(self, address: str, body: JSONDeSerializable | None) -> requests.Response:
        _ = self.account  # each signed request names it
        return self._network.post(address, body, new_nonce_url=self._directory["newNonce"])

    @contextmanager
    def _told(self, *, refusing_replaces: str = "") -> Iterator[None]:
        """Turn the client's errors into the suite's errors. All text that they quote is filtered."""
        try:
            yield
        except messages.Error as error:
            if error.code == "rateLimited":
                wait = retry_after_seconds(self._network.answer_headers, self._clock.now())
                until = self._clock.now() + (UNSAID_WAIT if wait is None else timedelta(seconds=min(wait, 7 * 86_400)))
                raise TooManyOrdersError(_words(error), target=self.host, until=until) from None
            refused = tls.AUTHORITY_REFUSES
            if refusing_replaces and error.code in ("malformed", "unauthorized", None):
                refused = tls.REPLACES_REFUSED
            raise refused.error(_words(error), target=self.host) from None
        except errors.ConflictError as error:
            # The client raises this error for each 409. For a new order, 409 means alreadyReplaced (RFC 9773, 5).
            conflict = "replaces" if refusing_replaces else ""
            entry = tls.REPLACES_REFUSED if conflict else tls.AUTHORITY_REFUSES
            raise entry.error("409 Conflict", target=self.host) from error
        except (errors.Error, josepy_errors.Error, *_UNREADABLE) as error:
            what = one_line(f"{type(error).__name__}: {error}", MAX_WORDS)
            raise tls.AUTHORITY_UNREADABLE.error(what, target=self.host) from None


def _with(
    seen: OrderView, status: Any, authorization: messages.AuthorizationResource | None = None, error: str = ""
) -> OrderView:
    if status not in ("pending", "answered", "ready", "processing", "valid", "invalid"):
        raise ValueError(f"an order is {status}")
    return OrderView(
        status=status,
        finalize=seen.finalize,
        certificate=seen.certificate,
        authorization=authorization,
        error=error or seen.error,
    )


def _challenge(seen: OrderView, kind: type[challenges.KeyAuthorizationChallenge]) -> messages.ChallengeBody:
    offered = [] if seen.authorization is None else seen.authorization.body.challenges
    found = next((each for each in offered if isinstance(each.chall, kind)), None)
    if found is None:
        raise ValueError(f"the order offers no {kind.typ}")
    return found


def _location(answer: requests.Response) -> str:
    found = answer.headers.get("Location", "")
    if not found:
        raise ValueError("no Location")
    return str(found)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment


def _words(error: messages.Error) -> str:
    """Return an authority's words, and before them the name of the error."""
    return one_line(f"{str(error.typ).rpartition(':')[2]}: {error.detail or ''}", MAX_WORDS)


def certificate_id(certificate: x509.Certificate) -> str:
    """Return the ARI id (RFC 9773, 4.1): the authority's key id and the serial number. Raises ValueError."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound as error:
        raise ValueError("the certificate does not name its authority's key") from error
    serial = certificate.serial_number
    parts = (found or b"", serial.to_bytes(serial.bit_length() // 8 + 1, "big"))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
