"""Write files and folders of this machine as a whole, without following a link that somebody has put there.

A new file is written in the same folder, under a new name that nobody can guess (O_EXCL, O_NOFOLLOW), and renamed when
it is complete. So a reader sees the former file or the new one.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

# The temporary name does not contain the final name: otherwise it might be too long.
_PREFIX, _PARTIAL, _REPLACED = ".vibedata-", ".partial", ".replaced"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class UnwritableError(OSError):
    """Something cannot be written to `filename`. `errno` and `strerror` say why."""

    def __init__(self, what: str, path: Path, cause: OSError) -> None:
        """Take over the cause's number and words."""
        super().__init__(cause.errno or 0, cause.strerror or str(cause), os.fspath(path))
        self.what = what


@contextlib.contextmanager
def writing(what: str, path: Path) -> Iterator[None]:
    """Turn errors of the file system into UnwritableError, which says what was being written, and where."""
    try:
        yield
    except (UnwritableError, ConnectionError, TimeoutError):
        raise
    except OSError as error:
        if error.errno is None:
            raise  # a library's own error, such as those of `requests`
        raise UnwritableError(what, path, error) from error


def write_file(path: Path, content: bytes, *, what: str) -> None:
    """Write a file, or replace it as a whole. Only a plain file is replaced, and it keeps its mode.

    `what` is the file's name in an error. Raises UnwritableError.
    """
    with writing(what, path):
        name = path.name
        if not name:
            raise _failure(errno.EISDIR)
        folder = os.open(path.parent, _FOLDER)
        try:
            mode = _mode_of(name, folder)
            partial = _partial_name()
            descriptor = os.open(partial, _NEW, 0o666 if mode is None else 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    if mode is not None:
                        os.fchmod(file.fileno(), mode)
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(partial, dir_fd=folder)
                raise
        finally:
            os.close(folder)


def _mode_of(name: str, folder: int) -> int | None:
    """Return the mode of the file that is to be replaced, None if there is none."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise _failure(errno.EISDIR)
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "it is a link")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file")
    return stat.S_IMODE(found.st_mode)


@contextlib.contextmanager
def replaced_folder(path: Path, *, what: str) -> Iterator[Path]:
    """Yield an empty folder. It replaces `path` when the block ends, and is removed if the block fails.

    The folder is locked until the block ends. So the next run can recognize what killed processes left. Between the two
    renames there may be no folder at `path`, but never half a folder. If the second rename fails, the former folder
    comes back at once. If the process is killed there, the next run puts it back.

    `what` is the folder's name in an error. Raises UnwritableError, also for an error of the file system in the block.
    """
    with writing(what, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        partial = path.parent / _partial_name()
        partial.mkdir()
        lock = os.open(partial, _FOLDER)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield partial
            _replace(path, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            os.close(lock)


def _replace(path: Path, partial: Path) -> None:
    """Put a folder in the place of the one at `path`.

    The former folder waits inside another one and keeps its name there. So _put_back knows where it was.
    """
    waiting = partial.with_suffix(_REPLACED)
    waiting.mkdir()
    lock = os.open(waiting, _FOLDER)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            path.rename(waiting / path.name)
        partial.rename(path)
    finally:
        _put_back(waiting)
        os.close(lock)


def _put_back(waiting: Path) -> None:
    """Put a former folder back if nothing is in its place. Otherwise remove it."""
    with contextlib.suppress(OSError):
        for former in waiting.iterdir():
            place = waiting.parent / former.name
            if not os.path.lexists(place):
                former.rename(place)
        # It gets another name first: otherwise half a folder would come back if this process is killed here.
        removed = waiting.with_name(_partial_name())
        waiting.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove folders that killed processes of this user left, and put former folders back.

    A folder that cannot be removed does no harm.
    """
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(_PREFIX) and entry.name.endswith((_PARTIAL, _REPLACED)):
                _sweep_one(entry)


def _sweep_one(entry: "os.DirEntry[str]") -> None:
    with contextlib.suppress(OSError):
        if not entry.is_dir(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_uid != os.getuid():
            return
        descriptor = os.open(entry.path, _FOLDER | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if entry.name.endswith(_REPLACED):
                _put_back(Path(entry.path))
            else:
                shutil.rmtree(entry.path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _partial_name() -> str:
    """Return a new name for something that is not complete, or no longer."""
    return f"{_PREFIX}{secrets.token_hex(8)}{_PARTIAL}"


def _failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))
