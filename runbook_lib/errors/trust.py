"""Failures of trust: signatures that are refused, and the settings that say whom to trust."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

# The area of the codes, for code that treats all its failures alike.
AREA = "VD-TRUST"

_SIGN_AGAIN = "Do not install the release. Tell the publisher, who has to sign it again. The customer cannot repair it."
NO_SIGNATURE = entry(
    "VD-TRUST-001",
    "no signature is attached to the release",
    "The container registry says that the release has no signature. An import of a release does not bring its"
    " signatures.",
    "Do not install it. If it is missing at the publisher's container registry, the publisher signs it (`vibedata"
    " push`). If it is missing at the customer's, run import_manifest again: it brings the signature.",
)
SIGNATURE_MALFORMED = entry(
    "VD-TRUST-002",
    "a signature is malformed",
    "It does not have the form that the Notary Project's specification gives it, or two programs could read it in two"
    " ways. A correct signer makes no such signature.",
    _SIGN_AGAIN,
)
SIGNATURE_FORMAT_UNKNOWN = entry(
    "VD-TRUST-003",
    "a signature has a format that the runbooks do not read",
    "The Notary Project has two formats, JWS and COSE. The runbooks read JWS alone.",
    "The publisher signs the release with JWS (`vibedata push`, or `notation sign --signature-format jws`).",
)
SIGNATURE_DEMANDS_TOO_MUCH = entry(
    "VD-TRUST-004",
    "a signature demands a feature that is not supported",
    "It marks as critical an attribute that this version does not know, asks for a plugin, uses another signing"
    " scheme, or claims an algorithm that its key does not have.",
    "If the publisher says that it is theirs, use a newer version of the runbooks. Otherwise do not install it.",
)
SIGNATURE_ALTERED = entry(
    "VD-TRUST-005",
    "a signature, or the signed content, was altered",
    "The key of its certificate did not make this signature, or the received bytes do not have the expected digest.",
    "Do not install the release: this may be an attack. Keep the content of the container registry, and tell the"
    " publisher.",
)
CERTIFICATES_UNFIT = entry(
    "VD-TRUST-006",
    "the certificates of a signature cannot be used",
    "The chain is incomplete, out of order or unreadable, or a certificate may not sign code.",
    _SIGN_AGAIN,
)
CERTIFICATE_NOT_VALID_NOW = entry(
    "VD-TRUST-007",
    "a certificate of a signature is not valid now",
    "Each certificate of the chain must be valid at this moment. By the clock of this machine, one has expired or is"
    " not valid yet.",
    "Check this machine's clock. If it is right, the publisher signs the release with a new certificate.",
)
ROOT_NOT_TRUSTED = entry(
    "VD-TRUST-008",
    "a signature leads to no trusted root",
    "The setting `trust_roots` pins none of its certificates.",
    "Ask the publisher, by another way than this container registry, whether there is a new root. Pin it beside the"
    ' old one only if they say so (docs/trust.md, "Changing the root"). Otherwise do not install the release.',
)
SIGNER_NOT_TRUSTED = entry(
    "VD-TRUST-009",
    "somebody else made a signature",
    "Its root is trusted, but its certificate has another subject than the setting `trusted_identity`.",
    "Ask the publisher whether their certificate has a new name; change the setting only if they say so.",
)
SIGNATURE_EXPIRED = entry(
    "VD-TRUST-010",
    "a signature has expired",
    "Its signer gave it a last day, and that day is over by the clock of this machine.",
    "Check this machine's clock. If it is right, install a newer release, or ask the publisher to sign this one again.",
)
SIGNATURE_OF_SOMETHING_ELSE = entry(
    "VD-TRUST-011",
    "a signature is for something else",
    "It is a good signature of another artifact, and somebody attached it to this one.",
    "Do not install the release: somebody did this on purpose. Tell the publisher.",
)
TRUSTED_IDENTITY_UNREADABLE = entry(
    "VD-TRUST-012",
    "the trusted identity cannot be read",
    "The setting `trusted_identity` is not the subject of a certificate as RFC 4514, openssl, Java or Windows write"
    " it.",
    "Set it to the subject that the publisher gives you, such as `CN=Vibedata Release Signing,O=Vibedata`. Write an"
    " attribute type that has no name as its OID.",
)
NO_GOOD_SIGNATURE = entry(
    "VD-TRUST-013",
    "none of the signatures is good",
    "The release has several signatures. The message says why each was refused.",
    "Find the publisher's own signature in the message, and do what the entry of its code says. The others may be"
    " anybody's.",
)
SIGNATURES_UNKNOWN = entry(
    "VD-TRUST-014",
    "it is not known whether a good signature exists",
    "No signature that could be retrieved is good. But one signature could not be retrieved, or the list of signatures"
    " could not be read.",
    "Run it again. If it fails again, check the container registry, and push or import the release again.",
    retryable=True,
)
NOBODY_TRUSTED = entry(
    "VD-TRUST-030",
    "nobody is trusted",
    "The deployment does not pin a trust root and a publisher's identity. Without both, no run can tell a release from"
    " a forged one.",
    "Set trust_roots and trusted_identity in the Automation variable vibedata-settings. For the command vibedata, set"
    " VIBEDATA_TRUST_ROOTS and VIBEDATA_TRUSTED_IDENTITY in the environment. Use the values that came with the"
    " deployment, never values that came with a release. docs/trust.md says where they come from.",
    exit_code=EXIT_USAGE,
)
TRUST_AS_PARAMETER = entry(
    "VD-TRUST-031",
    "a parameter of a run may not say whom to trust",
    "Everybody who may start a job chooses its parameters. That person must not choose whose releases are installed.",
    "Remove it from the parameter settings. Set it in the Automation variable vibedata-settings.",
    exit_code=EXIT_USAGE,
)
STORED_WITHOUT_SIGNATURE = entry(
    "VD-TRUST-032",
    "a stored release has no signature beside it",
    "Its import broke off, or somebody removed the signature.",
    "Run import_manifest for this release again: it stores the signature. If the publisher no longer offers it"
    " signed, import a newer one.",
)
STORED_RELEASE_DIFFERS = entry(
    "VD-TRUST-033",
    "the signature of a stored release is for another release",
    "The signature beside it is good, but it signs another release: somebody put it there.",
    "Treat it as tampering: find out who may write to artifact storage. Then import a newer release.",
)
