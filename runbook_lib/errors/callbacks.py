"""Failures of the reports to the publisher."""

from runbook_lib.errors.entry import entry

# The area of the codes, for code that treats all its failures alike.
AREA = "VD-CALLBACK"

_WAITS = " The report waits in blob container callbacks-spool, and the next run of any runbook sends it."
NO_ANSWER = entry(
    "VD-CALLBACK-020",
    "the publisher does not answer",
    "The publisher's callback API is down, is too busy, or cannot be reached from here: no route, a firewall, a"
    " certificate that is not trusted.",
    "Nothing is lost." + _WAITS + " If it does not go away, check that the address in setting publisher_api can be"
    " reached from the network where runbooks run.",
    retryable=True,
)
SIGNATURE_REFUSED_CLOCKS_DIFFER = entry(
    "VD-CALLBACK-021",
    "the publisher refuses the signature, and the clocks differ",
    "A signature is good for a minute. The message has our clock and the publisher's. They differ by more than the 30"
    " s that are allowed.",
    "Set the clock of the machine that runs runbooks (of a hybrid worker; a cloud sandbox keeps its own)." + _WAITS,
    retryable=True,
)
SIGNATURE_REFUSED = entry(
    "VD-CALLBACK-022",
    "the publisher refuses the signature",
    "It does not say why. It may not know the key, or it has retired or revoked the key. The instance id may belong to"
    " another instance. Or a proxy changed the method, the host, the path or the body on the way.",
    "Compare the key id in the message with the publisher's key for setting instance_id. Check that a proxy"
    " passes requests on unchanged. If the publisher does not know the key, rotate it." + _WAITS,
)
NOT_THE_CALLBACK_API = entry(
    "VD-CALLBACK-023",
    "the answer does not come from the publisher's callback API",
    "The answer is a redirect, is too large, or does not have the API's form: it may be a proxy's own page, or another"
    " service.",
    "Check that setting publisher_api is right, and that no proxy answers in its place." + _WAITS,
)
REPORT_NOT_TAKEN = entry(
    "VD-CALLBACK-024",
    "the publisher does not accept a report",
    "The API refuses the report because of its content or its path: the API's version does not know this kind of"
    " report or this instance.",
    "Tell the publisher the report's id: the operations log has it. The report waits in blob container"
    " callbacks-spool, and later runs send it again after all others. To give it up, delete its blob.",
)
SPOOL_UNUSABLE = entry(
    "VD-CALLBACK-025",
    "the reports that wait for the publisher cannot be read or kept",
    "Blob container callbacks-spool does not answer or refuses vibedata-uami. Or the secret publisher-acr-token, which"
    " proves the waiting reports, cannot be read.",
    "Check that the container exists, that vibedata-uami has Storage Blob Data Contributor, and that the secret"
    " exists. If a report could be neither sent nor kept, this job's output has it.",
    retryable=True,
)
NO_REPORT = entry(
    "VD-CALLBACK-026",
    "a blob that waits for the publisher is not a report",
    "Somebody who may write blobs has put it into container callbacks-spool, or has overwritten a report. After a"
    " rotation there is another cause: if the former version of secret publisher-acr-token is disabled, nothing proves"
    " the reports from before.",
    "Find out who wrote the blob that the message names: no runbook did. Delete it. It is never sent, it delays no"
    " report, and you are told of it once.",
)
SPOOL_FULL = entry(
    "VD-CALLBACK-027",
    "no more reports can wait for the publisher",
    "Blob container callbacks-spool is full: reports have waited for weeks.",
    "Find out in the warnings of this run and of earlier ones why reports are not sent, and correct that. No waiting"
    " report is dropped. Only this job's output has the newest report.",
)
KEY_UNUSABLE = entry(
    "VD-CALLBACK-028",
    "the key that signs reports cannot be used",
    "Key Vault does not give secret hmac-key, or the secret holds no key because somebody wrote to it by hand.",
    "Check that vibedata-uami has Key Vault Secrets User. If the secret is broken, the publisher gives a new"
    " key: `vibedata rotate-hmac`. In the overlap of a rotation that command only waits, since the publisher"
    " cannot see that the key is broken: then use `vibedata rotate-hmac --supersede ROTATION_ID`, with the id"
    " that `--plan` shows. Or disable the newest version of secret hmac-key: the former key is in use again." + _WAITS,
)
NO_KEY_YET = entry(
    "VD-CALLBACK-029",
    "there is no key yet to sign reports with",
    "Secret hmac-key is absent, deleted or disabled. Before the first `vibedata rotate-hmac` it is absent.",
    "In a first deployment do nothing: the key comes later." + _WAITS + " Otherwise rotate the key.",
    retryable=True,
)
REPORT_NOT_MADE = entry(
    "VD-CALLBACK-030",
    "a report was not made",
    "Its content does not have the form in which it may leave the tenant.",
    "Report the message to the publisher: the runbook has a fault. The run itself goes on.",
)
REPORT_OF_OTHER_INSTANCE = entry(
    "VD-CALLBACK-031",
    "a report of another instance waits",
    "A blob in container callbacks-spool has a report of another instance than setting instance_id names: the setting"
    " was changed while the report waited.",
    "If setting instance_id is wrong, correct it: the report is then sent. Otherwise delete the report's blob. While"
    " it names another instance it is not sent, and it delays no other report.",
)
