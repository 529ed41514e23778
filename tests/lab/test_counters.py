# SPDX-License-Identifier: BSD-3-Clause
"""No packet vanishes: received, XDP included, is the sum of what was done with packets."""
import copy
import json
import random
import re
import socket
import subprocess
import time

import pytest
from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, ICMPv6ND_NS, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, fragment)

import ctl_link as ctl
from border import VIP4, VIP6, Border, sums_hold
from clients import shares
from lab import run, wait_for
from lb_alone import LOCAL, LbAlone


@pytest.fixture(scope="module")
def lab():
    with LbAlone() as lab:
        yield lab


def mac_of(node, dev):
    return json.loads(node.out("ip", "-j", "link", "show", dev))[0]["address"]


class RawSender:
    """Frames out of a device of a node."""

    def __init__(self, node, dev):
        self.s = node.in_netns(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)
        node.in_netns(self.s.bind, (dev, 0))

    def send(self, frames):
        for f in frames:
            self.s.send(bytes(f))


def ip4(src="10.10.0.2", dst=VIP4, **kw):
    return IP(src=src, dst=dst, **kw)


def ip6(src="fd10::2", dst=VIP6, **kw):
    return IPv6(src=src, dst=dst, **kw)


def mixed(rng, eth, count):
    """Packets of every sort, valid and not."""
    def syn(i):
        return eth / ip4() / TCP(sport=rng.randint(1024, 65535), dport=80, flags="S", seq=i)

    def stray(i):
        return eth / ip4() / TCP(sport=rng.randint(1024, 65535), dport=80, flags=rng.choice(["A", "PA", "FA", "R"]), seq=i)

    def closed_port(_):
        return eth / ip4() / TCP(sport=4000, dport=rng.choice([81, 8080]), flags="S")

    def udp(_):
        return eth / ip4() / UDP(sport=4000, dport=rng.choice([53, 80])) / Raw(rng.randbytes(rng.randint(0, 900)))

    def garbage(_):
        return Raw(rng.randbytes(rng.randint(14, 200)))

    def garbage_ip(_):
        return eth / Raw(rng.randbytes(rng.randint(0, 200)))

    def cut(i):
        return Raw(bytes(syn(i))[:rng.randint(14, 53)])

    def flipped(i):
        b = bytearray(bytes(rng.choice([syn, udp, syn6])(i)))
        for _ in range(3):
            b[rng.randrange(14, len(b))] ^= 1 << rng.randrange(8)
        return Raw(bytes(b))

    def bad_sum(_):
        return eth / ip4(chksum=0x1234) / TCP(dport=80, flags="S")

    def ttl(_):
        return eth / ip4(ttl=rng.choice([0, 1])) / TCP(dport=80, flags="S")

    def fragments(_):
        return rng.choice(fragment(eth / ip4(id=rng.randint(1, 65535)) / UDP(dport=80) / Raw(b"x" * 3000), 1000))

    def echo(i):
        return eth / ip4(dst=rng.choice([VIP4, "10.10.0.1"])) / ICMP(seq=i & 0xffff) / Raw(b"e" * rng.randint(0, 100))

    def echo6(i):
        return eth / ip6(dst=rng.choice([VIP6, "fd10::1"])) / ICMPv6EchoRequest(seq=i & 0xffff)

    def syn6(i):
        return eth / ip6() / TCP(sport=rng.randint(1024, 65535), dport=80, flags="S", seq=i)

    def stray6(_):
        return eth / ip6() / TCP(sport=rng.randint(1024, 65535), dport=80, flags="A")

    def extension6(_):
        return eth / ip6() / IPv6ExtHdrDestOpt() / TCP(dport=80, flags="S")

    def fragment6(_):
        return eth / ip6() / IPv6ExtHdrFragment(offset=rng.choice([0, 100]), m=1, id=5) / Raw(b"y" * 64)

    def arp(_):
        return Ether(src=eth.src, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.10.0.2", pdst="10.10.0.1", hwsrc=eth.src)

    def nd(_):
        return eth / ip6(dst="fd10::1") / ICMPv6ND_NS(tgt="fd10::1")

    def tagged(i):
        return Ether(src=eth.src, dst=eth.dst) / Dot1Q(vlan=rng.choice([5, 100])) / bytes(syn(i))[14:]

    def back(i):  # towards a local address, where replies of servers go, of no flow
        return eth / ip4(src="10.20.0.11", dst="10.20.0.200") / TCP(sport=80, dport=rng.randint(1024, 65535), flags="A")

    def transit(_):
        return eth / ip4(dst="10.20.0.11") / UDP(dport=9)

    makers = [syn, stray, closed_port, udp, garbage, garbage_ip, cut, flipped, bad_sum, ttl, fragments, echo, echo6, syn6,
              stray6, extension6, fragment6, arp, nd, tagged, back, transit]
    return [rng.choice(makers)(i) for i in range(count)]


def adds_up(c):
    s = c["sum"]
    assert s["difference"] == 0, json.dumps(c, indent=1)
    assert sums_hold(s)
    for w in c["worker"]:
        assert w["received"] == (w["forwarded"] + w["answered"] + w["to-kernel"] + w["held"] + w["dropped"] +
                                 w["handed-over"]), w
        assert w["handover-waiting"] == 0, w  # at rest all rings between workers are empty
    assert s["dropped"] == sum(c["drop"].values())


def test_counters_of_an_idle_node_add_up(lab):
    adds_up(lab.settled())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_mixed_traffic_adds_up_exactly(lab, seed):
    rng = random.Random(seed)
    eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
    before = lab.settled()
    frames = mixed(rng, eth, 3000)
    RawSender(lab.client, "eth0").send(frames)
    c = lab.settled(20)
    adds_up(c)
    grown = {k: c["sum"][k] - before["sum"][k] for k in ("received", "forwarded", "answered", "to-kernel", "dropped")}
    # Frames below 14 bytes are not sent, the kernel itself may add a few of its own (ND, ARP, resets).
    assert grown["received"] >= 3000, grown
    assert all(grown[k] > 50 for k in grown), grown


def test_two_workers_that_hand_packets_over_add_up():
    """veth's receive queue has nothing to do with the owner of a flow: packets arrive at the wrong worker."""
    with LbAlone(queues=2, workers=2) as lab:
        rng = random.Random(7)
        eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
        RawSender(lab.client, "eth0").send(mixed(rng, eth, 2000))
        for _ in range(20):
            assert lab.client.out("curl", "-sf", "--max-time", "5", f"http://{VIP4}/").startswith("s")
        c = lab.settled(20)
        adds_up(c)
        assert len(c["worker"]) == 2
        assert c["detail"]["handed-over"] > 100, c["detail"]
        assert c["detail"]["worker-received"] - c["detail"]["handed-over"] <= c["sum"]["received"]


def test_real_connections_add_up(lab):
    for url in (f"http://{VIP4}/", f"http://[{VIP6}]/"):
        for _ in range(20):
            assert lab.client.out("curl", "-sf", "--max-time", "5", url).startswith("s")
    c = lab.settled(20)
    adds_up(c)


def test_reasons_are_the_ones_meant(lab):
    eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
    sender = RawSender(lab.client, "eth0")
    for name, packet in (("fragment-tiny", eth / ip4(flags="MF", proto=6) / Raw(b"z" * 8)),
                         ("ip-land", eth / ip4(src=VIP4) / TCP(dport=80, flags="S"))):
        before = lab.settled()["drop"][name]
        sender.send([packet] * 10)
        after = lab.settled()
        adds_up(after)
        assert after["drop"][name] == before + 10, (name, after["drop"])


def test_a_server_nobody_answers_for_costs_named_drops(lab):
    """Its packets wait a second for the neighbour, bounded on each worker; nothing else waits with them."""
    before = lab.settled()
    sent, bound = 200, 16 * len(before["worker"])  # each worker owns more of them than it may hold
    lab.link.transaction(lab.link.applied, lab.link.applied + 1, [
        ctl.pool(90, "nobody"), ctl.server(91, 90, "ghost", "10.20.0.99"),
        ctl.service(92, 90, LOCAL, "ghost", VIP4, port_number=8099)])
    eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
    RawSender(lab.client, "eth0").send([eth / ip4() / TCP(sport=5000 + i, dport=8099, flags="S") for i in range(sent)])
    held = wait_for("held packets", lambda: (c := lab.counters())["sum"]["held"] == bound and c, step=0.01)
    assert [w["held"] for w in held["worker"]] == [16] * len(before["worker"])
    assert lab.client.out("curl", "-sf", "--max-time", "1", f"http://{VIP4}/").startswith("s")
    c = lab.settled()
    adds_up(c)
    grown = {k: c["drop"][k] - before["drop"][k] for k in ("hold-full", "no-neighbour")}
    assert grown == {"hold-full": sent - bound, "no-neighbour": bound}


def test_telemetry_says_the_same(lab):
    c = lab.settled()
    socks = list((lab.base / "run" / "dpdk").rglob("dpdk_telemetry.v2*"))
    assert socks, "no telemetry socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(5)
        s.connect(str(socks[0]))
        s.recv(65536)

        def ask(command):
            s.send(command.encode())
            return json.loads(s.recv(1 << 20))[command.split(",")[0]]

        t = ask("/sluice/counters")
        for key, value in c["sum"].items():
            assert t[key.replace("-", "_")] == value, (key, t, c["sum"])
        drops = ask("/sluice/drops")
        assert drops["ip_ttl"] == c["drop"]["ip-ttl"]
        assert ask("/sluice/workers") == [w["index"] for w in c["worker"]]
        for w in c["worker"]:
            assert ask(f"/sluice/workers,{w['index']}")["received"] == w["received"]
        ports = ask("/sluice/ports")
        assert {p.split()[1] for p in ports} == {"up", "down"}
        up = ask(f"/sluice/ports,{ports[0].split()[0]}")
        assert up["xdp_seen"] == up["xdp_passed"] + up["xdp_redirected"] + up["xdp_dropped"]
        hops = ask("/sluice/nexthops")
        assert any("10.20.0.11" in h and h.endswith("resolved") for h in hops), hops
        assert any(r.startswith("10.20.0.0/24 main") for r in ask("/sluice/routes"))
        assert ask("/sluice/routes,100000") == []


def test_a_capture_is_read_by_tshark_with_its_verdicts(lab):
    lab.link.query("capture", file="first.pcapng", filter="tcp port 80 or icmp", limit=1000)
    lab.client.run("curl", "-sf", f"http://{VIP4}/")
    lab.client.run("ping", "-c", "1", "-W", "2", VIP4)
    eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
    RawSender(lab.client, "eth0").send([eth / ip4(src=VIP4) / TCP(dport=80, flags="S")])
    lab.settled()
    n = lab.link.query("capture", stop=True)["captured"]
    assert n >= 10
    path = next((lab.base / "run").rglob("first.pcapng"))
    out = run(["tshark", "-r", path, "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment", "-e", "ip.src",
               "-e", "ip.dst"], stderr=subprocess.DEVNULL).stdout
    lines = out.strip().split("\n")
    assert len(lines) > n  # as they came and as they left
    assert any(re.search(r"^up\t.*forward\t10.10.0.2\t10.10.0.100", x) for x in lines), out
    assert any(re.search(r"^down\t.*forward\t10.20.0.200\t10.20.0.1[12]", x) for x in lines), out
    assert any("drop ip-land: source and destination are the same" in x for x in lines), out
    assert any("answer" in x for x in lines), out


def test_a_trace_names_the_stages_of_a_connection(lab):
    lab.link.query("trace", filter="tcp dst port 80", limit=50)
    lab.client.run("curl", "-sf", f"http://{VIP4}/")
    seen = []

    def stages():
        seen.extend(lab.link.query("trace")["packets"])
        return [p for p in seen if p["verdict"] == "forward"]

    packets = wait_for("traced packets", stages)
    first = [s["stage"] for s in packets[0]["stages"]]
    assert first[0] == "rx" and first[-1] == "forward" and "flow-new" in first, packets[0]
    assert packets[0]["packet"].endswith("> 10.10.0.100.80 tcp")
    assert packets[0]["out-packet"].startswith("10.20.0.200.")


def test_counters_add_up_after_ports_were_closed_and_opened():
    with Border(servers=1, capture=False) as lab:
        lab.serve_http()
        lab.start_sluice()
        config = lab.config(check="none")
        lab.configure(config)
        assert sum(shares(lab.client, VIP4, 200).values()) == 200
        before = lab.counters()["sum"]
        assert before["forwarded"] > 1000
        for names in (["up"], ["up", "down"]):  # one after the other goes and comes back
            less = copy.deepcopy(config)
            for i in less["ietf-interfaces:interfaces"]["interface"]:
                i["enabled"] = i["name"] not in names
            lab.configure(less)
            wait_for("a moment without packets under way", lambda: lab.counters()["sum"]["difference"] == 0, 5)
            lab.configure(config)
            wait_for("service again", lambda: shares(lab.client, VIP4, 1), 10)
            wait_for("a moment without packets under way", lambda: lab.counters()["sum"]["difference"] == 0, 5)
            adds_up(lab.counters())
        assert lab.counters()["sum"]["forwarded"] > before["forwarded"]


def test_what_a_port_says_it_sent_was_on_the_wire():
    """From each packet buffer, those at the end of the pool included. Two workers, so that buffers go round: one's are
    given back by the other."""
    with LbAlone(workers=2) as lab:
        def on_wire():
            return json.loads(lab.switch.out("ip", "-j", "-s", "link", "show", "border"))[0]["stats64"]["rx"]["packets"]

        def sent():
            return next(p["tx-packets"] for p in lab.settled()["port"] if p["name"] == "down")

        eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
        sender = RawSender(lab.client, "eth0")
        syns = [bytes(eth / ip4() / TCP(sport=p, dport=80, flags="S")) for p in range(5000, 5200)]
        sender.send(syns)
        said, was = sent(), on_wire()
        for _ in range(200):
            sender.send(syns)
            time.sleep(0.01)  # the ring in front of the workers is not what this is about
        said, was = sent() - said, on_wire() - was
        assert said > 20000
        assert said <= was, (said, was)
