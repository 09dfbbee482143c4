"""The zip for Partner Center. The same files give the same bytes, on any machine and at any time."""

import io
import zipfile
from collections.abc import Mapping

# The earliest time that a zip can name.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o100644


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return the zip of files by their names.

    The zip is not compressed, because two versions of zlib may make different bytes. Partner Center's limit of 1 GB is
    far away.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as opened:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            entry.external_attr = _MODE << 16
            opened.writestr(entry, files[name])
    return written.getvalue()
