# SPDX-License-Identifier: BSD-3-Clause
"""Two balancers in a chain over a memif link, one daemon, one transaction.

    client --- up [ lb1 === link === lb2 ] down --- servers

lb1 has the clients' service; its one server is lb2's service, reached over the link. Both ends of the link
are made by one commit.
"""
import time

import pytest

import border
from lab import wait_for

MID4, MID6 = "10.30.0.1", "fd30::1"
LOCAL1 = ["10.31.0.200", "fd31::200"]
LOCAL2 = ["10.20.0.200", "fd20::200"]
END_A, END_B = ("10.32.0.0", "fd32::a"), ("10.32.0.1", "fd32::b")


def balancer(name, local, pools, services):
    return {"name": name, "flow-table": {"size": 65536},
            "local-address-pools": {"local-address-pool": [{"name": "snat", "address": local}]},
            "pools": {"pool": pools}, "services": {"service": services}}


def http_services(addresses):
    return [{"name": f"web{f}", "address": a, "port": 80, "protocol": "tcp", "pool": f"web{f}",
             "local-address-pool": "snat"} for f, a in zip((4, 6), addresses)]


def chain(lab):
    first = [{"name": f"web{f}", "servers": {"server": [{"name": "next", "address": a, "port": 80}]}}
             for f, a in ((4, MID4), (6, MID6))]
    second = [{"name": f"web{f}", "servers": {"server": [
        {"name": s.name, "address": s.ip4 if f == 4 else s.ip6, "port": 80} for s in lab.servers]}} for f in (4, 6)]
    return {
        "ietf-interfaces:interfaces": {"interface": [
            {"name": n, "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": o}}
            for n, o in (("up", "lb1"), ("down", "lb2"))]},
        "sluice-port:links": {"link": [{
            "name": "mid", "mtu": 1500,
            "a": {"owner": "lb1", "ipv4-address": END_A[0], "ipv6-address": END_A[1],
                  "prefix": [f"{MID4}/32", f"{MID6}/128"]},
            "b": {"owner": "lb2", "ipv4-address": END_B[0], "ipv6-address": END_B[1],
                  "prefix": [f"{LOCAL1[0]}/32", f"{LOCAL1[1]}/128"]}}]},
        "sluice-lb:load-balancers": {"load-balancer": [
            balancer("lb1", LOCAL1, first, http_services((border.VIP4, border.VIP6))),
            balancer("lb2", LOCAL2, second, http_services((MID4, MID6)))]},
    }


@pytest.fixture(scope="module")
def lab():
    with border.Border(servers=2) as the_lab:
        the_lab.serve_http()
        the_lab.start_lb("--instance", "lb1")
        the_lab.start_lb("--instance", "lb2")
        the_lab.start_sluiced()
        the_lab.configure(chain(the_lab))
        yield the_lab


def get(lab, address):
    p = lab.client.run("curl", "-s", "-m", "2", f"http://[{address}]/" if ":" in address else f"http://{address}/",
                       check=False)
    return p.stdout.strip() if p.returncode == 0 else None


def counters(lab, instance):
    with lab.rpc() as c:
        return c.call("app-query", instance=instance, name="counters", args={})


def port(lab, instance, name="mid"):
    return next(p for p in counters(lab, instance)["port"] if p["name"] == name)


@pytest.mark.parametrize("vip", [border.VIP4, border.VIP6])
def test_a_client_reaches_the_servers_through_both(lab, vip):
    wait_for("a page through both", lambda: get(lab, vip), 10)
    pages = {get(lab, vip) for _ in range(6)}
    assert pages == {"s1", "s2"}
    for name in ("lb1", "lb2"):
        assert port(lab, name)["rx-packets"] > 10 and port(lab, name)["tx-packets"] > 10


def test_much_goes_through_and_nothing_is_lost(lab):
    (lab.www / "big").write_bytes(b"\0" * (20 << 20))
    p = lab.client.run("curl", "-sf", "-m", "60", "-o", "/dev/null", "-w", "%{size_download}",
                       f"http://{border.VIP4}/big")
    assert int(p.stdout) == 20 << 20
    p = lab.client.run("wrk", "-t", "1", "-c", "50", "-d", "2s", f"http://{border.VIP4}/", check=False)
    assert "Socket errors" not in p.stdout and "Requests/sec" in p.stdout, p.stdout
    for name in ("lb1", "lb2"):
        drops = {k: n for k, n in counters(lab, name)["drop"].items() if n}
        assert not {"no-route", "no-neighbour", "mtu"} & set(drops), drops


@pytest.mark.parametrize("victim", ["lb1", "lb2"])
def test_the_link_comes_back_when_an_end_was_killed(lab, victim):
    """Under load, so that the other end is in the middle of a burst when the memory goes."""
    other = "lb2" if victim == "lb1" else "lb1"
    for _ in range(3):
        load = lab.client.start("wrk", "wrk", "-t", "1", "-c", "30", "-d", "30s", f"http://{border.VIP4}/")
        time.sleep(0.3)
        lab.daemons[victim].kill()
        wait_for("the other end sees it", lambda: not port(lab, other)["up"], 5)
        assert lab.daemons[other].alive(), lab.daemons[other].tail()
        lab.start_lb("--instance", victim)
        wait_for("a page again", lambda: get(lab, border.VIP4), 10)
        assert get(lab, border.VIP6) in ("s1", "s2")
        load.kill()
        assert lab.daemons[other].alive()


def test_a_link_is_taken_away_and_made_again(lab):
    whole = chain(lab)
    without = dict(whole)
    del without["sluice-port:links"]
    lab.configure(without)
    assert get(lab, border.VIP4) is None
    assert all("mid" not in [p["name"] for p in counters(lab, n)["port"]] for n in ("lb1", "lb2"))
    lab.configure(whole)
    wait_for("a page through the new link", lambda: get(lab, border.VIP4), 10)
