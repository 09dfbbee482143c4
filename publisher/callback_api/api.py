"""The callback API: a WSGI application that keeps reports whose signature the gate has verified.

POST /v1/instances/{instance id}/ping | health | deployment
    Idempotency-Key: the report's id, a UUID
    200 {"accepted": true, "key_id": "hmac-..."}    the report is kept, or was kept before
    400, 404, 405, 415, 422                         the report is refused; `error` says what is wrong with it
    503                                             try again later
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from publisher.callback_api.gate import UNAVAILABLE, Answer, Log
from publisher.callback_api.keys import PATH
from publisher.callback_api.reports import InstanceReport, InstanceReports
from publisher.callback_api.wsgi_asgi import KEY_ID, wsgi_answer
from runbook_lib.basics.forms import UUID, fits
from runbook_lib.callbacks.payloads import KINDS, PayloadRefusedError, parse
from runbook_lib.request_signing.verifier import UnavailableError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _NotAcceptedError(Exception):
    """A request holds no report that can be kept. `answer` says why."""

    def __init__(self, status: int, error: str, *headers: tuple[str, str]) -> None:
        super().__init__(error)
        self.answer = Answer(status, {"accepted": False, "error": error}, headers)


class CallbackApi:
    """The application. Many threads may use it. publisher.callback_api.wsgi_asgi.WsgiCallbackAuth must wrap it.

    `reports` keeps the reports. `base_path` is the path of the API's address, without a slash at its end. `log` gets an
    event for each request.
    """

    def __init__(self, *, reports: InstanceReports, base_path: str, log: Log) -> None:
        self._reports = reports
        self._base_path = base_path
        self._log = log

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        key_id = environ[KEY_ID]
        event = {"path": path, "key_id": key_id}
        try:
            report = self._report(environ, path, key_id)
            outcome = self._reports.keep(report)
        except _NotAcceptedError as error:
            self._log({"event": "not accepted", "status": error.answer.status, **event})
            return wsgi_answer(error.answer, start_response)
        except UnavailableError as error:
            self._log({"event": "unavailable", "what": str(error), **event})
            return wsgi_answer(UNAVAILABLE, start_response)
        self._log({"event": "report", "report_id": report.report_id, "outcome": outcome, **event})
        if outcome == "other":
            return wsgi_answer(
                _NotAcceptedError(422, "this Idempotency-Key is another report's").answer, start_response
            )
        return wsgi_answer(Answer(200, {"accepted": True, "key_id": key_id}), start_response)

    def _report(self, environ: "WSGIEnvironment", path: str, key_id: str) -> InstanceReport:
        """Return the report of a request. Raises _NotAcceptedError."""
        found = PATH.fullmatch(path.removeprefix(self._base_path))
        if found is None or found.group(2) not in KINDS:
            raise _NotAcceptedError(404, "there is no such report")
        instance_id, kind = found.groups()
        if environ["REQUEST_METHOD"] != "POST":
            raise _NotAcceptedError(405, "reports are sent with POST", ("Allow", "POST"))
        if environ.get("CONTENT_TYPE") != "application/json":
            raise _NotAcceptedError(415, "a report's Content-Type is application/json")
        report_id = environ.get("HTTP_IDEMPOTENCY_KEY", "")
        if not fits(UUID, report_id):
            raise _NotAcceptedError(400, f"Idempotency-Key takes {UUID[1]}")
        content = environ["wsgi.input"].read()
        try:
            payload = parse(kind, content)
        except PayloadRefusedError as error:
            raise _NotAcceptedError(422, str(error)) from None
        if payload.instance_id != instance_id:
            raise _NotAcceptedError(422, "the report is another instance's")
        return InstanceReport(instance_id=instance_id, report_id=report_id, kind=kind, key_id=key_id, content=content)
