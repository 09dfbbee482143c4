"""The one place that turns a bad path, a full disk or a closed stream into a message with its cause and remedy."""

import errno

from oci.files.writing import UnwritableError
from vibedata.output import CommandError

_REMEDIES = {
    errno.ENOSPC: "free space there, or name another place; then run it again",
    errno.EDQUOT: "free space there, or name another place; then run it again",
    errno.EFBIG: "free space there, or name another place; then run it again",
    errno.EACCES: "name a place in a folder that you can write to, or give yourself the right to this one",
    errno.EPERM: "name a place in a folder that you can write to, or give yourself the right to this one",
    errno.EROFS: "name a place in a folder that you can write to: this file system is read-only",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ENOENT: "check the path: a folder in it does not exist",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "check the path: a part of it is not a folder",
    errno.EEXIST: "name another path: this one is taken",
    errno.ELOOP: "name the file or folder itself, not a link to it",
    errno.EINVAL: "name a plain file",
    errno.EIO: "check the disk",
    errno.EBADF: "give the command an output that is open",
    errno.EMFILE: "allow this process more open files (`ulimit -n`)",
    errno.ENFILE: "end other programs: this machine has too many open files",
}
_ANY = "check the path, and the file that is there"
# Errors that this machine causes, no matter what was written.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


def local_failure(error: BaseException) -> CommandError | None:
    """Return the message for a failure of this machine's files, None for another failure."""
    if not isinstance(error, OSError) or (error.filename is None and error.errno not in _DISK):
        return None
    why = error.strerror or type(error).__name__
    if isinstance(error, UnwritableError):
        message = f"{error.what} cannot be written to {error.filename}: {why}"
    else:
        message = why if error.filename is None else f"{_name(error.filename)}: {why}"
    return CommandError(message, remedy=_REMEDIES.get(error.errno or 0, _ANY))


def lost_output(error: OSError) -> CommandError:
    """Return the message for output that could not be written."""
    return CommandError(
        f"not all output could be written: {error.strerror or type(error).__name__}",
        remedy=f"{_REMEDIES.get(error.errno or 0, _ANY)}; the changes that the command made stay, and a rerun is safe",
    )


def _name(filename: object) -> str:
    return ascii(filename) if isinstance(filename, bytes) else str(filename)
