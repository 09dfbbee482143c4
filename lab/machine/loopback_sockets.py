"""Which socket is at the other end of a loopback connection, by its inode (Linux).

The lab asks for every connection that is made while a job runs, so the answer must be quick. The kernel finds one
connection by its addresses within microseconds (sock_diag(7)). /proc/net/tcp lists every connection of the machine,
which takes milliseconds, or tens of milliseconds on a busy machine. It is read only if the kernel has no sock_diag.
"""

import contextlib
import socket
import struct
from pathlib import Path

TCP_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

# From <linux/netlink.h>, <linux/sock_diag.h> and <linux/inet_diag.h>.
_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST = 1  # NLM_F_REQUEST
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_QUERY = struct.Struct("=BBBBI")  # inet_diag_req_v2: family, protocol, extensions, padding, states
_SOCKET = struct.Struct("!HH16s16s")  # inet_diag_sockid: ports and addresses in network order; ...
_ANY_DEVICE_AND_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ALL_STATES = 0xFFFFFFFF
# inet_diag_msg: 4 bytes, the inet_diag_sockid (48), then expires, rqueue, wqueue, uid, inode.
_INODE_OFFSET = _HEADER.size + 4 + _SOCKET.size + len(_ANY_DEVICE_AND_COOKIE) + 16
_ANSWER_BYTES = 8192

Address = tuple[str, int]


def client_inode(client: Address, server: Address) -> int | None:
    """Return the inode of the socket that is bound to `client` and connected to `server`, None if there is none."""
    try:
        return _ask_kernel(client, server)
    except OSError:
        return _search_tables(client[1], server[1])


def _ask_kernel(client: Address, server: Address) -> int | None:
    """Ask the kernel. Raises OSError if it has no sock_diag, or does not let this process use it."""
    ends = _SOCKET.pack(client[1], server[1], _packed(client), _packed(server))
    query = _QUERY.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + ends + _ANY_DEVICE_AND_COOKIE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
        kernel.send(_HEADER.pack(_HEADER.size + len(query), _BY_FAMILY, _REQUEST, 0, 0) + query)
        answer = kernel.recv(_ANSWER_BYTES)
    if _HEADER.unpack_from(answer)[1] == _BY_FAMILY:
        (inode,) = struct.unpack_from("=I", answer, _INODE_OFFSET)
        return int(inode) or None  # 0: the connection is closed and only waits
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    with contextlib.suppress(FileNotFoundError):  # there is no such connection
        raise OSError(-code, "sock_diag")
    return None


def _packed(address: Address) -> bytes:
    return socket.inet_aton(address[0]).ljust(16, b"\0")


def _search_tables(client_port: int, server_port: int) -> int | None:
    for table in TCP_TABLES:
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if (_port(fields[1]), _port(fields[2])) == (client_port, server_port):
                    return int(fields[9]) or None
    return None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
