"""Read the fields Signature-Input and Signature (RFC 9421, 4) as strictly as their one use allows.

They are structured fields (RFC 8941) with exactly one member. This reads only the forms that the suite uses: covered
components without parameters, and parameters that are texts and whole numbers. It refuses all others. Pure.
"""

import base64
import binascii
import re

from runbook_lib.request_signing.message import KEY, SignatureParameters, byte_sequence

# Far more than the suite's own fields need.
MAX_FIELD_CHARACTERS = 1024

# No two parts of a pattern can match the same text, so the time to read a field is proportional to its length.
_STRING = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_INTEGER = r"-?[0-9]{1,15}"
_INPUT = re.compile(rf" *({KEY})=\( *(?:({_STRING}(?: +{_STRING})*) *)?\)((?:; *{KEY}=(?:{_STRING}|{_INTEGER}))*) *")
_STRINGS = re.compile(_STRING)
_PARAMETERS = re.compile(rf"; *({KEY})=({_STRING}|{_INTEGER})")
_SIGNATURE = re.compile(rf" *({KEY})=(:[A-Za-z0-9+/]*={{0,2}}:) *")
_ESCAPED = re.compile(r"\\(.)")


class NotSignatureFieldError(ValueError):
    """The field is malformed. The sender is not told why."""


def parse_signature_input(text: str) -> tuple[str, SignatureParameters]:
    """Return the label and the parameters of the one signature in a field Signature-Input.

    Raises NotSignatureFieldError, also for a parameter that comes twice.
    """
    found = _INPUT.fullmatch(text) if len(text) <= MAX_FIELD_CHARACTERS else None
    if found is None:
        raise NotSignatureFieldError
    label, components, parameters = found.groups()
    pairs = _PARAMETERS.findall(parameters)
    values = {name: _text(value) if value.startswith('"') else int(value) for name, value in pairs}
    if len(values) != len(pairs):
        raise NotSignatureFieldError
    return label, SignatureParameters(tuple([_text(each) for each in _STRINGS.findall(components or "")]), values)


def parse_signature(text: str) -> tuple[str, bytes]:
    """Return the label and the bytes of the one signature in a field Signature. Raises NotSignatureFieldError."""
    found = _SIGNATURE.fullmatch(text) if len(text) <= MAX_FIELD_CHARACTERS else None
    if found is None:
        raise NotSignatureFieldError
    label, encoded = found.groups()
    try:
        content = base64.b64decode(encoded[1:-1], validate=True)
    except binascii.Error:
        raise NotSignatureFieldError from None
    if byte_sequence(content) != encoded:
        raise NotSignatureFieldError
    return label, content


def _text(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted[1:-1]) if "\\" in quoted else quoted[1:-1]
