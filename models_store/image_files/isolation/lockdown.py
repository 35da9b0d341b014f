"""What a reading process gives up: memory beyond a limit, and all system calls but those of reading."""

import errno
import os
import sys
from pathlib import Path

# Enough to compute, to read and map what is open already, and to answer; no way to open, connect or start
# anything.
_ALLOWED = (
    *("read", "readv", "pread64", "preadv", "lseek", "_llseek", "fstat", "fstat64", "newfstatat", "statx"),
    *("write", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg", "poll", "ppoll", "select", "pselect6"),
    *("mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "brk", "membarrier"),
    *("close", "dup", "fcntl", "getrandom", "futex", "rseq", "set_robust_list"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time"),
    *("getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "times", "uname"),
    *("sched_yield", "sched_getaffinity", "getcpu", "sysinfo", "getrlimit", "exit", "exit_group"),
)
_NICENESS = 10
_LINUX = sys.platform == "linux"


def seccomp_complaint() -> str | None:
    """Tell why this machine cannot shut a reading process in; None if it can."""
    if not _LINUX:
        return f"{sys.platform} has no seccomp"
    try:
        import pyseccomp  # noqa: F401, PLC0415  # other systems lack it, and some Linux systems libseccomp
    except (ImportError, OSError, RuntimeError) as error:
        return f"libseccomp cannot be loaded: {error}"
    return None


def lock_down(memory_bytes: int) -> None:
    """Give up everything that reading does not take; what is forbidden fails with PermissionError.

    Allows `memory_bytes` more address space than is in use now. Where there is no seccomp, only memory and
    the files to be written are limited.
    """
    os.nice(_NICENESS)  # whoever waits for status reports comes first
    if not _LINUX:
        return
    _limit_resources(memory_bytes)
    if seccomp_complaint() is None:
        _filter_system_calls()


def _limit_resources(memory_bytes: int) -> None:
    import resource  # noqa: PLC0415  # other systems lack it

    in_use_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    address_space = in_use_pages * resource.getpagesize() + memory_bytes
    for limit, value in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _filter_system_calls() -> None:
    import pyseccomp  # noqa: PLC0415  # see seccomp_complaint

    calls = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    for name in _ALLOWED:
        number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        if number >= 0:  # others are of another architecture, or newer than the library
            calls.add_rule(pyseccomp.ALLOW, number)
    # A decoder that aborts signals itself, and may signal nobody else.
    calls.add_rule(pyseccomp.ALLOW, "tgkill", pyseccomp.Arg(0, pyseccomp.EQ, os.getpid()))
    calls.load()
