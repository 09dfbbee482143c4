"""Who may use the storage account: bearer tokens, user delegation SAS, and the refusals of everything else.

The account is as the deployment creates it: shared key access off, anonymous access off, TLS only. lab/storage/front.py
checks the caller's roles.

Sources: learn rest/api/storageservices authorize-with-azure-active-directory (the bearer challenge from 2019-12-12 on),
common-rest-api-error-codes, versioning-for-the-azure-storage-services; prevent-shared-key-authorization (a service or
account SAS is signed with the key, so it goes too); messages as recorded by the SDKs' live tests and as users quote
them (MicrosoftDocs/azure-docs#95050).
"""

from collections.abc import Mapping
from datetime import datetime, timezone

from aiohttp import web

from lab.front import answers
from lab.monitor.tables import formatted_time, parsed_time
from lab.shared import Lab
from lab.tokens import TokenRefused

STORAGE_AUDIENCES = ("https://storage.azure.com",)

# The service's versions, up to the newest one of Azurite 3.37 and azure-storage-blob 12.31.
_VERSIONS = """
2009-04-14 2009-07-17 2009-09-19 2011-08-18 2012-02-12 2013-08-15 2014-02-14 2015-02-21 2015-04-05 2015-07-08
2015-12-11 2016-05-31 2017-04-17 2017-07-29 2017-11-09 2018-03-28 2018-11-09 2019-02-02 2019-07-07 2019-10-10
2019-12-12 2020-02-10 2020-04-08 2020-06-12 2020-08-04 2020-10-02 2020-12-06 2021-02-12 2021-04-10 2021-06-08
2021-08-06 2021-10-04 2021-12-02 2022-11-02 2023-01-03 2023-05-03 2023-08-03 2023-11-03 2024-02-04 2024-05-04
2024-08-04 2024-11-04 2025-01-05 2025-05-05 2025-07-05 2025-11-05 2026-02-06 2026-04-06 2026-06-06
2026-10-06
"""
VERSIONS = frozenset(_VERSIONS.split())
FIRST_WITH_BEARER = "2017-11-09"
# From this version on, a refused request gets 401 and a challenge; before, it gets 403.
FIRST_WITH_CHALLENGE = {"blob": "2019-12-12", "table": "2020-12-06"}

NOT_FORMED = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
    "including the signature."
)
SEE_CHALLENGE = (
    "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."
)


def refuse(
    service: str,
    status: int,
    code: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    details: Mapping[str, str] | None = None,
) -> web.Response:
    """Return an error in the service's shape. The table service's shape has no `details`."""
    if service == "table":
        return answers.table_error(status, code, message, headers)
    return answers.storage_error(status, code, message, headers, details)


def caller(lab: Lab, service: str, request: web.Request) -> dict[str, str] | web.Response:
    """Return the token's claims, {} for a SAS (the real server checks it), or the refusal."""
    version = request.headers.get("x-ms-version", "")
    if version and version not in VERSIONS:
        message = "The value for one of the HTTP headers is not in the correct format."
        details = {"HeaderName": "x-ms-version", "HeaderValue": version}
        return refuse(service, 400, "InvalidHeaderValue", message, details=details)
    authorization = request.headers.get("Authorization", "")
    if not authorization:
        return _without_header(lab, service, request, version)
    return _with_header(lab, service, authorization, version)


def _with_header(lab: Lab, service: str, authorization: str, version: str) -> dict[str, str] | web.Response:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() in ("sharedkey", "sharedkeylite"):
        return _key_refused(service)
    if scheme.lower() != "bearer" or not token:
        message = "Authentication information is not given in the correct format."
        message = f"{message} Check the value of Authorization header."
        return refuse(service, 400, "InvalidAuthenticationInfo", message)
    if version < FIRST_WITH_BEARER:
        details = _why("Authentication scheme Bearer is not supported in this version.")
        return refuse(service, 403, "AuthenticationFailed", NOT_FORMED, details=details)
    try:
        return lab.tokens.verify(token.strip(), STORAGE_AUDIENCES)
    except TokenRefused as refused:
        return _token_refused(lab, service, version, refused.reason)


def _without_header(lab: Lab, service: str, request: web.Request, version: str) -> dict[str, str] | web.Response:
    if "sig" in request.query:
        return _signature(lab, service, request)
    if version >= FIRST_WITH_CHALLENGE[service]:
        return refuse(service, 401, "NoAuthenticationInformation", SEE_CHALLENGE, headers=_challenge(lab))
    if service == "table":
        return refuse(service, 403, "AuthenticationFailed", NOT_FORMED)
    message = "Public access is not permitted on this storage account."
    return refuse(service, 409, "PublicAccessNotPermitted", message)


def _signature(lab: Lab, service: str, request: web.Request) -> dict[str, str] | web.Response:
    """Accept a user delegation SAS unless it has expired by the lab's clock. The server knows only its own clock."""
    if "skoid" not in request.query:
        return _key_refused(service)
    expiry = parsed_time(request.query.get("se", ""))
    now = datetime.fromtimestamp(lab.clock.now(), timezone.utc)
    if expiry is not None and expiry <= now:
        detail = f"Signature not valid in the specified time frame: Expiry [{formatted_time(expiry)}]"
        message = f"{detail} - Current [{formatted_time(now)}]"
        return refuse(service, 403, "AuthenticationFailed", NOT_FORMED, details=_why(message))
    return {}


def _key_refused(service: str) -> web.Response:
    message = "Key based authentication is not permitted on this storage account."
    return refuse(service, 403, "KeyBasedAuthenticationNotPermitted", message)


def _token_refused(lab: Lab, service: str, version: str, reason: str) -> web.Response:
    texts = {
        "expired": "Lifetime validation failed. The token is expired.",
        "not valid yet": "Lifetime validation failed.",
        "audience": "Audience validation failed. Audience did not match.",
    }
    why = _why(next((text for word, text in texts.items() if word in reason), "Signature validation failed."))
    if version < FIRST_WITH_CHALLENGE[service]:
        return refuse(service, 403, "AuthenticationFailed", NOT_FORMED, details=why)
    headers = _challenge(lab)
    return refuse(service, 401, "InvalidAuthenticationInfo", SEE_CHALLENGE, headers=headers, details=why)


def _why(text: str) -> dict[str, str]:
    return {"AuthenticationErrorDetail": text}


def _challenge(lab: Lab) -> dict[str, str]:
    uri = f"{lab.urls['entra']}/{lab.names.tenant_id}/oauth2/authorize"
    return {"WWW-Authenticate": f"Bearer authorization_uri={uri} resource_id={STORAGE_AUDIENCES[0]}"}
