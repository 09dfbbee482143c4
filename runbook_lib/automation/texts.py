"""The texts of the account's runbooks and of its jobs, byte for byte. A text that the account does not have is None."""

from typing import Any, cast

from runbook_lib.automation.access import AccountAccess, if_there


def published_text(account: AccountAccess, name: str) -> bytes | None:
    """Return a runbook's published text, byte for byte."""
    return cast("bytes | None", if_there(lambda: account.client.runbook.get_content(*account.at, name, cls=_bytes)))


def draft_text(account: AccountAccess, name: str) -> bytes | None:
    """Return a draft's text, byte for byte."""
    return cast(
        "bytes | None", if_there(lambda: account.client.runbook_draft.get_content(*account.at, name, cls=_bytes))
    )


def job_text(account: AccountAccess, job_id: str) -> bytes | None:
    """Return the text that a job ran, byte for byte."""
    return cast(
        "bytes | None", if_there(lambda: account.client.job.get_runbook_content(*account.at, job_id, cls=_bytes))
    )


def _bytes(response: Any, _text: object, _headers: object) -> bytes:
    """Return the bytes for a digest. The client would guess the character set if the answer does not name one."""
    content: bytes = response.http_response.content
    return content
