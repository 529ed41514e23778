# SPDX-License-Identifier: BSD-3-Clause
"""NAT (two-arm): the server sees the client, its answers come back through the border node (L1)."""
import copy
import json
import socket

import pytest
from border import VIP4, VIP6, Border
from clients import request, wrk
from lab import wait_for

BOTH = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["ipv4", "ipv6"])
PORT = 7000

# Says over TCP and UDP whom it sees, and shuts down its side at once.
WHO = f"""
import socket, threading
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(("::", {PORT}))
t = socket.create_server(("::", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
def udp():
    while True:
        data, peer = u.recvfrom(2000)
        u.sendto(f"{{peer[0]}} {{peer[1]}}".encode(), peer)
threading.Thread(target=udp, daemon=True).start()
while True:
    c, peer = t.accept()
    c.sendall(f"{{peer[0]}} {{peer[1]}}".encode())
    c.close()
"""

ASK = f"""
import json, socket, sys
seen, wrong = 0, []
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for _ in range(50):
        s = socket.socket(family, kind)
        s.settimeout(5)
        s.connect((sys.argv[1], {PORT}))
        if kind == socket.SOCK_DGRAM:
            s.send(b"who")
        said = s.recv(200).decode().split()
        me = s.getsockname()
        seen += 1
        if said[0].removeprefix("::ffff:") != me[0] or int(said[1]) != me[1]:
            wrong.append([said, me])
        s.close()
print(json.dumps([seen, wrong]))
"""


@pytest.fixture(scope="module")
def lab():
    with Border(servers=2) as lab:
        lab.serve_http()
        for s in lab.servers:
            s.node.start("who", "/usr/bin/python3", "-c", WHO)
            wait_for(f"who on {s.name}", lambda n=s.node: n.listening(PORT))
        lab.start_sluice()
        lab.nat = config = lab.config()
        lb = config["sluice-lb:load-balancers"]["load-balancer"][0]
        # In the quiet after a start strays are not told that they are: in another mode another worker looks for them.
        lb.setdefault("timeouts", {})["restart-quiet"] = 0
        lb["services"]["service"] = []
        for fam, vip in ((4, VIP4), (6, VIP6)):
            lb["pools"]["pool"].append({"name": f"who{fam}", "servers": {"server": [
                {"name": s.name, "address": s.ip4 if fam == 4 else s.ip6, "port": PORT} for s in lab.servers]}})
            for name, port, proto in (("web", 80, "tcp"), ("who", PORT, "tcp"), ("who", PORT, "udp")):
                lb["services"]["service"].append(
                    {"name": f"{name}{fam}{proto}", "address": vip, "port": port, "protocol": proto,
                     "pool": f"{name}{fam}", "forwarding": "nat"})
        lab.configure(config)
        lab.wait_all_up()
        yield lab


@BOTH
def test_servers_see_the_client_itself(lab, vip):
    seen, wrong = json.loads(lab.client.out("/usr/bin/python3", "-c", ASK, vip))
    assert seen == 100 and wrong == []


@BOTH
def test_two_hundred_keepalive_connections_see_no_error(lab, vip):
    r = wrk(lab.client, f"http://[{vip}]/" if ":" in vip else f"http://{vip}/", 200, 3, threads=1)
    print(r["text"])
    assert r["errors"] == 0 and r["requests"] > 500


def test_a_server_speaks_to_the_client_by_itself_through_the_kernel(lab):
    out = lab.servers[0].node.out("ping", "-c", "2", "-i", "0.2", "-W", "2", "10.10.0.2")
    assert " 2 received" in out
    server = lab.client.start("who", "/usr/bin/python3", "-c", WHO)
    try:
        wait_for("who on the client", lambda: lab.client.listening(PORT))
        ask = f"import socket; s = socket.create_connection(('10.10.0.2', {PORT}), 5); print(s.recv(99).decode())"
        assert "10.20.0.11" in lab.servers[0].node.out("/usr/bin/python3", "-c", ask)
    finally:
        server.kill()


def test_nothing_was_refused(lab):
    drops = lab.counters()["drop"]
    assert {k: n for k, n in drops.items() if n and k in ("nat-conflict", "no-flow", "handover-full")} == {}


def test_a_change_of_mode_ends_connections_at_once_and_takes_new_ones(lab):
    fullnat = copy.deepcopy(lab.nat)
    for service in fullnat["sluice-lb:load-balancers"]["load-balancer"][0]["services"]["service"]:
        service |= {"forwarding": "fullnat", "local-address-pool": "snat"}

    def hold():
        held = [lab.client.tcp_socket(socket.AF_INET6 if ":" in v else socket.AF_INET) for v in (VIP4, VIP6) * 4]
        for s, v in zip(held, (VIP4, VIP6) * 4):
            s.settimeout(5)
            s.connect((v, 80))
            assert request(s).startswith("s")
        return held

    for config in (fullnat, lab.nat):
        held = hold()
        lab.configure(config)
        for s in held:
            with pytest.raises(ConnectionResetError):
                request(s)
            s.close()
        for s in hold():
            s.close()
