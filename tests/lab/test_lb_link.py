# SPDX-License-Identifier: BSD-3-Clause
"""sluice-lb alone, without sluiced: configured over the control link by the test itself.

Real curl and nginx over IPv4 and IPv6; restarts from the last good snapshot; refusals; and peers that send
garbage, while a crowd of clients must not notice anything.
"""
import random
import re
import socket
import struct
import time

import ctl_link as cl
import pytest
from border import VIP4, VIP6, Border, sums_hold
from clients import Crowd, shares
from lab import LabError, SLUICE_UID, program, run, wait_for

WEIGHTS = (2, 1, 1)


def records(lab, weights=WEIGHTS, flow_max=65536, health=None, on_down=cl.RESET):
    """The usual configuration: one pool and one service of each family."""
    r = [cl.settings(flow_max), cl.port(10, "up"), cl.port(11, "down"), cl.local_pool(20, "snat")]
    for i, a in enumerate(("10.20.0.200", "10.20.0.201", "fd20::200", "fd20::201")):
        r.append(cl.local_address(30 + i, 20, a))
    for fam, vip in ((4, VIP4), (6, VIP6)):
        r.append(cl.pool(40 + fam, f"web{fam}", on_down, health=health))
        for i, s in enumerate(lab.servers):
            r.append(cl.server(fam * 100 + i, 40 + fam, s.name, s.ip4 if fam == 4 else s.ip6, weight=weights[i]))
        r.append(cl.service(50 + fam, 40 + fam, 20, f"web{fam}", vip))
    return r


def link(lab, role=cl.CONTROL):
    c = cl.CtlLink(lab.base / "run" / "lb.ctl")
    c.hello(role)
    return c


@pytest.fixture()
def lab():
    with Border(servers=3) as lab:
        lab.serve_http()
        lab.lb = lab.start_lb()
        lab.link = link(lab)
        lab.link.transaction(0, 1, records(lab))
        yield lab
        lab.link.close()


def curl(lab, vip):
    host = f"[{vip}]" if ":" in vip else vip
    return lab.client.out("curl", "-sSfg", "--max-time", "5", f"http://{host}/").strip()


def adds_up(c):
    return sums_hold(c.query("counters")["sum"])


def test_balances_both_families_by_weight(lab):
    for vip in (VIP4, VIP6):
        assert curl(lab, vip) in ("s1", "s2", "s3")
        got = shares(lab.client, vip, 400)
        total = sum(got.values())
        for s, w in zip(lab.servers, WEIGHTS):
            assert abs(got[s.name] / total - w / sum(WEIGHTS)) < 0.01, got
    wait_for("counters add up", lambda: adds_up(lab.link))
    assert lab.link.query("counters")["sum"]["dropped"] == 0


def test_state_and_flows_of_real_traffic(lab):
    crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 10, 0.1)
    crowd.wait_all()
    state = lab.link.query("state")
    lb = state["sluice-lb:load-balancers"]["load-balancer"][0]
    assert lb["name"] == "lb" and lb["state"]["applied-version"] == "1" and lb["state"]["connected"] is True
    for s in lb["services"]["service"]:
        assert int(s["state"]["active-flows"]) == 5, s
    by_name = {i["name"]: i for i in state["ietf-interfaces:interfaces"]["interface"]}
    assert set(by_name) == {"up", "down"}
    for i in by_name.values():
        assert i["oper-status"] == "up" and i["sluice-port:port-state"]["wakeup"] is True
        assert int(i["statistics"]["in-octets"]) > 0
    flows = lab.link.query("flows", filter="established", limit=1000)
    assert flows["total"] == 10 and len(flows["flows"]) == 10
    assert lab.link.query("flows", filter=f"service={VIP4}:80")["total"] == 5
    doctor = {p["name"]: p for p in lab.link.query("doctor")["ports"]}
    assert doctor["up"]["xdp"] == "driver" and doctor["up"]["fd"] and doctor["up"]["driver"] == "veth"
    crowd.stop()


def test_telemetry_answers(lab):
    curl(lab, VIP4)
    path = lab.base / "run" / "dpdk" / "lb" / "dpdk_telemetry.v2"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(5)
        s.connect(str(path))
        s.recv(16384)
        for command, word in (("services", b'"web4"'), ("servers", b"web4/s1"), ("flows", b'"size"')):
            s.send(f"/sluice/lb/{command}".encode())
            assert word in s.recv(16384)


def test_runs_without_root(lab):
    status = open(f"/proc/{lab.lb.pid}/status").read()
    assert re.search(rf"^Uid:\s+{SLUICE_UID}\s+{SLUICE_UID}\s+{SLUICE_UID}", status, re.M), status
    caps = int(re.search(r"^CapEff:\s+(\w+)", status, re.M).group(1), 16)
    assert caps == 1 << 12 | 1 << 13 | 1 << 14 | 1 << 39, hex(caps)  # NET_ADMIN, NET_RAW, IPC_LOCK, BPF


def test_kill_and_restart_keeps_every_connection(lab):
    lab.link.transaction(1, 2, [cl.server(400, 44, "s1", lab.servers[0].ip4, weight=3)])
    lab.link.close()
    crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 100, 0.2)
    crowd.wait_all()
    for _ in range(3):
        lab.lb.kill()
        start = time.monotonic()
        lab.lb = lab.start_lb()
        assert time.monotonic() - start < 1.0
        wait_for("every connection goes on", lambda s=start: crowd.went_on(s) == 100, 10)
    assert not any(crowd.lost().values()), crowd.lost()
    lab.link = link(lab)
    assert lab.link.applied == 2 and lab.link.datastore == cl.DATASTORE
    assert lab.link.query("counters")["detail"]["flows-taken-over"] >= 100
    lab.link.transaction(2, 3, [cl.server(400, 44, "s1", lab.servers[0].ip4, weight=2)])
    crowd.stop()


def test_clean_stop_and_start_keeps_every_connection(lab):
    lab.link.close()
    crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 50, 0.2)
    crowd.wait_all()
    assert lab.lb.stop() == 0
    start = time.monotonic()
    lab.lb = lab.start_lb()
    wait_for("every connection goes on", lambda: crowd.went_on(start) == 50, 10)
    assert not any(crowd.lost().values()), crowd.lost()
    crowd.stop()


def test_a_damaged_snapshot_is_set_aside(lab):
    lab.link.close()
    lab.lb.kill()
    snapshot = lab.base / "lib" / "lb.snapshot"
    data = bytearray(snapshot.read_bytes())
    data[20] ^= 1
    snapshot.write_bytes(data)
    lab.lb = lab.start_lb()
    assert (lab.base / "lib" / "lb.snapshot.bad").read_bytes() == data
    lab.link = link(lab)
    assert lab.link.applied == 0
    lab.link.transaction(0, 1, records(lab))
    assert curl(lab, VIP4)


@pytest.mark.parametrize("health", [cl.DOWN, cl.UP])
def test_verdicts_act_at_once_and_survive_a_restart(lab, health):
    lab.link.transaction(1, 2, records(lab, health=cl.check(cl.CHECK_TCP)))
    with link(lab, cl.CHECKER) as checker:
        assert checker.targets[400] == {"pool": "web4", "name": "s1"} and len(checker.targets) == 6
        checker.verdict(400, cl.DOWN, "refused")
        wait_for("s1 is out", lambda: not shares(lab.client, VIP4, 8)["s1"])
        if health == cl.UP:
            checker.verdict(400, cl.UP)
            wait_for("s1 is back", lambda: shares(lab.client, VIP4, 8)["s1"] > 0)
        lab.link.transaction(2, 3, deletes=[(cl.SERVER, 401)])
        wait_for("the checker is told", lambda: checker.query("doctor") and 401 not in checker.targets)
    time.sleep(0.7)  # verdicts are saved every half second
    lab.link.close()
    lab.lb.kill()
    lab.lb = lab.start_lb()
    got = shares(lab.client, VIP4, 20)
    assert (got["s1"] == 0) == (health == cl.DOWN) and got["s2"] == 0, got
    assert shares(lab.client, VIP6, 20)["s1"] > 0


def refused(lab, upserts=(), deletes=()):
    with pytest.raises(cl.LinkError) as e:
        lab.link.transaction(lab.link.applied, lab.link.applied + 1, upserts, deletes)
    assert e.value.ack.applied == lab.link.applied and e.value.ack.message
    return e.value.ack


def test_refusals_name_the_record_and_leave_traffic_alone(lab):
    crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 50, 0.1)
    crowd.wait_all()
    a = refused(lab, [cl.service(60, 44, 20, "again", VIP4)])
    assert (a.rec_id, a.field) == (60, "address") and "web4" in a.message and "again" in a.message
    a = refused(lab, deletes=[(cl.POOL, 44)])
    assert a.rec_id in (54, 400, 401, 402)
    a = refused(lab, [cl.port(12, "ghost0")])
    assert (a.rec_type, a.rec_id) == (cl.PORT, 12) and "ghost0" in a.message
    a = refused(lab, [cl.settings(flow_max=1 << 28)])
    assert (a.rec_type, a.field) == (cl.SETTINGS, "flow-table/size")
    a = refused(lab, [cl.settings(flow_max=4096, flow_max6=4097)])
    assert (a.rec_type, a.field) == (cl.SETTINGS, "flow-table/ipv6-size")
    a = refused(lab, [cl.server(400, 44, "s1", "10.20.0.11", weight=257)])
    assert (a.rec_id, a.field) == (400, "weight")
    a = refused(lab, deletes=[(cl.LOCAL_ADDRESS, 32), (cl.LOCAL_ADDRESS, 33)])
    assert (a.rec_id, a.field) == (56, "local-address-pool")
    lab.link.begin(7, 8)
    assert lab.link.prepare(8).result == -116  # ESTALE
    since = time.monotonic()
    wait_for("all go on", lambda: crowd.went_on(since) == 50)
    assert not any(crowd.lost().values())
    crowd.stop()


def hostile():
    """(what, bytes) that a peer may send after or instead of HELLO."""
    rng = random.Random(7)
    frame = cl.message
    hello = frame(cl.HELLO, struct.pack("=IHH64s16sQ", cl.MAGIC, cl.VERSION, cl.CONTROL, b"lb", b"", 0))
    begin = frame(cl.BEGIN, struct.pack("=QQ16s", 0, 9, cl.DATASTORE))
    good = cl.server(400, 44, "s1", "10.20.0.11")
    yield "random bytes", rng.randbytes(100000)
    yield "zeros", bytes(4096)
    yield "a huge length", hello + struct.pack("=IHHII", 0xFFFFFFF8, cl.UPSERT, 0, 1, 0xFFFFFFE8)
    yield "no HELLO", begin
    yield "another protocol", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "a record cut short", hello + begin + frame(cl.UPSERT, good[:-8])
    yield "half a message", (hello + begin)[:-5]
    yield "a private record", hello + begin + frame(cl.UPSERT, cl.record(0x8001, 1, bytes(16)))
    yield "commit out of turn", hello + frame(cl.COMMIT, struct.pack("=Q", 9))
    for i in range(40):
        bad = bytearray(hello + begin + b"".join(frame(cl.UPSERT, good) for _ in range(3)))
        for _ in range(rng.randint(1, 8)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        yield f"flipped {i}", bytes(bad)


def test_garbage_on_the_link_leaves_traffic_untouched(lab):
    crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 50, 0.1)
    crowd.wait_all()
    before = lab.link.query("state")["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]
    for what, data in hostile():
        with cl.CtlLink(lab.base / "run" / "lb.ctl") as c:
            try:
                c.send_raw(data)
                c.s.shutdown(socket.SHUT_WR)
                c.closed()
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert lab.lb.alive(), what
    idle = [cl.CtlLink(lab.base / "run" / "lb.ctl") for _ in range(40)]  # more than there are places
    for c in idle:
        c.close()
    lab.link.close()
    lab.link = wait_for("a place on the link", lambda: link(lab))
    assert lab.link.applied == 1
    after = lab.link.query("state")["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]
    strip = [[(s["name"], s["state"]["health"], s["state"]["available"]) for s in p["servers"]["server"]]
             for p in after["pool"]]
    assert strip == [[(s["name"], s["state"]["health"], s["state"]["available"]) for s in p["servers"]["server"]]
                     for p in before["pool"]]
    since = time.monotonic()
    wait_for("all go on", lambda: crowd.went_on(since) == 50)
    assert not any(crowd.lost().values())
    crowd.stop()


def test_only_the_right_users_may_connect(lab):
    script = ("import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);s.settimeout(5);"
              "print('closed' if s.recv(1)==b'' else 'open')")
    sock = str(lab.base / "run" / "lb.ctl")
    out = run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", script,
               sock]).stdout
    assert out.strip() == "closed"
    with pytest.raises(LabError, match="timed out"):
        run(["setpriv", "--reuid", str(SLUICE_UID), "--regid", str(SLUICE_UID), "--clear-groups", "/usr/bin/python3",
             "-c", script, sock])


def test_one_process_an_instance(lab):
    p = lab.border.start("second", program("sluice-lb"), "--base", lab.base, "--user", SLUICE_UID)
    assert p.wait(20) != 0
    assert "runs already" in p.text()
    assert curl(lab, VIP4)


def test_detach_gives_everything_up(lab):
    lab.link.close()
    p = lab.border.run(program("sluice-lb"), "--base", lab.base, "--detach", check=False)
    assert p.returncode != 0 and "runs" in p.stdout, p.stdout  # not under a process that serves
    assert curl(lab, VIP4)
    assert lab.lb.stop() == 0
    assert "xdp" in lab.border.out("ip", "link", "show", "up")
    lab.border.run(program("sluice-lb"), "--base", lab.base, "--detach")
    assert "xdp" not in lab.border.out("ip", "link", "show", "up")
    assert VIP4 not in lab.border.out("ip", "addr")
    assert "sluice" not in lab.border.out("nft", "list", "tables")
