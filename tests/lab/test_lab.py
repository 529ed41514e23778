# SPDX-License-Identifier: BSD-3-Clause
"""The lab itself: it cleans up after itself, on any way out, and several run side by side."""
import glob
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from border import VIP4, VIP6, Border
from clients import shares
from lab import BUILD, run, sweep, wait_for

HERE = pathlib.Path(__file__).parent


def traces(pid):
    """What the lab of process `pid` has on this machine."""
    spaces = [line for line in run(["ip", "netns", "list"]).stdout.split("\n") if line.startswith(f"sl{pid}-")]
    folders = glob.glob(f"/dev/shm/sluice-lab-{pid}-*")
    return spaces + folders


def processes_of(base):
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if base.encode() in p.read_bytes():
                found.append(p.parent.name)
        except OSError:
            pass
    return [p for p in found if int(p) != os.getpid()]


CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
sys.path.insert(0, {here!r})
from border import Border
lab = Border(servers=1)
lab.serve_http()
lab.supervise()
lab.configure(lab.config())
print(lab.base, flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_lab_whose_test_was_killed(sig):
    env = dict(os.environ, SLUICE_BUILD=str(BUILD))
    with subprocess.Popen([sys.executable, "-c", CHILD.format(here=str(HERE))], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL, env=env) as p:
        base = p.stdout.readline().strip()
        assert traces(p.pid) and processes_of(base)
        p.send_signal(sig)
        p.wait(20)
    if sig == signal.SIGKILL:
        sweep()  # what the next run does first
    wait_for("all is gone", lambda: not traces(p.pid) and not processes_of(base), 10)


def test_two_labs_side_by_side_do_not_see_each_other():
    with Border(servers=1) as one, Border(servers=2) as two:
        for lab in (one, two):
            lab.serve_http()
            lab.start_sluice()
            lab.configure(lab.config(check="none"))
        assert set(shares(one.client, VIP4, 20)) == {"s1"}
        assert set(shares(two.client, VIP6, 20)) == {"s1", "s2"}
        one.daemons["sluice-lb"].kill()
        time.sleep(0.2)
        assert set(shares(two.client, VIP4, 20)) == {"s1", "s2"}
        left = os.getpid()
    assert not [t for t in traces(left) if f"sl{left}-{one.number}-" in t or f"sl{left}-{two.number}-" in t]
