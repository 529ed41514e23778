# SPDX-License-Identifier: BSD-3-Clause
"""What TCP shows of clients and servers: SYN to SYN-ACK time, answers, refusals, silence, segments sent again, resets.
Real peers; packets are lost by nft in their namespaces. YANG state, rte_telemetry and sluicectl say the same, and where
the kernels of the peers count too, what they count."""
import json
import random
import socket
import struct

import pytest
from border import VIP4, Border
from lab import LabError, wait_for
from scapy.all import IP, TCP, Ether
from test_cli import Cli
from test_counters import RawSender, mac_of

# Resets each connection of port 84 once it has read; talks on port 85 as nginx does on 80.
PEER = """
import socket, struct, threading
def serve(port, talk):
    l = socket.create_server(("0.0.0.0", port))
    while True:
        c, _ = l.accept()
        threading.Thread(target=talk, args=(c,), daemon=True).start()
def rude(c):
    c.recv(100)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
def kind(c):
    c.recv(100)
    c.sendall(b"x")
    c.close()
threading.Thread(target=serve, args=(84, rude), daemon=True).start()
serve(85, kind)
"""
COUNTS = ("syn-answered", "syn-refused", "syn-unanswered", "in-retransmissions", "out-retransmissions", "in-resets", "out-resets")
PORTS = {"web4": 80, "closed": 81, "silent": 82, "nobody": 83, "rude": 84, "late": 85}


@pytest.fixture(scope="module")
def border():
    with Border(servers=1, capture=False) as lab:
        lab.serve_http()
        server = lab.servers[0]
        server.node.start("peer", "/usr/bin/python3", "-c", PEER)
        wait_for("peers", lambda: server.node.listening(84) and server.node.listening(85))
        lab.start_lb()
        lab.start_sluiced()
        config = lab.config(check="none")
        lb = config["sluice-lb:load-balancers"]["load-balancer"][0]
        for name, port in list(PORTS.items())[1:]:
            lb["pools"]["pool"].append({"name": name, "health-check": {"type": "none"}, "servers": {"server": [
                {"name": "s1", "address": server.ip4, "port": port, "weight": 0 if name == "nobody" else 1}]}})
            lb["services"]["service"].append({"name": name, "address": VIP4, "port": port, "protocol": "tcp", "pool": name,
                                              "local-address-pool": "snat"})
        lab.configure(config)
        lab.cli = Cli(lab.border, lab.base)
        yield lab


def dial(lab, port, timeout=5.0):
    s = lab.client.tcp_socket()
    s.settimeout(timeout)
    s.connect((VIP4, port))
    return s


def talk(s):
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return s.recv(4096)


def lose(node, rule):
    """Drop what matches on its way in; returns a function that says how many were, and ends it."""
    node.run("nft", f"table inet lose {{ chain c {{ type filter hook prerouting priority -300; {rule} counter drop; }}; }}")

    def end():
        text = node.out("nft", "-j", "list", "table", "inet", "lose")
        node.run("nft", "delete", "table", "inet", "lose")
        exprs = [e for o in json.loads(text)["nftables"] if "rule" in o for e in o["rule"]["expr"]]
        return sum(e["counter"]["packets"] for e in exprs if "counter" in e)

    return end


def sent_again(node):
    """What the kernel of a peer has sent again."""
    names, values = [x.split() for x in node.out("cat", "/proc/net/snmp").splitlines() if x.startswith("Tcp:")]
    return int(values[names.index("RetransSegs")])


def numbers(state):
    """The counts of a state node, what is absent 0."""
    tcp = state.get("tcp", {})
    return {k: int(tcp.get(k, 0)) for k in COUNTS} | {"refused-flows": int(state["refused-flows"])}


def yang(lab, name):
    """State of the service and of the server of its pool."""
    lb = lab.lb_state()
    pool = next(p for p in lb["pools"]["pool"] if p["name"] == name)
    return (next(s for s in lb["services"]["service"] if s["name"] == name)["state"], pool["servers"]["server"][0]["state"])


def by_cli(lab, name):
    return (lab.cli.json("show", "services", name)[0]["state"],
            lab.cli.json("show", "servers", name)[0]["servers"]["server"][0]["state"])


def by_telemetry(lab, name):
    out = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(5)
        s.connect(str(next((lab.base / "run" / "dpdk").rglob("dpdk_telemetry.v2*"))))
        s.recv(65536)
        for what, key in (("services", name), ("servers", f"{name}/s1")):
            s.send(f"/sluice/lb/{what},{name}".encode())
            entry = json.loads(s.recv(1 << 20))[f"/sluice/lb/{what}"][key]
            out.append({k: entry[k.replace("-", "_")] for k in (*COUNTS, "refused-flows")} |
                       {"p95": entry["syn_time_p95_us"], "mean": entry["syn_time_us"]})
    return out


def all_say(lab, name, server_refuses=None, **want):
    """Service and server have these counts and no others, wherever they are shown."""
    want = {k: want.get(k.replace("-", "_"), 0) for k in (*COUNTS, "refused-flows")}
    try:
        wait_for(f"counts of {name}", lambda: numbers(yang(lab, name)[0]) == want, 5, 0.2)
    except LabError:
        assert numbers(yang(lab, name)[0]) == want, name
    said = {"yang": yang(lab, name), "cli": by_cli(lab, name), "telemetry": by_telemetry(lab, name)}
    for n, what in enumerate(("service", "server")):
        expect = want if what == "service" or server_refuses is None else want | {"refused-flows": server_refuses}
        for where in ("yang", "cli"):
            assert numbers(said[where][n]) == expect, (name, what, where)
        assert {k: said["telemetry"][n][k] for k in expect} == expect, (name, what)
        p95 = int(said["yang"][n].get("tcp", {}).get("syn-time-p95", 0))
        assert p95 == int(said["cli"][n].get("tcp", {}).get("syn-time-p95", 0)) == said["telemetry"][n]["p95"]
    return p95


def test_a_server_with_a_closed_port_refuses(border):
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            dial(border, 81)
    assert all_say(border, "closed", syn_refused=3) == 0


def test_a_pool_that_takes_nothing_refuses_flows(border):
    for _ in range(4):
        with pytest.raises(ConnectionRefusedError):
            dial(border, 83)
    all_say(border, "nobody", server_refuses=0, refused_flows=4)
    assert "4" in next(x for x in border.cli.out("show", "services").splitlines() if x.startswith("nobody")).split()


def test_a_server_that_says_nothing(border):
    end = lose(border.servers[0].node, "tcp dport 82")
    before = sent_again(border.client)
    with pytest.raises(TimeoutError):
        dial(border, 82, 1.5)
    again = sent_again(border.client) - before
    assert again == 1 and end() == 2
    assert all_say(border, "silent", syn_unanswered=1, in_retransmissions=again) == 0


def test_syn_time_begins_with_the_first_syn(border):
    """The first SYN is lost: its answer comes a second later, and that is what the service took."""
    end = lose(border.servers[0].node, "tcp dport 85 tcp flags & (syn | ack) == syn numgen inc mod 1000 == 0")
    s = dial(border, 85)
    mean = wait_for("mean time", lambda: int(yang(border, "late")[1].get("tcp", {}).get("syn-time", 0)), 3, 0.05)
    told = by_telemetry(border, "late")[1]["mean"]
    assert 900_000 < mean < 2_000_000 and told in (mean, 0)
    assert talk(s) == b"x" and end() == 1
    s.close()
    p95 = all_say(border, "late", syn_answered=1, syn_unanswered=1, in_retransmissions=1)
    assert p95 in (1 << 20, 1 << 21)
    row = next(x for x in border.cli.out("show", "servers", "late").splitlines() if x.startswith("late"))
    assert " s " in row.split("%")[1] or " ms " in row.split("%")[1], row


def test_resets_of_clients_and_servers(border):
    for _ in range(2):
        s = dial(border, 84)
        with pytest.raises(ConnectionResetError):
            talk(s)
        s.close()
    s = dial(border, 84)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    p95 = all_say(border, "rude", syn_answered=3, in_resets=1, out_resets=2)
    assert p95 and p95 & (p95 - 1) == 0 and p95 < 1 << 20


@pytest.mark.parametrize("way", ["in", "out"])
def test_segments_sent_again(border, way):
    """Data is lost behind the balancer; the kernels of both peers say how much they sent again: the balancer saw all of it."""
    server, client = border.servers[0].node, border.client
    before = numbers(yang(border, "web4")[0])
    end = (lose(server, "tcp dport 80 meta length > 70 numgen inc mod 3 == 0") if way == "in" else
           lose(client, "tcp sport 80 meta length > 70 numgen inc mod 3 == 0"))
    by_client, by_server = sent_again(client), sent_again(server)
    s = dial(border, 80)
    for _ in range(6):
        assert b" 200 " in talk(s)
    s.close()
    lost = end()
    wait_for("the connection's end", lambda: not server.out("ss", "-Htn", "state", "connected", "sport", "=", ":80").strip())
    by_client, by_server = sent_again(client) - by_client, sent_again(server) - by_server
    assert 2 <= lost <= (by_client if way == "in" else by_server)
    want = {k.replace("-", "_"): v for k, v in before.items()}
    want["syn_answered"] += 1
    want["in_retransmissions"] += by_client
    want["out_retransmissions"] += by_server
    all_say(border, "web4", **want)
    again = sum(want[f"{w}_retransmissions"] for w in ("in", "out"))
    assert str(again) in next(x for x in border.cli.out("show", "servers", "web4").splitlines() if x.startswith("web4")).split()


def test_forged_segments_end_no_connection(border):
    """From where a neighbour of either end may send, with its addresses and ports but not its numbers."""
    server, client, rng = border.servers[0].node, border.client, random.Random(5961)
    before = numbers(yang(border, "web4")[0])
    s = dial(border, 80)
    assert b" 200 " in talk(s)
    me, port = s.getsockname()
    flow = border.cli.json("show", "flows", f"client={me}:{port}")["flows"]
    assert len(flow) == 1
    local = flow[0]["local"].rsplit(":", 1)

    def forged(dst_mac, **tuple_):
        ip = {k: tuple_.pop(k) for k in ("src", "dst")}
        return [Ether(dst=dst_mac) / IP(**ip) / TCP(seq=rng.getrandbits(32), ack=rng.getrandbits(32), flags=f, **tuple_)
                for f in ("R", "RA", "FA", "S", "SA", "FPU", "A") for _ in range(30)]

    for _ in range(2):
        RawSender(client, "eth0").send(forged(mac_of(border.border, "up"), src=me, dst=VIP4, sport=port, dport=80))
        RawSender(server, "eth0").send(forged(mac_of(border.border, "down"), src=border.servers[0].ip4, dst=local[0], sport=80,
                                              dport=int(local[1])))
        assert b" 200 " in talk(s)
    now = border.cli.json("show", "flows", f"client={me}:{port}")["flows"]
    assert len(now) == 1 and now[0]["state"] == flow[0]["state"] == "established"
    assert now[0]["local"] == flow[0]["local"]
    s.close()
    assert numbers(yang(border, "web4")[0])["syn-answered"] == before["syn-answered"] + 1
