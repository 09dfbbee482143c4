"""`make lock`: turn packages.in into packages.lock.

uv finds the versions. They must be those of requirements-dev.lock, so that the tested versions are shipped. pip chooses
the best wheel of each package for the sandbox, and checks it against the hashes that uv found in the index. The lock
has only names, versions and hashes: no host and no address.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

from oci.bundling.sandbox import PYTHON_VERSION, UV_PLATFORM, pip_target
from oci.packages import package_lock
from oci.packages.package_lock import LockedPackage

OCI = Path(__file__).parents[1]
REQUIREMENTS = OCI / "packages.in"
LOCK = OCI / "packages.lock"
TESTED_VERSIONS = OCI.parent / "requirements-dev.lock"


def main() -> int:
    """Write the lock and return the exit code. uv and pip themselves say what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        resolved, wheels = Path(folder) / "resolved.txt", Path(folder) / "wheels"
        try:
            resolve(resolved)
            download(resolved, wheels)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(
                f"lock: {Path(error.cmd[0]).name} ended with exit code {error.returncode}; nothing is written\n"
            )
            return 1
        LOCK.write_text(
            package_lock.render([locked(wheel) for wheel in wheels.iterdir()]), encoding="utf-8", newline="\n"
        )
    return 0


def resolve(resolved: Path) -> None:
    """Write the exact versions, with the hashes of all their files, to `resolved`."""
    uv = Path(sys.executable).with_name("uv")
    options = ["--quiet", "--upgrade", "--generate-hashes", "--only-binary=:all:", "--no-header", "--no-annotate"]
    options += ["--no-emit-index-url", "--no-emit-find-links", f"--constraint={TESTED_VERSIONS}"]
    options += [f"--python-version={'.'.join(map(str, PYTHON_VERSION))}", f"--python-platform={UV_PLATFORM}"]
    subprocess.run([uv, "pip", "compile", REQUIREMENTS, *options, f"--output-file={resolved}"], check=True)  # noqa: S603


def download(resolved: Path, wheels: Path) -> None:
    """Download the best wheel of each package for the sandbox to the folder `wheels`."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", *pip_target()]
    subprocess.run([*pip, f"--requirement={resolved}", f"--dest={wheels}"], check=True)  # noqa: S603


def locked(wheel: Path) -> LockedPackage:
    """Return the lock's entry for a wheel file."""
    name, version, _build, _tags = parse_wheel_filename(wheel.name)
    return LockedPackage(name, str(version), hashlib.sha256(wheel.read_bytes()).hexdigest())


if __name__ == "__main__":
    sys.exit(main())
