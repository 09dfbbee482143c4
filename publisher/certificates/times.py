"""Decide when a certificate is renewed, when a failed order is tried again, and how long a claim lasts. Pure.

- The certificate authority suggests a window (ARI, RFC 9773, 4.2). The renewal begins at one moment in it. The moment
  depends on the certificate's id, so the renewals of many certificates spread over the window, and each look gives the
  same moment.
- A renewal begins at the latest when a third of the certificate's lifetime is left, whatever the window says.
- A failed order is tried again after 1, 10 and 100 minutes, and then daily.

Sources: RFC 9773; docs/azure-facts.md#certificate-authority.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.network.retry import TOTAL_SECONDS

# A renewal begins at the latest when one part in this number of the lifetime is left.
BACKSTOP_PART = 3
RETRY_MINUTES = (1, 10, 100)
RETRY_LATER = timedelta(days=1)
# A client should ask for the window again after the time that the authority says (RFC 9773, 4.3). The authority may say
# anything, so the time has limits. Without an answer the time is six hours, as the RFC recommends.
ASK_AGAIN = timedelta(hours=6)
MIN_ASK_AGAIN, MAX_ASK_AGAIN = timedelta(minutes=10), timedelta(hours=12)
# How long the claim of a run keeps the other runs from sending the order.
CLAIM_TIME = timedelta(seconds=5 * TOTAL_SECONDS)
# How old the claim of a run may be when the run sends the order. In the rest of CLAIM_TIME it makes four requests: one
# for a nonce, one for the order, and a read and a write that record the order's address. Each takes at most
# TOTAL_SECONDS with all its retries.
SEND_TIME = CLAIM_TIME - timedelta(seconds=4 * TOTAL_SECONDS)
# A request to renew at once that comes so soon after an installation repeats the request that led to it: the former run
# was killed or failed after the installation. A second certificate would be of no use.
REPEATED_TIME = timedelta(hours=1)
# How often a run looks whether another one has sent the order.
CLAIM_LOOK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Life:
    """The times between which a certificate is valid. Both are aware."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """The times between which the authority suggests the renewal. Both are aware."""

    start: datetime
    end: datetime


def within(window: Window, life: Life) -> Window | None:
    """Return the part of a window that lies in a certificate's life, so that its times can be recorded and compared.

    None if it does not end after its start: such an answer counts as none (RFC 9773, 4.2). A window before the life
    becomes its begin, and one after it becomes its end: the renewal is due at the same moment as before.
    """
    if window.end <= window.start:
        return None
    return Window(*(min(max(each, life.begin), life.end) for each in (window.start, window.end)))


def renewal_time(life: Life, window: Window | None, certificate_id: str) -> datetime:
    """Return when the renewal of a certificate begins. window: None if the authority suggests none."""
    latest = life.end - (life.end - life.begin) / BACKSTOP_PART
    if window is None:
        return latest
    width = window.end - window.start
    part = int.from_bytes(hashlib.sha256(certificate_id.encode()).digest()[:4], "big") / 2**32
    return min(window.start + width * part, latest)


def retry_time(failures: int, failed_at: datetime) -> datetime:
    """Return when to try again.

    Args:
        failures: The number of failures in a row, at least one.
        failed_at: The time of the last failure (aware).
    """
    tried = failures - 1
    return failed_at + (timedelta(minutes=RETRY_MINUTES[tried]) if tried < len(RETRY_MINUTES) else RETRY_LATER)


def ask_time(now: datetime, retry_after_seconds: float | None) -> datetime:
    """Return when to ask for the window again. retry_after_seconds: what the authority says, None for nothing."""
    if retry_after_seconds is None:
        return now + ASK_AGAIN
    limits = MIN_ASK_AGAIN.total_seconds(), MAX_ASK_AGAIN.total_seconds()
    return now + timedelta(seconds=min(max(retry_after_seconds, limits[0]), limits[1]))
