"""Write a zip file whose members are copied from other zip files without changes, as compressed bytes.

Nothing is compressed again. So the same members give the same bytes with any zlib. Each member has the same time, the
same mode and the same system that made it. The form is that of PKWARE's APPNOTE 6.3, without zip64.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

# A reader must know version 2.0 of the format, for deflate. 3 means that the modes are those of Unix.
_VERSION, _UNIX = 20, 3
# The earliest time that the format can hold, 1 January 1980.
_TIME, _DATE = 0, 1 << 5 | 1
_MODE = 0o100644 << 16
_UTF8_NAME = 1 << 11
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s2B5H3L5H2L"), struct.Struct("<4s4H2LH")
_LOCAL_NAME_LENGTHS = struct.Struct("<26x2H")
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    bytes: int
    offset: int


class RawZip:
    """Writes one zip file, from the beginning to the end of the empty `file`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0
        self._members: list[_Member] = []

    def copy(self, name: str, source: BinaryIO, info: ZipInfo) -> None:
        """Add a member of another zip file under another name.

        `source` is that file, at any position, and `info` is the member in its directory. Raises ValueError if the
        member is encrypted, compressed in another way than with deflate, or cut off.
        """
        if info.flag_bits & 1 or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ValueError(f"{info.filename} is neither stored nor deflated")
        self._begin(name, info.compress_type, info.CRC, packed_bytes=info.compress_size, size=info.file_size)
        source.seek(info.header_offset)
        lengths = _LOCAL_NAME_LENGTHS.unpack(source.read(_LOCAL.size))
        source.seek(info.header_offset + _LOCAL.size + sum(lengths))
        left = info.compress_size
        while left:
            piece = source.read(min(left, _COPY_BYTES))
            if not piece:
                raise ValueError(f"{info.filename} ends too early")
            self._write(piece)
            left -= len(piece)

    def add(self, name: str, content: bytes) -> None:
        """Add a small member, not compressed."""
        self._begin(name, ZIP_STORED, zlib.crc32(content), packed_bytes=len(content), size=len(content))
        self._write(content)

    def finish(self) -> None:
        """Write the directory of the added members."""
        start = self._offset
        for member in self._members:
            head = _CENTRAL.pack(
                b"PK\1\2",
                _VERSION,
                _UNIX,
                _VERSION,
                member.flags,
                member.method,
                _TIME,
                _DATE,
                member.crc,
                member.packed_bytes,
                member.bytes,
                len(member.name),
                0,
                0,
                0,
                0,
                _MODE,
                member.offset,
            )
            self._write(head + member.name)
        count, size = len(self._members), self._offset - start
        self._write(_END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0))

    def _begin(self, name: str, method: int, crc: int, *, packed_bytes: int, size: int) -> None:
        member = _Member(
            name=name.encode(),
            flags=0 if name.isascii() else _UTF8_NAME,
            method=method,
            crc=crc,
            packed_bytes=packed_bytes,
            bytes=size,
            offset=self._offset,
        )
        self._members.append(member)
        sizes = (crc, packed_bytes, size, len(member.name), 0)
        self._write(_LOCAL.pack(b"PK\3\4", _VERSION, member.flags, method, _TIME, _DATE, *sizes) + member.name)

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._offset += len(content)
