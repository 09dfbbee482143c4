"""Count the requests of the import runbooks: of a run that imports everything, and of one that finds nothing to do."""

from collections import Counter
from collections.abc import Sequence

from bench.customer import JobRun, customer
from bench.figures import Figure
from vibedata.progress import WriteLine

COUNTS = (10, 40, 160)
# import_manifest imports two tags and the signature, and stores three blobs.
MANIFEST_PARTS = 6


def measure(report: WriteLine, *, counts: Sequence[int] = COUNTS) -> list[Figure]:
    """Import releases with these numbers of images, each twice, and return the number of requests of each run.

    The first figures are those of import_manifest, which do not depend on the number of images.
    """
    figures: list[Figure] = []
    for images in counts:
        with customer(images=images, report=report) as one:
            manifests = [one.run("import_manifest", release_tag="latest") for _ in range(2)]
            report(f"{images} images: importing them, twice")
            first, again = one.run("import_images"), one.run("import_images")
        if not figures:
            figures += [
                _figure(f"requests of import_manifest, {which}", each, MANIFEST_PARTS, None)
                for which, each in zip(("first run", "rerun"), manifests, strict=True)
            ]
        figures += [
            _figure(f"requests of a first run, {images} images", first, first.result["changed"], None),
            _figure(f"requests of a rerun, {images} images", again, again.result["unchanged"], aim(images)),
        ]
    return figures


def aim(images: int) -> float:
    """Return how many requests a rerun may make: one for each image, and some for tokens, settings and the log."""
    return 1.2 * images + 15


def _figure(name: str, run: JobRun, artifacts: int, at_most: float | None) -> Figure:
    counted = Counter(f"{entry['service']} {entry['method']}" for entry in run.requests)
    kinds = ", ".join(f"{kind} {count}" for kind, count in counted.most_common())
    return Figure(
        name=name,
        value=len(run.requests),
        unit="",
        aim=at_most,
        note=f"for {artifacts} artifacts. {kinds}",
    )
