# SPDX-License-Identifier: BSD-3-Clause
"""Another number of workers, another RSS mode, another size of the flow table at the next start: connections live on,
FULLNAT and NAT, IPv4 and IPv6."""
import time

import pytest

import ctl_link as ctl
from border import VIP4, VIP6
from clients import Crowd, shares
from lab import wait_for
from lb_alone import POOL4, POOL6, LbAlone

NAT_PORT, CONNECTIONS = 8080, 120


@pytest.fixture(scope="module")
def lab():
    nat = [ctl.service(90 + i, pool, 0, f"nat{i}", vip, NAT_PORT, forwarding=2)
           for i, (pool, vip) in enumerate(((POOL4, VIP4), (POOL6, VIP6)))]
    with LbAlone(workers=2, records=nat) as lab:
        lab.crowds = []
        yield lab


def crowd(lab):
    targets = [f"{VIP4}:80", f"[{VIP6}]:80", f"{VIP4}:{NAT_PORT}", f"[{VIP6}]:{NAT_PORT}"]
    it = Crowd(lab.client, targets, CONNECTIONS, period=0.5)
    it.wait_all()
    lab.crowds.append(it)


def restart(lab, *args):
    """Kill, start, and every connection of every crowd goes on."""
    p = lab.daemons["sluice-lb"]
    lab.link.close()
    p.kill()
    before = lab.daemons["sluice-lb"].text()
    lab.start_lb(*args)
    lab.link = ctl.CtlLink(lab.base / "run" / "lb.ctl", timeout=30)
    lab.link.hello()
    since = time.monotonic()
    for it in lab.crowds:
        wait_for(f"all go on with {args}", lambda c=it: c.went_on(since) == CONNECTIONS, 15, 0.2)
        assert it.lost() == {"resets": 0, "ended": 0, "timeouts": 0, "refused": 0}
    for vip in (VIP4, VIP6):
        assert sum(shares(lab.client, vip, 20).values()) == 20  # new ones come about too
    assert list((lab.base / "run").glob("lb.old*")) == []
    return lab.daemons["sluice-lb"].text()[len(before):]


def test_connections_live_on_whatever_the_workers(lab):
    crowd(lab)
    assert " moved to other workers" in restart(lab, "--workers", "1")
    crowd(lab)  # its local ports are one worker's: of two, half of them are the other's
    text = restart(lab, "--workers", "2")
    line = next(t for t in text.split("\n") if " moved to other workers" in t)
    strangers = int(line.split(" with replies")[0].split()[-1])
    assert strangers > 10 and " 0 lost" in line, line
    assert "moved to other workers" in restart(lab, "--workers", "2")  # strangers again
    restart(lab, "--workers", "2", "--rss", "known")
    restart(lab, "--workers", "3")
    drops = lab.counters()["drop"]
    assert {k: n for k, n in drops.items() if n and k in ("no-flow", "handover-full", "stale-flow", "no-local-port")} == {}
    for it in lab.crowds:
        end = it.stop()
        assert end["resets"] == end["timeouts"] == 0, end
