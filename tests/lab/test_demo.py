# SPDX-License-Identifier: BSD-3-Clause
"""make demo twice in a row: it succeeds, tells a person what happened, and leaves nothing behind."""
import os
import pathlib
import re
import subprocess

from lab import BUILD, ROOT, run

HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def machine():
    """What a run could leave behind on this machine."""
    programs = run(["bpftool", "prog", "show"]).stdout
    return {
        "namespaces": set(run(["ip", "netns", "list"]).stdout.split("\n")),
        "interfaces": set(os.listdir("/sys/class/net")),
        "hugepages": HUGE.read_text() if HUGE.exists() else "",
        "shared memory": set(os.listdir("/dev/shm")),
        "temporary files": {n for n in os.listdir("/tmp") if "sluice" in n},
        "programs": set(re.findall(r"^(\d+): xdp ", programs, re.M)),
        "processes": {p.parent.name for p in pathlib.Path("/proc").glob("[0-9]*/comm") if ours(p)},
        "source tree": run(["git", "-C", ROOT, "status", "--porcelain"], check=False).stdout,
    }


def ours(comm):
    try:
        return comm.read_text().startswith(("sluice", "runsv", "nginx", "svlogd"))
    except OSError:
        return False


def test_the_demo_runs_twice_and_leaves_nothing(capsys):
    before = machine()
    for _ in range(2):
        p = subprocess.run(["/usr/bin/python3", ROOT / "tests" / "lab" / "demo.py", "--build", BUILD], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200,
                           env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        assert p.returncode == 0, p.stdout
        assert re.search(r"requests +\d{4,}\n +errors +0\n", p.stdout), p.stdout
        for line in (r"share of s1 +50\.0 %", "failover +seen", "crash +seen", r"packets received +\d{5,}",
                     "counters +add up"):
            assert re.search(line, p.stdout), p.stdout
        assert machine() == before
    with capsys.disabled():
        print("\n" + p.stdout[p.stdout.index("=" * 72):])
