# SPDX-License-Identifier: BSD-3-Clause
"""What an operator sees and does while traffic runs: show flows, clear flow, explain, top, preview."""
import json
import socket
import subprocess
import sys

import pytest
from border import VIP4, VIP6, Border, sluice_env, sums_hold
from lab import NETCONFD_UID, program, wait_for
from rpc_client import RpcError
from rpc_daemon import AS_UID
from test_cli import USAGE, Cli

UDP_ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
while True:
    data, peer = s.recvfrom(2048)
    s.sendto(data, peer)
"""


class Talker:
    """Connections of the client that stay open and say nothing."""

    def __init__(self, node, targets):
        self.node, self.socks = node, []
        node.in_netns(self._open, targets)

    def _open(self, targets):
        for host, port in targets:
            s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            s.settimeout(5)
            s.connect((host, port))
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in s.recv(4096)
            self.socks.append(s)

    def names(self):
        return [(f"[{n[0]}]:{n[1]}" if ":" in n[0] else f"{n[0]}:{n[1]}") for n in (s.getsockname() for s in self.socks)]

    def is_reset(self, i, timeout=3.0):
        """Has this connection been reset (without a word of ours)?"""
        self.socks[i].settimeout(timeout)
        try:
            return self.socks[i].recv(1) == b"" and False
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def answers(self, i):
        self.socks[i].settimeout(5)
        self.socks[i].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return b" 200 " in self.socks[i].recv(4096)

    def alive(self, i):
        try:
            return self.answers(i)
        except OSError:
            return False

    def close(self):
        for s in self.socks:
            s.close()


@pytest.fixture(scope="module")
def border():
    with Border(servers=3) as lab:
        lab.serve_http()
        for s in lab.servers:
            s.node.start("udp-echo", "/usr/bin/python3", "-c", UDP_ECHO)
        lab.start_lb("--workers", "2")
        lab.start_sluiced()
        config = lab.config(check="none")
        lb = config["sluice-lb:load-balancers"]["load-balancer"][0]
        lb["pools"]["pool"].append({"name": "dns", "health-check": {"type": "none"}, "servers": {"server": [
            {"name": s.name, "address": s.ip4, "port": 5353} for s in lab.servers]}})
        lb["services"]["service"].append({"name": "dns", "address": VIP4, "port": 53, "protocol": "udp", "pool": "dns",
                                          "local-address-pool": "snat"})
        lab.configure(config)
        lab.cli = Cli(lab.border, lab.base)
        yield lab


@pytest.fixture
def cli(border):
    border.cli("discard")
    border.cli("clear", "flow", "--all")
    wait_for("no flows", lambda: border.cli.json("show", "flows")["total"] == 0, 15)
    yield border.cli


def flows(cli, *words):
    return cli.json("show", "flows", *words)


def held(server, port=80):
    """Established connections of a server's port."""
    out = server.node.out("ss", "-Htn", "state", "established", "sport", "=", f":{port}")
    return len(out.splitlines())


def udp(lab, count):
    def talk():
        for _ in range(count):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(3)
                s.sendto(b"x", (VIP4, 53))
                assert s.recv(10) == b"x"

    lab.client.in_netns(talk)


def test_show_flows_filters_sorts_and_pages(border, cli):
    t = Talker(border.client, [(VIP4, 80)] * 6 + [(VIP6, 80)] * 3)
    udp(border, 4)
    t.answers(4)  # the one with most packets
    names = t.names()
    total = {w: flows(cli, *w.split())["total"] for w in (
        "tcp", "udp", "established", "ipv6", "tcp ipv4", f"client={names[0]}", f"service={VIP4}:80", "service=web4",
        "client=10.10.0.0/24", "client=10.99.0.0/16", "local=10.20.0.200/31", "local=fd20::/64", "port=53", "context=0",
        "context=3", "idle-max=60", "age-min=1h", f"tcp {names[1]} {VIP4}:80", "server=dns/s1", "service=dns udp")}
    assert total == {
        "tcp": 9, "udp": 4, "established": 9, "ipv6": 3, "tcp ipv4": 6, f"client={names[0]}": 1, f"service={VIP4}:80": 6,
        "service=web4": 6, "client=10.10.0.0/24": 10, "client=10.99.0.0/16": 0, "local=10.20.0.200/31": 10,
        "local=fd20::/64": 3, "port=53": 4, "context=0": 13, "context=3": 0, "idle-max=60": 13, "age-min=1h": 0,
        f"tcp {names[1]} {VIP4}:80": 1, "server=dns/s1": total["server=dns/s1"], "service=dns udp": 4}
    assert 1 <= total["server=dns/s1"] <= 3
    by_server = sum(flows(cli, f"server=web4/{s.name}")["total"] for s in border.servers)
    assert by_server == 6
    # the greatest first
    top = flows(cli, "tcp", "--sort", "packets", "--limit", "1")
    assert top["total"] == 9 and top["flows"][0]["client"] == names[4]
    ages = [f["age-ms"] for f in flows(cli, "--sort", "age")["flows"]]
    assert len(ages) == 13 and ages == sorted(ages, reverse=True)
    # page by page, each flow once
    seen, after = [], []
    while True:
        page = flows(cli, "tcp", "--limit", "2", *after)
        seen += [f["client"] for f in page["flows"]]
        if "next" not in page:
            break
        after = ["--after", page["next"]]
    assert sorted(seen) == sorted(names)
    text = cli.out("show", "flows", "tcp", "--limit", "2")
    assert "2 of 9 flows" in text and "--after" in text
    for bad, why in ((["--sort", "colour"], "--sort takes"), (["--limit", "-1"], "--limit takes"),
                     (["--sort", "age", "--after", "0:0"], "--after goes with")):
        assert why in cli("show", "flows", *bad, rc=USAGE).stderr
    assert "service=nobody" in cli.err("show", "flows", "service=nobody")
    t.close()


def test_clear_flow_resets_both_sides(border, cli):
    t = Talker(border.client, [(VIP4, 80)] * 4 + [(VIP6, 80)] * 2)
    names = t.names()
    udp(border, 3)
    before = sum(held(s) for s in border.servers)
    assert before == 6
    # one, by its tuple; nobody says a word, and both ends are told
    assert cli.out("clear", "flow", "tcp", names[0], f"{VIP4}:80") == "1 flow ended\n"
    assert t.is_reset(0)
    wait_for("the server is told, too", lambda: sum(held(s) for s in border.servers) == 5, 3)
    wait_for("the flow is gone", lambda: flows(cli, f"client={names[0]}")["total"] == 0, 3)
    assert all(t.answers(i) for i in range(1, 6))
    # those of a family
    assert cli.json("clear", "flow", "tcp", "ipv6") == {"ended": 2}
    assert t.is_reset(4) and t.is_reset(5) and all(t.answers(i) for i in range(1, 4))
    # UDP ends at once
    assert cli.out("clear", "flow", "service=dns") == "3 flows ended\n"
    assert flows(cli, "udp")["total"] == 0
    # all, only when said so
    assert "--all" in cli("clear", "flow", rc=USAGE).stderr
    assert "not both" in cli("clear", "flow", "--all", "tcp", rc=USAGE).stderr
    assert cli.json("clear", "flow", "--all") == {"ended": 3}
    assert all(t.is_reset(i) for i in range(1, 4))
    wait_for("servers hold nothing", lambda: sum(held(s) for s in border.servers) == 0, 3)
    wait_for("nothing lives", lambda: flows(cli)["total"] == 0, 3)
    c = border.lb_state()
    for s in c["services"]["service"]:
        assert s["state"]["active-flows"] == "0", s
    wait_for("counters add up", lambda: sums_hold(border.counters()["sum"]))
    t.close()


def test_clear_flow_asks_for_the_right_to_change(border, cli):
    t = Talker(border.client, [(VIP4, 80)])
    with border.rpc() as root:
        for method, params, why in (("app-query", {"name": "clear", "args": {"all": True}}, "clear-flows"),
                                    ("clear-flows", {"filter": "tcp", "all": True}, "not both"),
                                    ("clear-flows", {}, "a filter says"),
                                    ("clear-flows", {"instance": "nobody", "all": True}, "nobody")):
            with pytest.raises(RpcError) as e:
                root.call(method, **{"instance": "lb", **params})
            assert why in str(e.value)
    # ann may read, and by default write nothing
    calls = [{"method": "session", "params": {"user": "ann", "source": "192.0.2.1", "transport": "netconf-ssh"}},
             {"method": "app-query", "params": {"instance": "lb", "name": "flows"}},
             {"method": "clear-flows", "params": {"instance": "lb", "all": True}}]
    lines = "".join(json.dumps({"jsonrpc": "2.0", "id": n, **c}) + "\n" for n, c in enumerate(calls))
    out = subprocess.run([sys.executable, "-c", AS_UID, str(border.base / "run" / "sluiced.sock"), str(NETCONFD_UID)],
                         input=lines, text=True, capture_output=True, timeout=60, check=True).stdout
    answers = [json.loads(x) for x in out.splitlines()]
    assert answers[1]["result"]["total"] == 1
    assert answers[2]["error"]["data"]["error-tag"] == "access-denied", answers
    assert t.answers(0)
    assert cli.json("clear", "flow", "tcp") == {"ended": 1}
    assert t.is_reset(0)
    t.close()


def connect_from(lab, port, host, service=80):
    """One connection of the client from this port; returns the name of the server that answers."""
    def talk():
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
            s.settimeout(5)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("", port))
            s.connect((host, service))
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = s.recv(4096)
            assert b" 200 " in answer
            return answer.rsplit(b"\n", 2)[-2].decode(), json.loads(lab.cli.out(
                "--json", "show", "flows", f"port={port}"))["flows"][0]

    return lab.client.in_netns(talk)


def test_explain_says_what_comes(border, cli):
    for n, (host, client, vip) in enumerate([(VIP4, "10.10.0.2", "web4"), (VIP6, "fd10::2", "web6")] * 4):
        port = 41000 + n
        v6 = ":" in host
        tuple_ = ("tcp", f"[{client}]:{port}" if v6 else f"{client}:{port}", f"[{host}]:80" if v6 else f"{host}:80")
        said = [cli.json("explain", *tuple_) for _ in range(3)]
        for e in said[1:]:  # asking moves nothing
            assert (e["new-flow"], e["worker"]) == (said[0]["new-flow"], said[0]["worker"])
        e = said[0]
        assert e["service"] == vip and e["services"] == [
            {"name": vip, "address": host, "port": "80", "chosen": True, "enabled": True}]
        assert "flow" not in e and e["verdict"] == f"a new flow to server '{e['new-flow']['server']}'"
        server, flow = connect_from(border, port, host)
        assert server == e["new-flow"]["server"] == flow["server-name"]
        assert flow["local"] == e["new-flow"]["local"] and flow["worker"] == e["worker"]
        assert e["to-client"]["port"] == "up" and e["to-server"]["port"] == "down"
        assert [s["name"] for s in e["pool"]["candidates"] if s["chosen"]] == [server]
        again = cli.json("explain", *tuple_)
        assert again["flow"][0]["local"] == flow["local"] and "exists" in again["verdict"]
    text = cli.out("explain", "tcp", "10.10.0.2:50000", f"{VIP4}:80", "port", "up")
    for word in ("a new flow to server", "web4", "weighted-round-robin", "3 of 3 servers", "next in turn", "via 10.20.0."):
        assert word in text, text
    assert "kernel's" in cli.out("explain", "tcp", "10.10.0.2:50000", f"{VIP4}:81")
    assert "kernel's" in cli.out("explain", "tcp", "10.10.0.2:50000", f"{VIP4}:80", "context", "7")
    assert "local address" in cli.out("explain", "tcp", "10.20.0.11:80", "10.20.0.200:4000")
    cli("set", "server", "web4", "s1", "admin-state", "drain")
    cli("set", "service", "web6", "enabled", "false")
    cli("commit")
    e = cli.json("explain", "tcp", "10.10.0.2:50000", f"{VIP4}:80")
    assert e["pool"]["take-new-flows"] == 2
    assert [s["reason"] for s in e["pool"]["candidates"] if not s["takes-new-flows"]] == ["drained by the operator"]
    assert "disabled" in cli.out("explain", "tcp", "[fd10::2]:50000", f"[{VIP6}]:80")
    cli("set", "server", "web4", "s1", "admin-state", "enabled")
    cli("set", "service", "web6", "enabled", "true")
    cli("commit")
    for bad, rc in ((["tcp", "10.10.0.2:1", f"{VIP4}:80", "color", "7"], USAGE), (["tcp", "10.10.0.2:1"], USAGE),
                    (["tcp", "10.10.0.2", f"{VIP4}:80"], 1), (["sctp", "10.10.0.2:1", f"{VIP4}:80"], 1),
                    (["tcp", "10.10.0.2:1", f"{VIP4}:80", "port", "nobody"], 1)):
        cli("explain", *bad, rc=rc)


def test_top_shows_rates(border, cli):
    t = Talker(border.client, [(VIP4, 80)] * 2)
    load = border.client.start("wrk", "wrk", "-t", "1", "-c", "4", "-d", "4s", f"http://{VIP4}/")

    def busy():
        top = cli.json("top", "-n", "1")
        web4 = next(s for s in top["services"] if s["name"] == "web4")
        return top if web4["in-packets"] > 100 and web4["out-octets"] > 10000 else None

    top = wait_for("rates of the load", busy, 5, 0.2)
    assert top["services"][0]["name"] == "web4" and top["services"][0]["active-flows"] >= 6
    assert {s["pool"] for s in top["servers"][:3]} == {"web4"} and len(top["servers"]) == 9
    assert sum(s["in-packets"] for s in top["servers"]) == pytest.approx(top["services"][0]["in-packets"], rel=0.5)
    assert len(top["workers"]) == 2 and sum(w["received"] for w in top["workers"]) > 100
    assert 0 < max(w["busy-permille"] for w in top["workers"]) <= 1000
    assert {p["name"] for p in top["ports"]} == {"up", "down"}
    assert all(p["in-packets"] > 50 and p["out-octets"] > 1000 for p in top["ports"])
    assert top["all"]["active-flows"] >= 6 and top["all"]["flow-table-size"] == 65536
    text = cli.out("top", "--count", "2", "--delay", "0.1", "--sort", "octets", "--limit", "1")
    assert text.count("instance lb") == 2 and "web4" in text and "WORKER" in text and "IN BIT/s" in text
    assert "\033" not in text
    load.p.wait(15)
    wait_for("silence", lambda: cli.json("top", "-n", "1")["all"]["in-packets"] == 0, 6, 0.2)
    for bad in (["-n", "0"], ["-x"], ["--delay", "0"], ["--limit", "x"]):
        cli("top", *bad, rc=USAGE)
    cli("top", "-n", "1", "--sort", "color", rc=1)
    t.close()


def test_preview_says_what_a_commit_would_end(border, cli):
    assert cli.out("commit", "--preview") == "no difference\n"
    t = Talker(border.client, [(VIP4, 80)] * 6 + [(VIP6, 80)] * 2)
    udp(border, 3)
    by_server = {s.name: flows(cli, f"server=web4/{s.name}")["total"] for s in border.servers}
    version = cli.json("show", "state")["version"]
    cli("delete", "server", "web4", "s1")
    cli("set", "server", "web4", "s2", "admin-state", "drain")
    cli("set", "server", "web4", "s3", "admin-state", "disabled")
    cli("delete", "service", "web6")
    cli("set", "service", "dns", "port", "54")
    cli("set", "service", "wide", "address", "10.10.0.0", "prefix-length", "24", "port", "0", "protocol", "tcp", "pool", "web4",
        "local-address-pool", "snat")
    p = cli.json("commit", "--preview")
    said = {e["path"].split("/")[-1].split("'")[1]: (e["kind"], e.get("flows")) for e in p["effects"] if e["kind"] != "match"}
    assert said == {"s1": ("flows-end", by_server["s1"]), "s2": ("no-new-flows", by_server["s2"]),
                    "s3": ("flows-reset", by_server["s3"]), "web6": ("flows-end", 2), "dns": ("flows-end", 3)}
    assert p["flows-at-most"] == by_server["s1"] + by_server["s3"] + 5
    match = [e["text"] for e in p["effects"] if e["kind"] == "match"]
    assert match == ["service 'wide' leaves to service 'web4' what matches that longest"]
    assert any(d["operation"] == "delete" and "s1" in d["path"] for d in p["diff"])
    text = cli.out("commit", "--preview")
    assert "server 's3' of pool 'web4' is disabled: its flows are reset" in text and "nothing is changed yet" in text
    # nothing has changed
    assert cli.json("show", "state")["version"] == version and all(t.answers(i) for i in range(8))
    # and a commit does as was said
    cli("commit")
    assert sum(t.alive(i) for i in range(8)) == by_server["s2"]
    cli("rollback", str(version), "--commit")
    t.close()


SNAT = "/sluice-lb:load-balancers/load-balancer[name='lb']/local-address-pools/local-address-pool[name='snat']"


def effects(preview):
    return sorted((e["kind"], e["path"].split("'")[-2], e.get("flows")) for e in preview["effects"])


def test_preview_goes_by_the_pool_as_it_will_be(border, cli):
    t = Talker(border.client, [(VIP4, 80)] * 6)
    of_s1 = flows(cli, "server=web4/s1")["total"]
    version = cli.json("show", "state")["version"]
    assert of_s1 > 0
    # The pool keeps and a server is disabled, in one commit: nothing ends.
    cli("set", "pool", "web4", "on-server-down", "keep")
    cli("set", "server", "web4", "s1", "admin-state", "disabled")
    p = cli.json("commit", "--preview")
    assert effects(p) == [("no-new-flows", "s1", of_s1)] and (p["flows-at-most"], p["uncounted"]) == (0, 0)
    cli("commit")
    assert all(t.answers(i) for i in range(6)) and flows(cli, "server=web4/s1")["total"] == of_s1
    # Back to reset: what was kept is reset, and said before.
    cli("set", "pool", "web4", "on-server-down", "reset")
    p = cli.json("commit", "--preview")
    assert effects(p) == [("flows-reset", "web4", of_s1)] and p["flows-at-most"] == of_s1
    assert all(t.answers(i) for i in range(6))
    cli("commit")
    assert sum(t.alive(i) for i in range(6)) == 6 - of_s1
    cli("rollback", str(version), "--commit")
    t.close()


def test_preview_counts_a_local_address_and_tells_all_of_a_service(border, cli):
    t = Talker(border.client, [(VIP4, 80)] * 24)
    version = cli.json("show", "state")["version"]
    using = flows(cli, "local=10.20.0.200")["total"]
    assert 0 < using < 24
    cli("delete", SNAT + "/address", "10.20.0.200")
    p = cli.json("commit", "--preview")
    assert effects(p) == [("flows-break", "10.20.0.200", using)] and (p["flows-at-most"], p["uncounted"]) == (using, 0)
    assert "local address 10.20.0.200 goes" in cli.out("commit", "--preview")
    cli("discard")
    cli("set", "service", "dns", "port-max", "60")
    assert cli.json("commit", "--preview")["effects"] == []  # more ports end nothing
    cli("commit")
    udp(border, 3)
    cli("set", "service", "dns", "port-max", "55")
    assert effects(cli.json("commit", "--preview")) == [("range", "dns", 3)]
    cli("set", "service", "dns", "forwarding", "nat")
    cli("delete", "service", "dns", "local-address-pool")
    p = cli.json("commit", "--preview")
    assert effects(p) == [("flows-end", "dns", 3)] and p["flows-at-most"] == 3
    cli("discard")
    cli("rollback", str(version), "--commit")
    t.close()


def test_completion_and_manual(border, cli):
    def complete(*words):
        return cli.out("--complete", "--", *words).split()

    assert complete("sh") == ["show"] and "flow" in complete("clear", "")
    assert complete("show", "serv") == ["services", "servers"]
    assert complete("show", "flows", "--s") == ["--sort"] and complete("--ins") == ["--instance"]
    assert sorted(complete("show", "servers", "")) == ["dns", "web4", "web6"]
    assert complete("show", "services", "web6") == ["web6"]
    assert complete("show", "flows", "service=w") == ["service=web4", "service=web6"]
    assert sorted(complete("set", "server", "")) == ["dns", "web4", "web6"]
    assert sorted(complete("set", "server", "web4", "")) == ["s1", "s2", "s3"]
    assert sorted(complete("set", "service", "")) == ["dns", "web4", "web6"]
    assert "admin-state" in complete("set", "server", "web4", "s1", "a")
    assert sorted(complete("explain", "tcp", "1.1.1.1:1", "2.2.2.2:2", "port", "")) == ["down", "up"]
    assert complete("watch", "1", "show", "po") == ["pools", "ports"]
    assert complete("--instance", "lb", "show", "services", "d") == ["dns"]
    assert complete("--instance", "nobody", "show", "services", "") == [] and complete("nonsense", "") == []
    # as a shell asks
    script = cli.out("completion", "bash")
    env = {**sluice_env(), "SLUICE_BASE": str(border.base), "PATH": f"{program('sluicectl').parent}:/usr/bin:/bin"}
    for line, want in (("sluicectl show flows service=we", ["web4", "web6"]), ("sluicectl cle", ["clear"])):
        out = subprocess.run([*border.border.prefix(), "bash", "-c", script + f"COMP_LINE='{line}'; COMP_POINT={len(line)}; "
                             "_sluicectl; printf '%s\\n' \"${COMPREPLY[@]}\""], env=env, text=True, capture_output=True,
                             timeout=20)
        assert out.stdout.split() == want, (out.stdout, out.stderr)
    page = cli.out("--man")
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page, text=True, capture_output=True, timeout=20)
    assert lint.returncode == 0, lint.stdout
    for command in ("top", "clear flow", "explain", "completion", "show flows"):
        assert f".It Ic {command}" in page
