"""The additional wheel that the deployment script needs if the container's Python is not 3.10.

Among the locked packages, only cffi works with one Python version alone. The others have modules of the stable ABI, or
work without their compiled modules. So the script takes the wheel of cffi for the Python that it finds. This wheel
has the locked version of cffi, and the script knows the wheel's digest. A test compares CFFI_VERSION with
oci/packages.lock, and says how to find the digests of another version.
"""

from oci.packages.package_lock import LockedPackage
from runbook_lib.errors import build

CFFI = "cffi"
CFFI_VERSION = "2.1.1"
# The SHA-256 in hex of the wheel for each version of Python.
CFFI_SHA256 = {
    (3, 11): "34e261f78cb6ceaaa36f42f2613f4380d94d9c759a9c73c769ee6e0247364632",
    (3, 12): "c1453022f490d2459a11819d83ad1d586e9ff65a12ac3e705ffebd46d3685dcf",
    (3, 13): "a931079504ecc49efed7744c476a5c343a92fabf66dec2db95edb1b2fdc770e2",
    (3, 14): "b0431303acaea1089ad4b3e9ce4e6518193def1118d4073ca848635ee4ea2e96",
}


def locked_cffi(locked: tuple[LockedPackage, ...]) -> dict[tuple[int, int], LockedPackage]:
    """Return the package cffi for each other Python, by that Python's version (major, minor).

    `locked` is the package set. Raises RunbookError VD-BUILD-005 if it does not have CFFI_VERSION.
    """
    if not any((each.name, each.version) == (CFFI, CFFI_VERSION) for each in locked):
        raise build.WHEEL_NOT_LOCKED.error(
            f"oci/deployment_script/other_pythons.py has version {CFFI_VERSION}, oci/packages.lock another", target=CFFI
        )
    return {python: LockedPackage(CFFI, CFFI_VERSION, sha256) for python, sha256 in CFFI_SHA256.items()}
