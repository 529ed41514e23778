# SPDX-License-Identifier: BSD-3-Clause
"""A balancer with a table of 10 million IPv4 flows starts, serves, and takes no more memory than promised."""
import os
import pathlib

import ctl_link as ctl
import pytest
from border import VIP4, Border

FLOWS, PROMISED = 10_000_000, 1_300_000_000
SHM = pathlib.Path("/dev/shm")


def memory_left():
    with open("/proc/meminfo", encoding="ascii") as f:
        kb = {k: int(v.split()[0]) for k, v in (line.split(":", 1) for line in f)}
    v = os.statvfs(SHM)
    return min(kb["MemAvailable"] * 1024, v.f_bavail * v.f_frsize)


@pytest.fixture
def room():
    """The table lies in the lab's folder, in /dev/shm."""
    if not SHM.is_dir() or not os.access(SHM, os.W_OK):
        pytest.skip("10 MILLION FLOWS NOT SHOWN: no /dev/shm")
    if memory_left() < 2 * PROMISED:
        pytest.skip(f"10 MILLION FLOWS NOT SHOWN: {memory_left() >> 20} MiB of shared memory left, "
                    f"{2 * PROMISED >> 20} MiB wanted")


@pytest.mark.usefixtures("room")
def test_ten_million_flows():
    with Border(servers=2, capture=False) as lab:
        lab.serve_http()
        lab.start_lb("--workers", "1")
        link = ctl.CtlLink(lab.base / "run" / "lb.ctl", timeout=60)
        link.hello()
        records = [ctl.settings(FLOWS, flow_max6=0), ctl.port(1, "up"), ctl.port(2, "down"), ctl.local_pool(10, "snat"),
                   ctl.local_address(11, 10, "10.20.0.200"), ctl.pool(20, "web4"), ctl.service(30, 20, 10, "web4", VIP4)]
        records += [ctl.server(40 + i, 20, s.name, s.ip4) for i, s in enumerate(lab.servers)]
        link.transaction(0, 1, records)
        assert SHM in lab.base.parents
        files = list(lab.base.rglob("*.flows"))
        assert [f.name for f in files] == ["lb.w0.flows"]
        stat = files[0].stat()
        # All of it is there from the start: a file with holes could kill the balancer later.
        assert stat.st_blocks * 512 >= stat.st_size >= FLOWS * 96
        assert stat.st_size <= PROMISED and stat.st_blocks * 512 <= PROMISED
        got = {lab.client.out("curl", "-sf", "--max-time", "10", f"http://{VIP4}/").strip() for _ in range(8)}
        assert got == {"s1", "s2"}
        assert link.query("counters")["sum"]["forwarded"] > 0
    assert not files[0].exists() and not lab.base.exists()
