"""Read files of this machine: only regular files, with a size limit, and without following a link below a folder.

Anybody may have made a build's folder: a pipe would never end, a device is not a file, and a link leads out of the
folder. The opened file itself is checked and read, so nobody can exchange it in between.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 1024 * 1024
# A key, or the few certificates of a chain.
MAX_PEM_BYTES = 256 * 1024
# Non-blocking: otherwise a pipe without a writer would block for ever. It does not matter for regular files.
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY


class FileRefusedError(Exception):
    """A file cannot be read, or has a kind that is not read. The text says why."""


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """Return the bytes of a file that the user names. The name may be a link. Raises FileRefusedError."""
    try:
        with _regular(os.fspath(path), None, 0) as file:
            return _read(file, max_bytes)
    except (OSError, ValueError) as error:
        raise _refused(error) from error


def open_below(folder: Path, *names: str) -> BinaryIO:
    """Open the file `folder/names[0]/...`, following no link below `folder`. Raises FileRefusedError."""
    try:
        descriptor = os.open(folder, _FOLDER)
        try:
            for name in names[:-1]:
                below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            return _regular(names[-1], descriptor, os.O_NOFOLLOW)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _refused(error) from error


def read_below(folder: Path, *names: str, max_bytes: int) -> bytes:
    """Return the bytes of the file `folder/names[0]/...`. Raises FileRefusedError."""
    with open_below(folder, *names) as file:
        try:
            return _read(file, max_bytes)
        except OSError as error:
            raise _refused(error) from error


def size_of(file: BinaryIO) -> int:
    """Return the size in bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def sha256_of(file: BinaryIO, *, max_bytes: int) -> str:
    """Return the SHA-256 in hex of an open file, reading it piece by piece. Raises FileRefusedError."""
    hashed, left = hashlib.sha256(), max_bytes
    try:
        while piece := file.read(READ_BYTES):
            left -= len(piece)
            if left < 0:
                raise FileRefusedError(f"it has too many bytes: at most {max_bytes} are read")
            hashed.update(piece)
    except OSError as error:
        raise _refused(error) from error
    return hashed.hexdigest()


def _regular(name: str, folder: int | None, flags: int) -> BinaryIO:
    # Check before opening, because opening a device can have an effect. Check the opened file again, because it counts.
    _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=not flags & os.O_NOFOLLOW))
    descriptor = os.open(name, _FILE | flags, dir_fd=folder)
    try:
        _check_regular(os.fstat(descriptor))
    except FileRefusedError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check_regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FileRefusedError(f"it is {_KINDS.get(stat.S_IFMT(found.st_mode), 'no regular file')}")


_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _read(file: BinaryIO, max_bytes: int) -> bytes:
    # Some files of the system have the size 0, and others grow. So count the bytes that are read.
    content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise FileRefusedError(f"it has too many bytes: at most {max_bytes} are read")
    return content


def _refused(error: OSError | ValueError) -> FileRefusedError:
    """Return the refusal. ValueError: the name has a NUL, or a character that the file system does not have."""
    if not isinstance(error, OSError):
        return FileRefusedError("it has no possible name")
    return FileRefusedError(f"it cannot be read: {error.strerror or error}")
