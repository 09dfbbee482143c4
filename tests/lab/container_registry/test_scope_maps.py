"""The scope map of the publisher's tokens: a change applies to all tokens that are issued after it."""

import requests

from tests.support import oci_client as oci
from tests.support.arm import scope_map
from tests.support.running_lab import LabUnderTest


def test_a_token_reads_what_the_scope_map_names(lab: LabUnderTest) -> None:
    one, other = oci.image(b"one"), oci.image(b"other")
    oci.publisher(lab).push("vibedata/one", one, "1")
    oci.publisher(lab).push("vibedata/other", other, "1")

    def status(repository: str) -> int:
        reader = oci.scoped_token(lab)
        url = f"https://{reader.host}/v2/{repository}/manifests/1"
        return requests.get(url, auth=(reader.username, reader.password), timeout=30).status_code

    assert (status("vibedata/one"), status("vibedata/other")) == (200, 200)
    made = scope_map(lab, "PATCH", {"properties": {"actions": ["repositories/vibedata/one/content/read"]}})
    assert made.json()["properties"]["actions"] == ["repositories/vibedata/one/content/read"]
    assert scope_map(lab, "GET").json() == made.json()
    assert (status("vibedata/one"), status("vibedata/other")) == (200, 401)
    lab.reset()
    assert scope_map(lab, "GET").json()["properties"]["actions"] == [
        "repositories/*/content/read",
        "repositories/*/metadata/read",
    ]


def test_what_is_no_action_is_refused(lab: LabUnderTest) -> None:
    for action in ("repositories/vibedata/one/content/eat", "vibedata/one/content/read"):
        assert scope_map(lab, "PATCH", {"properties": {"actions": [action]}}).status_code == 400
