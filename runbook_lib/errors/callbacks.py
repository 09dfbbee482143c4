"""Failures of the reports to the publisher."""

from runbook_lib.errors.entry import entry

# The area of the codes, for whoever treats all failures of it alike.
AREA = "VD-CALLBACK"

_WAITS = " The report waits in blob container callbacks-spool, and the next run of any runbook sends it."
NO_ANSWER = entry(
    "VD-CALLBACK-020",
    "the publisher does not answer",
    "The publisher's callback API is down, is too busy, or cannot be reached from here: no route, a firewall, a"
    " certificate that is not trusted.",
    "Nothing is lost." + _WAITS + " Where it does not go away, see that setting publisher_api can be reached from"
    " where runbooks run.",
    retryable=True,
)
SIGNATURE_REFUSED_CLOCKS_DIFFER = entry(
    "VD-CALLBACK-021",
    "the publisher refuses the signature, and the clocks differ",
    "A signature is good for a minute. Our clock and the publisher's, both in the message, are further apart than"
    " the 30 s that are granted.",
    "Set the clock of the machine that runs runbooks (of a hybrid worker; a cloud sandbox keeps its own)." + _WAITS,
    retryable=True,
)
SIGNATURE_REFUSED = entry(
    "VD-CALLBACK-022",
    "the publisher refuses the signature",
    "It does not say why: the key is unknown to it, was retired or revoked; the instance id is another's; or a"
    " proxy on the way changed the method, the host, the path or the body.",
    "Compare the key id in the message with what the publisher has for setting instance_id; see that a proxy passes"
    " requests on unchanged; rotate the key where the publisher does not know it." + _WAITS,
)
NOT_THE_CALLBACK_API = entry(
    "VD-CALLBACK-023",
    "what answers is not the publisher's callback API",
    "The answer is a redirect, too large, or not of the API's form: a proxy's own page, or another service.",
    "See that setting publisher_api is right, and that no proxy answers in its place." + _WAITS,
)
REPORT_NOT_TAKEN = entry(
    "VD-CALLBACK-024",
    "the publisher does not take a report",
    "The API refuses the report for what it holds or where it goes: its version does not know this kind, or not"
    " this instance.",
    "Tell the publisher the report's id, which stands in the operations log. It waits in blob container"
    " callbacks-spool, and later runs send it again, after all others; delete its blob to have it forgotten.",
)
SPOOL_UNUSABLE = entry(
    "VD-CALLBACK-025",
    "the reports that wait for the publisher cannot be read or kept",
    "Blob container callbacks-spool takes no requests, or none of vibedata-uami's; or secret publisher-acr-token"
    " cannot be read, which proves what waits.",
    "See that the container is there, that vibedata-uami has Storage Blob Data Contributor, and that the secret is"
    " there. A report that could neither be sent nor kept stands in this job's output.",
    retryable=True,
)
NO_REPORT = entry(
    "VD-CALLBACK-026",
    "what waits for the publisher is no report",
    "Somebody who may write blobs has put them into container callbacks-spool, or has overwritten one of ours."
    " Where reports wait since before a rotation, the former version of secret publisher-acr-token may be disabled:"
    " then nothing proves them any more.",
    "Find out who wrote the blob that the message names; no runbook did. It is not sent, and holds up no report."
    " Delete it. It is told of once.",
)
SPOOL_FULL = entry(
    "VD-CALLBACK-027",
    "no more reports can wait for the publisher",
    "Blob container callbacks-spool is full: reports have waited for weeks.",
    "Mend what keeps them from being sent: earlier runs and this one say it. Nothing that waits is dropped; the"
    " newest report stands in this job's output alone.",
)
KEY_UNUSABLE = entry(
    "VD-CALLBACK-028",
    "the key that signs reports cannot be used",
    "Key Vault does not give secret hmac-key, or it holds no key: somebody has written to it by hand.",
    "See that vibedata-uami has Key Vault Secrets User. Where the secret is broken, the publisher gives a new one:"
    " `vibedata rotate-hmac`. Where a rotation is in its overlap that command only waits for its end, as"
    " nothing of the vault shows the publisher that the key is broken: then `vibedata rotate-hmac --supersede"
    " ROTATION_ID`, with the id that `--plan` shows. Or bring the former key back: disable the newest version of"
    " secret hmac-key." + _WAITS,
)
NO_KEY_YET = entry(
    "VD-CALLBACK-029",
    "there is no key yet to sign reports with",
    "Secret hmac-key is absent or disabled: the key was not provisioned yet.",
    "Nothing, in a first deployment: the key comes later." + _WAITS + " Else rotate the key.",
    retryable=True,
)
REPORT_NOT_MADE = entry(
    "VD-CALLBACK-030",
    "a report was not made",
    "What it was to tell does not have the form in which it may leave the tenant.",
    "Report it with the message: it is a mistake of the runbook. The run itself is not touched by it.",
)
REPORT_OF_OTHER_INSTANCE = entry(
    "VD-CALLBACK-031",
    "a report of another instance waits",
    "A blob in container callbacks-spool tells of another instance than setting instance_id names: the setting was"
    " changed while the report waited.",
    "Correct setting instance_id where it is wrong: the report is then sent. Else delete its blob. It is not sent"
    " as long as it names another instance, and holds up no other report.",
)
