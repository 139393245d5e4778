"""Which file systems are on other machines, according to Linux's table of mounts."""

from __future__ import annotations

import os
import re

_NETWORK = {
    *(
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "moosefs",
        "ncpfs",
    ),
    *(
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "rclone",
        "s3fs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "smbnetfs",
    ),
    *("sshfs", "vboxsf", "vmhgfs", "vmhgfs-fuse"),
}


def find_network_type(path: str, mounts: str) -> str | None:
    """Return the type of the network file system on which a path lies; None if it lies on this machine.

    Args:
        path: absolute, and without symbolic links.
        mounts: the text of ``/proc/self/mounts``.
    """
    longest, found = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, directory, type
            continue
        directory = _unescape(fields[1]).rstrip("/")
        # Of two mounts on one directory the later one counts.
        if (path + os.sep).startswith(directory + os.sep) and len(directory) >= longest:
            longest, found = len(directory), fields[2]
    return found if found.removeprefix("fuse.") in _NETWORK else None


def _unescape(directory: str) -> str:
    """Undo the octal escapes of white space and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), directory)
