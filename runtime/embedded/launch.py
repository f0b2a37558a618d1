"""Become another program that dies with its parent, as another user where asked.

usage: python -I -S launch.py PARENT_PID DEATH_SIGNAL USER NICENESS COMMAND...     (USER may be "-": stay who we are)

This runs by its path, in a fresh interpreter without the site packages, so that nothing happens between fork and exec
in a process that already has threads. It imports the standard library only.

Why it keeps a capability: PostgreSQL refuses to run as root, but the user it is given cannot enter a data folder, or a
virtual environment, that lies below a private folder such as /root. Opening those folders to everyone would be the
easy way; instead the program keeps root's right to pass them (CAP_DAC_OVERRIDE), where root has it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


class CapabilityHeader(ctypes.Structure):
    """`struct __user_cap_header_struct` of capset(2); pid 0 is the caller."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilitySets(ctypes.Structure):
    """`struct __user_cap_data_struct` of capset(2): 32 capabilities as bits."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main(arguments: list[str]) -> None:
    """Set up this process as the arguments say, then replace it by the command."""
    parent_pid, death_signal, user, niceness, *command = arguments
    if int(niceness):
        step_back(int(niceness))
    if user != "-":
        become(user)
    die_with_parent(int(parent_pid), int(death_signal))
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted; the command comes from our own code


def step_back(niceness: int) -> None:
    """Let others go first. Where Linux weighs sessions (autogroups), a process is nice in its own only: say both."""
    os.nice(niceness)
    with suppress(OSError), open("/proc/self/autogroup", "w") as autogroup:  # noqa: PTH123 - pathlib takes long to load
        autogroup.write(str(niceness))


def become(user: str) -> None:
    """Change to `user` for good, keeping only the right to pass private folders."""
    account = pwd.getpwnam(user)
    linux = sys.platform.startswith("linux")
    if linux:
        libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        # Without this bit access(2), by which PostgreSQL checks its own program, takes no notice of what we keep.
        libc().prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ.update(HOME="/", USER=user, LOGNAME=user)
    if linux:
        keep_folder_access()


def keep_folder_access() -> None:
    """Carry CAP_DAC_OVERRIDE over exec. A container may have taken it away; then the folder's own rights decide."""
    bit = 1 << CAP_DAC_OVERRIDE
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (CapabilitySets * 2)(CapabilitySets(bit, bit, bit), CapabilitySets(0, 0, 0))
    if libc().capset(ctypes.byref(header), sets) == 0:
        libc().prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def die_with_parent(parent_pid: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when the parent ends (Linux); leave at once if it already has.

    It comes after the change of user, which would clear it.
    """
    if sys.platform.startswith("linux"):
        libc().prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(128 + signal.SIGTERM)


def libc() -> ctypes.CDLL:
    """Return the C library that this interpreter already has loaded."""
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main(sys.argv[1:])
