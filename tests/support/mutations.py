"""Signed envelopes, and bytes that are changed at random."""

import json
import random

from tests.support.notary_fixtures import Case

# The bytes that mean something in DER: lengths, tags, and the bytes at their limits.
TELLING = bytes.fromhex("00010203040506 0c1317183031 7f808182848aa0a3feff".replace(" ", ""))


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Return the content with one random change: a bit, a byte, a cut, an insertion, a copied piece, a missing end."""
    changed, at = bytearray(content), dice.randrange(len(content))
    kind = dice.randrange(7)
    if kind == 0:
        changed[at] ^= 1 << dice.randrange(8)
    elif kind == 1:
        changed[at] = dice.randrange(256)
    elif kind == 2:
        changed[at] = dice.choice(TELLING)
    elif kind == 3:
        del changed[at : at + dice.choice((1, 2, 8))]
    elif kind == 4:
        changed[at:at] = dice.randbytes(dice.choice((1, 2, 4)))
    elif kind == 5:
        other = dice.randrange(len(content))
        changed[at : at + 4] = changed[other : other + 4]
    else:
        del changed[at:]
    return bytes(changed)


def envelope_of(case: Case) -> bytes:
    """Return the envelope without its signing agent, which is not signed, and which nobody reads."""
    (envelope,) = case.envelopes.values()
    document = json.loads(envelope)
    document["header"] = {"x5c": document["header"]["x5c"]}
    return json.dumps(document, separators=(",", ":")).encode()
