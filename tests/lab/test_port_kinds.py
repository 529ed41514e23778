# SPDX-License-Identifier: BSD-3-Clause
"""TAP, memif, null, ring and pcap ports."""
import pytest

import lab
from port_lab import PROBE_UID, Probe


@pytest.fixture
def node():
    with lab.Lab() as the_lab:
        yield the_lab.node("border")


def udp_frames(path, count, dst="02:00:00:00:00:01"):
    from scapy.all import Ether, IP, Raw, UDP, wrpcap
    wrpcap(str(path), [Ether(src="02:00:00:00:00:02", dst=dst) / IP(src="10.0.0.2", dst="10.0.0.100") /
                       UDP(sport=1000 + i, dport=53) / Raw(b"%05d" % i) for i in range(count)])


@pytest.mark.parametrize("drop", [False, True])
def test_a_tap_is_a_link_to_the_kernel(node, drop):
    probe = Probe(node)
    if drop:
        probe.ok(f"drop {PROBE_UID}")
    probe.ok("open tap0 tap t0 mtu=1400")
    node.addr("t0", "10.9.0.1/24")
    link = node.out("ip", "link", "show", "t0")
    assert "mtu 1400" in link and ",UP" in link, link
    # The probe echoes what is for its own MAC; the kernel is told where 10.9.0.2 is.
    node.run("ip", "neigh", "replace", "10.9.0.2", "lladdr", "02:01:00:00:00:01", "dev", "t0", "nud", "permanent")
    assert node.run("ping", "-c", "3", "-i", "0.05", "-W", "1", "10.9.0.2", check=False).returncode == 0
    counters = probe.ok("counters tap0")
    assert counters["echoed"] == 3 and counters["fd"] >= 0 and counters["mtu"] == 1400
    idle = probe.ok("idle 1000")
    assert idle["percent"] < 5.0, idle
    print(f"idle with a TAP: {idle}")
    # Taken by a second process: refused.
    other = Probe(node, "other", name="other")
    assert other.ask("open x tap t0")["rc"] == -16
    # Deleted under it: made again.
    node.run("ip", "link", "del", "t0")
    lab.wait_for("TAP is back", lambda: "t0" in node.out("ip", "link", "show", "t0") and
                 probe.ok("counters tap0")["live"])
    probe.ok("close tap0")
    assert node.run("ip", "link", "show", "t0", check=False).returncode != 0


def test_a_tap_with_two_queues(node):
    probe = Probe(node, workers=2)
    probe.ok("open tap0 tap t0 queues=2")
    node.addr("t0", "10.9.0.1/24")
    node.run("ip", "neigh", "replace", "10.9.0.2", "lladdr", "02:01:00:00:00:01", "dev", "t0", "nud", "permanent")
    assert node.run("ping", "-c", "3", "-i", "0.05", "-W", "1", "10.9.0.2", check=False).returncode == 0


@pytest.mark.parametrize("drop", [False, True])
def test_memif_links_two_processes(node, drop):
    """pcap -> a -> memif -> b, which echoes -> memif -> a -> pcap: every packet comes back, from asleep."""
    from scapy.all import UDP, rdpcap
    sock, out = node.lab.base / "m.sock", node.lab.base / "out.pcap"
    a, b = Probe(node, "a", name="a"), Probe(node, "b", name="b")
    if drop:
        node.lab.base.chmod(0o777)
        a.ok(f"drop {PROBE_UID}")
        b.ok(f"drop {PROBE_UID}")
    a.ok(f"open m memif m path={sock} server=1 peer=02:00:00:00:00:0b")
    b.ok(f"open m memif m path={sock} peer=02:00:00:00:00:0a")
    assert a.ok("counters m")["fd"] == -1, "the driver offers no fd for memif"
    lab.wait_for("memif is up", lambda: a.ok("counters m")["up"] and b.ok("counters m")["up"])
    idle = a.ok("idle 1000")
    print(f"idle with a memif (no fd): {idle}")
    assert idle["percent"] < 20.0
    empty, frames = node.lab.base / "empty.pcap", node.lab.base / "in.pcap"
    udp_frames(empty, 0)
    udp_frames(frames, 100)
    a.ok(f"open p pcap p path={empty} path2={out}")
    a.ok("bridge m p")
    a.ok(f"open q pcap q path={frames} to=m")
    lab.wait_for("all packets came back", lambda: a.ok("counters m")["other"] == 100)
    assert b.ok("counters m")["echoed"] == 100
    a.ok("close p")
    back = rdpcap(str(out))
    assert len(back) == 100 and all(p[UDP].sport == 53 for p in back)
    # The peer goes and comes back.
    b.kill()
    lab.wait_for("memif is down", lambda: not a.ok("counters m")["up"])
    b = Probe(node, "b", name="b2")
    if drop:
        b.ok(f"drop {PROBE_UID}")
    b.ok(f"open m memif m path={sock} peer=02:00:00:00:00:0a")
    lab.wait_for("memif is up again", lambda: a.ok("counters m")["up"])


def test_null_swallows_and_never_receives(node):
    probe = Probe(node)
    probe.ok("open n null n")
    counters = probe.ok("counters n")
    assert counters["rx"] == 0 and counters["fd"] == -1


def test_ring_gives_back_what_is_sent(node):
    from scapy.all import rdpcap
    inp, out, empty = (node.lab.base / n for n in ("in.pcap", "out.pcap", "empty.pcap"))
    udp_frames(inp, 50)
    udp_frames(empty, 0)
    probe = Probe(node)
    probe.ok("open r ring r")
    probe.ok(f"open p pcap p path={empty} path2={out}")
    probe.ok("bridge r p")
    probe.ok(f"open q pcap q path={inp} to=r")
    lab.wait_for("all came round", lambda: probe.ok("counters r")["other"] == 50)
    probe.ok("close q")
    probe.ok("close r")
    probe.ok("close p")
    probe.ok("open r ring r")
    assert len(rdpcap(str(out))) == 50


def test_pcap_reads_and_writes_files(node):
    from scapy.all import UDP, rdpcap
    inp, out = node.lab.base / "in.pcap", node.lab.base / "out.pcap"
    udp_frames(inp, 300)
    probe = Probe(node)
    probe.ok(f"open p pcap p path={inp} path2={out}")
    lab.wait_for("all packets echoed", lambda: probe.ok("counters p")["echoed"] == 300)
    probe.ok("close p")
    back = rdpcap(str(out))
    assert len(back) == 300
    assert all(p[UDP].sport == 53 for p in back)


def test_pcap_over_and_over_holds_the_whole_file(node):
    inp = node.lab.base / "in.pcap"
    udp_frames(inp, 10000)  # more than the buffers of an ordinary port
    probe = Probe(node)
    probe.ok(f"open p pcap p path={inp} infinite=1")
    lab.wait_for("many rounds", lambda: probe.ok("counters p")["echoed"] > 100000)
    probe.ok("close p")
