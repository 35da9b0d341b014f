"""Lockdown of a reading process: a memory limit and a seccomp allowlist of system calls."""

import errno
import os
import sys
from pathlib import Path

# Enough to compute, to read and map files that are already open, and to answer; opening files, connecting and
# starting processes or threads is forbidden.
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
_THREADS = ("clone", "clone3")
_NICENESS = 10
_LINUX = sys.platform == "linux"


def seccomp_problem() -> str | None:
    """Return the reason why seccomp is not available on this machine; None if it is."""
    if not _LINUX:
        return f"{sys.platform} has no seccomp"
    try:
        import pyseccomp  # noqa: F401, PLC0415  # other systems lack it, and some Linux systems libseccomp
    except (ImportError, OSError, RuntimeError) as error:
        return f"libseccomp cannot be loaded: {error}"
    return None


def lock_down(memory_bytes: int) -> None:
    """Drop all privileges that reading does not need; forbidden calls fail with PermissionError.

    Allows `memory_bytes` of address space beyond the current use. Without seccomp, only memory and the size
    of written files are limited.
    """
    os.nice(_NICENESS)  # requests for job status take precedence
    if not _LINUX:
        return
    _limit_resources(memory_bytes)
    if seccomp_problem() is None:
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
    import pyseccomp  # noqa: PLC0415  # see seccomp_problem

    calls = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    # A library that cannot start threads works without them if the kernel has none (ENOSYS), and crashes if
    # it is forbidden (EPERM).
    for names, answer in ((_ALLOWED, pyseccomp.ALLOW), (_THREADS, pyseccomp.ERRNO(errno.ENOSYS))):
        for name in names:
            number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
            if number >= 0:  # negative: a call of another architecture, or newer than the library
                calls.add_rule(answer, number)
    # abort() sends a signal to the own process; signals to others are forbidden.
    calls.add_rule(pyseccomp.ALLOW, "tgkill", pyseccomp.Arg(0, pyseccomp.EQ, os.getpid()))
    calls.load()
