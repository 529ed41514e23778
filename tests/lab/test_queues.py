# SPDX-License-Identifier: BSD-3-Clause
"""Several AF_XDP queues per port, spread over several workers."""
import pytest


from border import VIP4, VIP6
from lb_alone import LbAlone


@pytest.fixture(scope="module")
def lab():
    with LbAlone(queues=2, workers=2) as it:
        yield it


def curls(lab, address, count):
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    out = lab.client.run("sh", "-c", f"for i in $(seq {count}); do curl -sf -m 5 {url} || echo FAILED; done").stdout
    return out.split()


@pytest.mark.parametrize("vip", [VIP4, VIP6])
def test_both_workers_serve_from_both_queues(lab, vip):
    before = lab.counters()["worker"]
    pages = curls(lab, vip, 40)
    assert sorted(set(pages)) == ["s1", "s2"] and len(pages) == 40, pages
    now = lab.settled()
    for w, b in zip(now["worker"], before):
        got = w["received"] - b["received"]
        assert got > 40, now["worker"]
        # Polled at its own queues, not only handed over by the other worker.
        other = now["worker"][1 - w["index"]]
        assert got > other[f"handed-to-{w['index']}"] - before[1 - w["index"]][f"handed-to-{w['index']}"], now["worker"]
    for p in now["port"]:
        assert p["rx-missed"] == 0 and p["tx-errors"] == 0, p
    drops = {k: n for k, n in now["drop"].items() if n}
    assert not {"no-flow", "handover-full", "no-service", "tx-full"} & set(drops), drops


def test_the_pairs_add_up(lab):
    workers = lab.settled()["worker"]
    for w in workers:
        assert w["handed-over"] == sum(n for k, n in w.items() if k.startswith("handed-to-")), w
        assert all(n == 0 for k, n in w.items() if k.startswith("ring-full-to-")), w
    assert sum(w["handed-over"] for w in workers) > 0, "veth knows no RSS"


def test_a_kill_and_a_restart_lose_no_queue(lab):
    lab.daemons["sluice-lb"].kill()
    lab.start_lb("--workers", "2")
    assert "FAILED" not in curls(lab, VIP4, 20)
