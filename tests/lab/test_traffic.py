# SPDX-License-Identifier: BSD-3-Clause
"""Real clients through sluice-lb to real servers, IPv4 and IPv6 (L1)."""
import hashlib
import os
import re

import pytest
from border import VIP4, VIP6, Border, sums_hold
from clients import shares, wrk
from lab import wait_for

BOTH = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["ipv4", "ipv6"])


def url(vip, path="/"):
    return f"http://[{vip}]{path}" if ":" in vip else f"http://{vip}{path}"


@pytest.fixture(scope="module")
def lab():
    with Border(servers=3) as lab:
        lab.serve_http()
        lab.start_sluice()
        config = lab.config(weights=[5, 3, 2])
        lb = config["sluice-lb:load-balancers"]["load-balancer"][0]
        for fam, vip in ((4, VIP4), (6, VIP6)):
            for name, port, proto in (("iperf", 5201, "tcp"), ("iperf-udp", 5201, "udp"), ("dns", 53, "udp")):
                lb["services"]["service"].append(
                    {"name": f"{name}{fam}", "address": vip, "port": port, "protocol": proto,
                     "pool": f"{name}{fam}", "local-address-pool": "snat"})
                s = lab.servers[0]
                lb["pools"]["pool"].append(
                    {"name": f"{name}{fam}", "servers": {"server": [
                        {"name": s.name, "address": s.ip4 if fam == 4 else s.ip6, "port": port}]}})
        lab.configure(config)
        lab.wait_all_up()
        yield lab


@BOTH
def test_curl_gets_a_page(lab, vip):
    assert lab.client.out("curl", "-sS", "--max-time", "5", url(vip)).strip() in {"s1", "s2", "s3"}


@BOTH
def test_one_gibibyte_arrives_whole(lab, vip):
    blob = lab.www / "blob"
    if not blob.exists():
        block, digest = os.urandom(1 << 20), hashlib.sha256()
        with open(blob, "wb") as f:
            for i in range(1024):
                piece = i.to_bytes(8, "big") + block[8:]
                digest.update(piece)
                f.write(piece)
        lab.digest = digest.hexdigest()
    got = lab.client.out("sh", "-c", f"curl -sS -g --max-time 240 '{url(vip, '/blob')}' | sha256sum", timeout=300)
    assert got.split()[0] == lab.digest


@BOTH
def test_a_thousand_keepalive_connections_see_no_error(lab, vip):
    r = wrk(lab.client, url(vip), 1000, 10, threads=2)
    print(r["text"])
    assert r["errors"] == 0
    assert r["requests"] > 1000


def mbits(out):
    """What the receiver got, as iperf3 prints it."""
    m = re.search(r"([\d.]+) ([MG])bits/sec.*receiver", out)
    return float(m.group(1)) * (1000 if m.group(2) == "G" else 1)


@BOTH
def test_iperf3_both_ways_and_udp_without_loss(lab, vip):
    server = lab.servers[0].node.start("iperf3", "iperf3", "-s")
    wait_for("iperf3", lambda: lab.servers[0].node.listening(5201))
    try:
        for extra in ([], ["-R"]):
            out = lab.client.out("iperf3", "-c", vip, "-t", "3", *extra)
            assert mbits(out) > 100, out
        out = lab.client.out("iperf3", "-c", vip, "-u", "-b", "20M", "-l", "1200", "-t", "2")
        lost = re.search(r"(\d+)/(\d+) \([\d.e+-]+%\)\s+receiver", out)
        assert lost and int(lost.group(1)) == 0 and int(lost.group(2)) > 3000, out
    finally:
        server.kill()


@BOTH
def test_dig_over_udp(lab, vip):
    s = lab.servers[0].node
    dns = s.start("dnsmasq", "dnsmasq", "-k", "-u", "root", "--no-resolv", "--no-hosts", "--port=53",
                  "--address=/name.lab/192.0.2.7", "--pid-file=")
    wait_for("dnsmasq", lambda: s.listening(53, "udp"))
    try:
        for _ in range(200):
            out = lab.client.out("dig", "+short", "+tries=1", "+time=3", f"@{vip}", "name.lab")
            assert out.strip() == "192.0.2.7"
    finally:
        dns.kill()


@BOTH
def test_new_flows_are_shared_by_weight_within_one_percent(lab, vip):
    n = 2000
    got = shares(lab.client, vip, n)
    for name, weight in (("s1", 5), ("s2", 3), ("s3", 2)):
        assert abs(got[name] / n - weight / 10) < 0.01, got
    assert sum(got.values()) == n


@BOTH
def test_ping_to_a_service_address_is_answered(lab, vip):
    out = lab.client.out("ping", "-c", "3", "-i", "0.2", "-W", "2", vip)
    assert " 3 received" in out


def test_ping_to_the_node_itself_reaches_the_kernel(lab):
    assert " 3 received" in lab.client.out("ping", "-c", "3", "-i", "0.2", "10.10.0.1")
    assert " 3 received" in lab.client.out("ping", "-c", "3", "-i", "0.2", "fd10::1")


def test_counters_say_where_every_packet_went(lab):
    c = lab.counters()
    s = c["sum"]
    assert sums_hold(s), c
    assert s["forwarded"] > 100000
