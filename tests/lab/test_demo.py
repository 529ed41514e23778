# SPDX-License-Identifier: BSD-3-Clause
"""make demo twice in a row: it succeeds, tells a person what happened, and leaves nothing behind."""
import os
import pathlib
import re
import subprocess
import time

from lab import BUILD, ROOT, run

HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def left_by(pid):
    """What the demo of process `pid` left: all that a lab makes carries its pid (lab.py)."""
    marks = (f"sl{pid}-".encode(), f"sluice-lab-{pid}-".encode())
    found = [n for n in run(["ip", "netns", "list"]).stdout.split("\n") if n.startswith(f"sl{pid}-")]
    found += [n for n in os.listdir("/dev/shm") if n.startswith(f"sluice-lab-{pid}-")]
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = p.read_bytes()
        except OSError:
            continue
        if any(m in text for m in marks):
            found.append(text.replace(b"\0", b" ").decode())
    return found


def machine():
    """What belongs to nobody: only comparable while no other lab runs."""
    programs = run(["bpftool", "prog", "show"]).stdout
    return {
        "interfaces": set(os.listdir("/sys/class/net")),
        "hugepages": HUGE.read_text() if HUGE.exists() else "",
        "temporary files": {n for n in os.listdir("/tmp") if "sluice" in n},
        "programs": set(re.findall(r"^(\d+): xdp ", programs, re.M)),
        "source tree": run(["git", "-C", ROOT, "status", "--porcelain"], check=False).stdout,
    }


def added(before, now):
    """What is there now and was not before. Less is fine: an earlier test's programs may still have been there."""
    return {k: now[k] - before[k] if isinstance(now[k], set) else now[k] for k in now
            if (not now[k] <= before[k] if isinstance(now[k], set) else now[k] != before[k])}


def others():
    mine = f"sluice-lab-{os.getpid()}-"
    return [n for n in os.listdir("/dev/shm") if n.startswith("sluice-lab-") and not n.startswith(mine)]


def run_demo():
    command = ["/usr/bin/python3", ROOT / "tests" / "lab" / "demo.py", "--build", BUILD]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1")) as p:
        out, _ = p.communicate(timeout=200)
    assert p.returncode == 0, out
    assert not left_by(p.pid)
    return out


def test_the_demo_runs_twice_and_leaves_nothing(capsys):
    before, alone = machine(), not others()
    for _ in range(2):
        out = run_demo()
        assert re.search(r"requests +\d{4,}\n +errors +0\n", out), out
        for line in (r"share of s1 +(49\.[5-9]|50\.[0-4]) %", "failover +seen", "crash +seen", r"packets received +\d{5,}",
                     "counters +add up"):
            assert re.search(line, out), out
        if alone and not others():  # the kernel frees the programs of a namespace a moment after it is gone
            end = time.monotonic() + 10
            while added(before, machine()) and time.monotonic() < end:
                time.sleep(0.2)
            assert not added(before, machine())
    with capsys.disabled():
        print("\n" + out[out.index("=" * 72):])
