"""Read a certificate's subject, as people copy it from their tools, into types and values. Pure.

This reads the forms of RFC 4514 and earlier RFCs (Java writes RFC 1779), openssl (`C = NL, O = "a, b"`, `/C=NL/O=a`),
Windows and the Azure portal (`S=`, `E=`, `OID.2.5.4.97=`, doubled quotes). The refusal of an unknown word names it.
"""

import re
from typing import TypeAlias

from runbook_lib.trust.descriptor import shown

# A type (a dotted OID) and a value.
Attribute: TypeAlias = tuple[str, str]

# Types by an arc of OIDs and their last number, with their names in RFC 4519, openssl, Windows and Java. Key Vault and
# Windows write S for ST, and notation reads it so, too.
_TYPES = {
    "2.5.4": "3 cn commonname,4 sn surname,5 serialnumber,6 c countryname,7 l localityname,"
    "8 st s sp stateorprovincename,9 street streetaddress,10 o organizationname,11 ou organizationalunitname,"
    "12 title t,13 description,15 businesscategory,16 postaladdress,17 postalcode,20 telephonenumber,"
    "41 name,42 gn g givenname,43 initials i,44 generationqualifier generation,46 dnqualifier dnq,65 pseudonym,"
    "97 organizationidentifier",
    "0.9.2342.19200300.100.1": "1 uid userid,3 mail rfc822mailbox,25 dc domaincomponent",
    "1.2.840.113549.1.9": "1 emailaddress e email,2 unstructuredname",
    "1.3.6.1.4.1.311.60.2.1": "1 jurisdictionl jurisdictionlocalityname,2 jurisdictionst "
    "jurisdictionstateorprovincename,3 jurisdictionc jurisdictioncountryname",
}
_OIDS = {
    name: f"{arc}.{number}"
    for arc, types in _TYPES.items()
    for number, *names in map(str.split, types.split(","))
    for name in names
}
# The types of text that a name may have (X.520), by tag.
_TEXTS = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}

_HEADLINE = re.compile(r" *subject *=(?= */|[^=]*=) *", re.IGNORECASE)
_OID = re.compile(r"(?:oid\.)?([0-2](?:\.(?:0|[1-9][0-9]*))+)", re.IGNORECASE)
_SLASHED = re.compile(r"([/+])([A-Za-z0-9.-]+)=")
_HEX = re.compile(r"#((?:[0-9A-Fa-f]{2})+) *")
_HEX_PAIR = re.compile(r"[0-9A-Fa-f]{2}")
_SEPARATORS = ",;+"
_SPECIAL = ' #="+,;<>\\/'


class NotANameError(ValueError):
    """The text is not a subject. The message names the word that cannot be read."""


def read_name(text: str) -> list[list[Attribute]]:
    """Return the relative distinguished names of a subject, each with its attributes, in the text's order.

    Raises NotANameError.
    """
    headline = _HEADLINE.match(text)
    body = text[headline.end() :] if headline else text
    try:
        return _slashed(body) if body.lstrip(" ").startswith("/") else _separated(body)
    except UnicodeError as error:
        raise NotANameError("its bytes are no UTF-8") from error


def _separated(text: str) -> list[list[Attribute]]:
    names: list[list[Attribute]] = []
    position, separator = 0, ","
    while True:
        oid, position = _type(text, position)
        value, position = _value(text, position)
        _add(names, (oid, value), joined=separator == "+")
        if position == len(text):
            return names
        separator = text[position]
        position += 1


def _slashed(text: str) -> list[list[Attribute]]:
    """Read openssl's older form: a slash before each type. A slash in a value is not escaped. Bytes are \\xC3."""
    names: list[list[Attribute]] = []
    found = list(_SLASHED.finditer(text))
    if not found or text[: found[0].start()].strip():
        raise NotANameError(f"{shown(text)} does not begin with a type")
    ends = [*(each.start() for each in found[1:]), len(text)]
    for each, end in zip(found, ends, strict=True):
        raw = re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text[each.end() : end].encode())
        _add(names, (_oid(each[2]), raw.decode()), joined=each[1] == "+")
    return names


def _add(names: list[list[Attribute]], attribute: Attribute, *, joined: bool) -> None:
    if not attribute[1]:
        raise NotANameError(f"the value of {attribute[0]} is empty")
    if not joined:
        names.append([attribute])
    elif names and attribute not in names[-1]:
        names[-1].append(attribute)
    else:
        raise NotANameError(f"{attribute[0]} stands twice in one part of the name")


def _type(text: str, position: int) -> tuple[str, int]:
    end = text.find("=", position)
    word = text[position : end if end >= 0 else len(text)]
    if end < 0 or any(sign in word for sign in _SEPARATORS):
        # In most cases this is the rest of a value with a separator in it.
        word = re.split(f"[{_SEPARATORS}]", word)[0].strip()
        raise NotANameError(f"{shown(word)} is no TYPE=VALUE; within a value a separator is written \\, \\; or \\+")
    return _oid(word.strip(" ")), end + 1


def _oid(word: str) -> str:
    dotted = _OID.fullmatch(word)
    oid = dotted[1] if dotted else _OIDS.get(word.lower())
    if oid is None:
        raise NotANameError(f"{shown(word)} is no type of attribute that is known here: write its OID in its place")
    return oid


def _value(text: str, position: int) -> tuple[str, int]:
    """Return a value and where it ends: at a separator, or the text's end."""
    while position < len(text) and text[position] == " ":
        position += 1
    if text[position : position + 1] == "#":
        return _encoded(text, position)
    quoted = text[position : position + 1] == '"'
    found = bytearray()
    kept, position = 0, position + quoted
    while position < len(text):
        sign = text[position]
        if quoted and sign == '"':
            if text[position + 1 : position + 2] != '"':
                return found.decode(), _after_quote(text, position + 1)
            position += 1  # Windows doubles a quote within quotes
        elif sign in _SEPARATORS and not quoted:
            break
        if sign == "\\":
            byte, position = _escaped(text, position + 1)
            found += byte
            kept = len(found)
            continue
        found += sign.encode()
        position += 1
        kept = len(found) if sign != " " or quoted else kept
    if quoted:
        raise NotANameError("a quote is not closed")
    return found[:kept].decode(), position


def _after_quote(text: str, position: int) -> int:
    rest = text[position:]
    end = position + len(rest) - len(rest.lstrip(" "))
    if end < len(text) and text[end] not in _SEPARATORS:
        raise NotANameError(f"{shown(text[end:])} follows a quoted value")
    return end


def _escaped(text: str, position: int) -> tuple[bytes, int]:
    """Read a backslash before a special character, or before two digits of a byte (RFC 4514, 2.4)."""
    if pair := _HEX_PAIR.match(text, position):
        return bytes.fromhex(pair[0]), pair.end()
    sign = text[position : position + 1]
    if not sign or sign not in _SPECIAL:
        raise NotANameError(f"{shown(chr(92) + sign)} is no escape")
    return sign.encode(), position + 1


def _encoded(text: str, position: int) -> tuple[str, int]:
    """Read a value's BER in hex (RFC 4514, 2.4). It must be a text."""
    found = _HEX.match(text, position)
    if found is None or (found.end() < len(text) and text[found.end()] not in _SEPARATORS):
        raise NotANameError(f"{shown(text[position:])} is no value in hex")
    content = bytes.fromhex(found[1])
    size, begin = (content[1], 2) if len(content) > 1 else (0, 2)
    if size == 0x81 and len(content) > 2:
        size, begin = content[2], 3
    elif size == 0x82 and len(content) > 3:
        size, begin = int.from_bytes(content[2:4], "big"), 4
    if content[0] not in _TEXTS or len(content) != begin + size:
        raise NotANameError(f"{shown(found[0].strip())} is no text in BER")
    return content[begin:].decode(_TEXTS[content[0]]), found.end()
