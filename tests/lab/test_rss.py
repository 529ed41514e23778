# SPDX-License-Identifier: BSD-3-Clause
"""Receive-side scaling that is known: with two queues and two workers every packet arrives at the worker of its flow, since
FULLNAT chooses local ports whose replies land there. A software distributor stands in for the NIC, before either port.

The same traffic with RSS that is other than thought is served as well, by hand-over.
"""
import os
import pathlib

import pytest
from border import VIP4, VIP6
from lab import wait_for
from lb_alone import LbAlone
from rss_distributor import toeplitz

HERE = pathlib.Path(__file__).parent
pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs: a queue is chosen by the CPU of the sender")


class RssLab(LbAlone):
    def __init__(self, rss):
        self.rss = rss
        super().__init__(queues=2)

    def start_lb(self, *args):
        return super().start_lb(*args, "--workers", "2", "--rss", self.rss)

    def veth(self, a, dev_a, b, dev_b, queues=1, mtu=None):
        """A distributor in each cable of the border node."""
        if self.border not in (a, b):
            super().veth(a, dev_a, b, dev_b, queues, mtu)
            return
        d = self.node(f"d-{dev_b if b is self.border else dev_a}")
        if b is self.border:
            super().veth(a, dev_a, d, "out")
            super().veth(d, "in", b, dev_b, queues)
        else:
            super().veth(a, dev_a, d, "in", queues)
            super().veth(d, "out", b, dev_b)
        p = d.start("distributor", "/usr/bin/python3", HERE / "rss_distributor.py", "out", "in", queues)
        wait_for("distributor", lambda: "ready" in p.text() or not p.alive())
        assert p.alive(), p.tail()


def test_the_distributor_hashes_as_published():
    """Microsoft's verification suite: 66.9.149.187:2794 -> 161.142.100.80:1766."""
    assert toeplitz(bytes([66, 9, 149, 187, 161, 142, 100, 80]) + (2794).to_bytes(2, "big") + (1766).to_bytes(2, "big")) \
        == 0x51ccc178


def curls(lab, address, count):
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    out = lab.client.run("sh", "-c", f"for i in $(seq {count}); do curl -sf -m 5 {url} || echo FAILED; done").stdout
    return out.split()


def handed(counters):
    return sum(w["handed-over"] for w in counters["worker"])


@pytest.mark.parametrize("rss", ["known", "wrong"])
def test_replies_arrive_at_the_worker_of_their_flow(rss):
    with RssLab(rss) as lab:
        assert curls(lab, VIP4, 4) and curls(lab, VIP6, 4)  # neighbours are known after that
        before = lab.settled()
        for vip in (VIP4, VIP6):
            pages = curls(lab, vip, 40)
            assert sorted(set(pages)) == ["s1", "s2"] and len(pages) == 40, pages
        now = lab.settled()
        received = [w["received"] - b["received"] for w, b in zip(now["worker"], before["worker"])]
        assert min(received) > 100, received  # both workers had their share
        moved = handed(now) - handed(before)
        if rss == "known":
            assert moved == 0, now["worker"]
        else:
            assert moved > 100, now["worker"]
