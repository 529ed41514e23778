# SPDX-License-Identifier: BSD-3-Clause
"""sluicectl against a real sluiced and a real sluice-lb: every command, as text and with --json, its exit codes, and
what it says when it is refused."""
import json
import os
import pty
import re
import select
import subprocess
import time

import pytest
from border import Border, sluice_env
from lab import SLUICE_UID, Lab, program, wait_for

LB = "/sluice-lb:load-balancers/load-balancer[name='lb']"
OK, REFUSED, USAGE, UNREACHABLE, FAILED, WARN, BAD = range(7)


class Cli:
    """Runs sluicectl in a node with the lab's base; stdout and stderr apart."""

    def __init__(self, node, base):
        self.node, self.base = node, base

    def __call__(self, *args, rc=OK, stdin=None, env=None):
        p = subprocess.run([*self.node.prefix(), str(program("sluicectl")), "--base", str(self.base), *map(str, args)],
                           input=stdin, text=True, capture_output=True, timeout=60, env={**os.environ, **(env or {})})
        assert p.returncode == rc, f"rc {p.returncode}, wanted {rc}\n{p.stdout}\n{p.stderr}"
        return p

    def out(self, *args, **kw):
        return self(*args, **kw).stdout

    def err(self, *args, rc=REFUSED, **kw):
        return self(*args, rc=rc, **kw).stderr

    def json(self, *args, **kw):
        return json.loads(self("--json", *args, **kw).stdout)


@pytest.fixture(scope="module")
def border():
    with Border(servers=3) as lab:
        lab.serve_http()
        lab.start_sluice()
        lab.configure(lab.config())
        cli = Cli(lab.border, lab.base)
        wait_for("all servers up", lambda: all(s["state"]["health"] == "up" for p in cli.json("show", "servers")
                                               for s in p["servers"]["server"]))
        lab.cli = cli
        yield lab


@pytest.fixture
def cli(border):
    border.cli("discard")
    yield border.cli
    border.cli("discard")


@pytest.fixture
def daemon():
    """A sluiced alone, with nothing configured and no app."""
    with Lab() as lab:
        node = lab.node("border")
        p = node.start("sluiced", program("sluiced"), "--base", lab.base, "--user", SLUICE_UID, env=sluice_env())
        cli = Cli(node, lab.base)
        wait_for("sluiced", lambda: (lab.base / "run" / "sluiced.sock").exists() and p.alive())
        wait_for("sluiced answers", lambda: subprocess.run(
            [str(program("sluicectl")), "--base", str(lab.base), "show", "state"], capture_output=True,
            timeout=10).returncode == 0)
        cli.lab, cli.process = lab, p
        yield cli


# ---- show ------------------------------------------------------------------------------------


def test_show_services(border, cli):
    border.client.run("curl", "-sf", f"http://{border.vip4}/")
    out = cli.out("show", "services")
    assert re.search(rf"^web4 +{re.escape(border.vip4)}:80 +tcp +web4 +3 of 3 +\d", out, re.M), out
    assert re.search(rf"^web6 +\[{border.vip6}\]:80 +tcp +web6 +3 of 3", out, re.M), out
    services = cli.json("show", "services")
    assert [s["name"] for s in services] == ["web4", "web6"]
    assert int(services[0]["state"]["new-flows"]) >= 1
    assert len(cli.json("show", "services", "web6")) == 1
    assert "has no service 'nope'" in cli.err("show", "services", "nope")


def test_show_pools(cli):
    out = cli.out("show", "pools")
    assert re.search(r"^web4 +weighted-round-robin +http /health each 500 ms +2/2 +3 of 3 +reset", out, re.M), out
    assert cli.json("show", "pools", "web6")[0]["name"] == "web6"
    assert "has no pool 'nope'" in cli.err("show", "pools", "nope")


def test_show_servers_with_shares(border, cli):
    for _ in range(6):
        border.client.run("curl", "-sf", f"http://{border.vip4}/")
    out = cli.out("show", "servers", "web4", env={"LC_ALL": "C"})
    rows = [line for line in out.split("\n") if line.startswith("web4")]
    assert len(rows) == 3 and all(re.search(r" up .*\d+\.\d %  #+( +\d[\d.]* [mu]?s)?\s*", r) for r in rows), out
    shares = [float(re.search(r"([\d.]+) %", r).group(1)) for r in rows]
    assert abs(sum(shares) - 100) < 0.3
    assert "web6" in cli.out("show", "servers")
    assert "has no pool 'nope'" in cli.err("show", "servers", "nope")


def test_show_servers_says_why_one_is_down(border, cli):
    border.servers[2].stop_http()
    wait_for("s3 down", lambda: "down" in cli.out("get", "server", "web4", "s3", "health"))
    out = cli.out("show", "servers", "web4")
    assert re.search(r"^web4 +s3 .* down .*connect: connection refused$", out, re.M), out
    assert re.search(r"^web4 .* 2 of 3 ", cli.out("show", "services"), re.M)
    border.servers[2].serve_http()
    wait_for("s3 up", lambda: cli.out("get", "server", "web4", "s3", "health") == "up\n")


def test_show_flows(border, cli):
    border.client.run("curl", "-sf", f"http://{border.vip4}/")
    border.client.run("curl", "-sf", "-g", f"http://[{border.vip6}]/")
    out = cli.out("show", "flows", "ipv4", "port=80")
    assert re.search(rf"^tcp +\w+ +10\.10\.0\.2:\d+ +{re.escape(border.vip4)}:80 +10\.20\.0\.20\d:\d+ +10\.20\.0\.1\d:80 "
                     r"+s\d", out, re.M), out
    assert "fd10::100" not in out and "fd10::100" in cli.out("show", "flows", "ipv6")
    flows = cli.json("show", "flows", "--limit", "1")
    assert len(flows["flows"]) == 1 and flows["total"] >= 2
    assert re.search(r"1 of \d+ flows", cli.out("show", "flows", "--limit=1"))
    assert cli.out("show", "flows", "10.99.99.99") == "no flows\n"
    assert "'nonsense' is not understood" in cli.err("show", "flows", "nonsense")


def test_show_ports(cli):
    out = cli.out("show", "ports")
    assert re.search(r"^up +af-xdp +up +lb +up +[0-9a-f:]{17} ", out, re.M), out
    assert {p["name"] for p in cli.json("show", "ports")} == {"up", "down"}


def test_show_counters_add_up(cli):
    out = cli.out("show", "counters")
    assert re.search(r"^received +[\d,]+", out, re.M) and "worker 0" in out
    assert "received = forwarded" in out
    counters = cli.json("show", "counters")
    assert {"worker", "port", "drop", "sum"} <= set(counters)


def test_show_drops(cli):
    everything = cli.out("show", "drops", "--all")
    assert "table-full" in everything and "no-service" in everything
    assert {"reason", "packets"} == set(cli.json("show", "drops")[0])


def test_show_state_and_sessions(cli):
    out = cli.out("show", "state")
    assert re.search(r"^version +\d+$", out, re.M) and re.search(r"^lb +connected +\d+ +\d+$", out, re.M), out
    assert cli.out("show", "version").split("\n")[0] == out.split("\n")[0]
    assert cli.json("show", "state")["apps"][0]["instance"] == "lb"
    assert "root" in cli.out("show", "sessions")
    assert cli.json("show", "sessions")["sessions"]


def test_show_alarms(cli):
    assert cli.out("show", "alarms") == "no alarms\n"
    assert cli.json("show", "alarms") == []


def test_show_config(cli):
    out = cli.out("show", "config")
    assert "service web4" in out and "new-flows" not in out
    assert cli.out("show", "config", "service", "web4", "port") == "80\n"
    assert "sluice-lb:load-balancers" in cli.json("show", "config")
    assert "weight" not in cli.out("show", "config", "server", "web4", "s1")
    assert "weight 1" in cli.out("show", "config", "--defaults", "server", "web4", "s1")


# ---- get, set, delete, commit ----------------------------------------------------------------


def test_get_by_short_and_whole_path(cli):
    for path in (["service", "web4", "port"], ["service/web4/port"], ["lb", "lb", "service", "web4", "port"],
                 [LB + "/services/service[name='web4']/port"]):
        assert cli.out("get", *path) == "80\n"
    assert cli.json("get", "service", "web4", "port") == 80
    assert cli.out("get", "port", "up", "owner") == "lb\n"
    assert cli.out("get", "server", "web4", "s1", "health") == "up\n"
    assert "new-flows" in cli.out("get", "service", "web4")
    assert "new-flows" not in cli.out("get", "--config", "service", "web4")
    assert cli.json("get", "service")[1]["name"] == "web6"
    assert cli.err("get", "service", "nope").startswith(LB + "/services/service[name='nope']: there is nothing here")
    assert "there is no 'nope'" in cli.err("get", "nope", rc=USAGE)
    assert "state, not configuration" in cli.err("get", "--config", "server", "web4", "s1", "health", rc=USAGE)


def test_set_compare_commit_history_rollback(border, cli):
    before = int(re.search(r"version +(\d+)", cli.out("show", "state")).group(1))
    assert cli.out("set", "server", "web4", "s1", "weight", "3") == ""
    assert cli.json("set", "server", "web4", "s2", "weight", 2, "admin-state", "drain") == {"ok": True}
    path = LB + "/pools/pool[name='web4']/servers/server[name='s1']/weight"
    assert path in cli.out("compare")
    assert any(d["path"] == path for d in cli.json("compare"))
    assert cli.out("get", "--candidate", "server", "web4", "s1", "weight") == "3\n"
    assert "nothing here" in cli.err("get", "--config", "server", "web4", "s1", "weight")
    assert cli.out("validate") == "the candidate is valid\n"
    assert cli.out("commit", "--comment", "three words here") == f"version {before + 1} is running\n"
    assert cli.out("compare") == "no difference\n" and cli.json("compare") == []
    assert cli.out("get", "server", "web4", "s1", "weight") == "3\n"
    newest = cli.json("show", "history", "--limit", "1")[0]
    assert newest["version"] == before + 1 and newest["comment"] == "three words here" and newest["user"] == "root"
    assert "three words here" in cli.out("show", "history")
    assert path in cli.out("compare", before, "running")
    assert f"the candidate holds version {before}" in cli.out("rollback", before)
    assert path in cli.out("compare")
    assert cli.out("commit") == f"version {before + 2} is running\n"
    assert "nothing here" in cli.err("get", "--config", "server", "web4", "s1", "weight")


def test_rollback_of_a_path(border, cli):
    version = cli.json("show", "state")["version"]
    cli("set", "timeouts", "udp", "5000")
    cli("set", "server", "web4", "s1", "weight", "7")
    cli("commit")
    assert f"that part of version {version}" in cli.out("rollback", version, "server", "web4", "s1", "weight")
    cli("commit")
    assert "nothing here" in cli.err("get", "--config", "server", "web4", "s1", "weight")
    assert cli.out("get", "timeouts", "udp") == "5000\n"
    cli("rollback", version, "timeouts", "--commit")
    assert "nothing here" in cli.err("get", "--config", "timeouts", "udp")
    assert "nowhere" in cli.err("rollback", version, "pool", "nowhere")


def test_rollback_with_commit_and_by_file(border, cli, tmp_path):
    version = cli.json("show", "state")["version"]
    file = tmp_path / "old.json"
    file.write_text(cli.out("--json", "show", "config"))
    cli("set", "timeouts", "udp", "5000")
    cli("commit")
    cli("rollback", version, "--commit")
    assert "nothing here" in cli.err("get", "--config", "timeouts", "udp")
    assert cli.json("show", "history")[0]["comment"] == f"roll back to version {version}"
    cli("set", "timeouts", "udp", "6000")
    cli("commit")
    cli("rollback", "--file", file, "--commit")
    assert "nothing here" in cli.err("get", "--config", "timeouts", "udp")
    assert "no version 999999" in cli.err("rollback", "999999")


def test_a_new_service_serves(border, cli):
    """What the README shows: a service by hand, in single commands."""
    cli("set", "pool", "hand", "health-check", "type", "tcp", "interval", "200", "timeout", "100", "rise", "1")
    cli("set", "server", "hand", "s1", "address", border.servers[0].ip4, "port", "80")
    cli("set", "service", "hand", "address", border.vip4, "port", "8080", "protocol", "tcp", "pool", "hand",
        "local-address-pool", cli.json("get", "--config", "local-address-pool")[0]["name"])
    cli("commit")
    assert border.client.out("curl", "-sf", "--retry", "5", "--retry-connrefused",
                             f"http://{border.vip4}:8080/").strip() == "s1"
    wait_for("checked", lambda: cli.out("get", "server", "hand", "s1", "health") == "up\n")
    cli("delete", "service", "hand")
    cli("delete", "pool", "hand")
    cli("commit")
    assert "nothing here" in cli.err("get", "service", "hand")


def test_delete(cli):
    cli("set", "service", "web4", "enabled", "false")
    cli("delete", "service", "web4", "enabled")
    assert cli.out("compare") == "no difference\n"
    assert "not set in the candidate" in cli.err("delete", "service", "web4", "enabled")
    assert "does not exist" in cli.err("delete", "server", "web4", "s99")
    name = cli.json("get", "--config", "local-address-pool")[0]["name"]
    cli("set", "local-address-pool", name, "address", "10.20.0.222")
    assert "10.20.0.222" in cli.out("get", "--candidate", "local-address-pool", name)
    cli("delete", "local-address-pool", name, "address", "10.20.0.222")
    assert cli.out("compare") == "no difference\n"
    assert "which of its values" in cli.err("delete", "local-address-pool", name, "address", rc=USAGE)
    assert "which one" in cli.err("delete", "service", rc=USAGE)


def test_a_leaf_list_gains_values(cli):
    name = cli.json("get", "--config", "local-address-pool")[0]["name"]
    old = cli.json("get", "--candidate", "local-address-pool", name, "address")
    cli("set", "local-address-pool", name, "address", "10.20.0.223")
    assert cli.json("get", "--candidate", "local-address-pool", name, "address") == [*old, "10.20.0.223"]


@pytest.mark.parametrize("words,rc,says", [
    (["service", "web4", "port", "99999"], REFUSED, LB + "/services/service[name='web4']/port: '99999'"),
    (["service", "web4", "protocol", "sctp"], REFUSED, "(tcp, udp)"),
    (["service", "web4", "pool", "nope"], REFUSED, LB + "/services/service[name='web4']/pool: "),
    (["service", "web4", "prot", "tcp"], USAGE, "protocol"),
    (["service", "web4", "port"], USAGE, "its value is missing"),
    (["service", "web4", "name", "x"], USAGE, "is the key of its entry"),
    (["service"], USAGE, "Its key is missing"),
    (["server", "web4", "s1", "health", "up"], USAGE, "is state"),
    (["port", "up", "type", "nonsense"], REFUSED, "no value of type"),
])
def test_refusals_of_set_tell_place_and_reason(cli, words, rc, says):
    assert says in cli.err("set", *words, rc=rc)
    assert cli.out("compare") == "no difference\n"


def test_refusal_of_commit_and_its_json(cli):
    """An overlap is found by the daemon: path: message, and the whole error with --json."""
    first = cli.json("get", "--config", "service", "web4")
    cli_args = ["set", "service", "twin", "address", first["address"], "port", first["port"], "protocol", "tcp", "pool",
                first["pool"], "local-address-pool", first["local-address-pool"]]
    p = subprocess.run([*cli.node.prefix(), str(program("sluicectl")), "--base", str(cli.base), *map(str, cli_args)],
                       text=True, capture_output=True, timeout=30)
    if p.returncode == 0:
        p = cli("commit", rc=REFUSED)
        error = cli.json("commit", rc=REFUSED)["error"]
        assert error["data"]
    assert p.stderr.startswith("/sluice-lb:load-balancers/") and "twin" in p.stderr


def test_commit_require_all_with_an_app_that_is_away(cli):
    cli("set", "port", "far", "type", "tap", "device", "far0", "owner", "elsewhere")
    assert "elsewhere" in cli.err("commit", "--require-all")


# ---- edit ------------------------------------------------------------------------------------


def test_edit_merges_a_file_and_standard_input(cli, tmp_path):
    edit = {"sluice-lb:load-balancers": {"load-balancer": [{"name": "lb", "timeouts": {"udp": 7000}}]}}
    file = tmp_path / "edit.json"
    file.write_text(json.dumps(edit))
    cli("edit", file)
    assert cli.out("get", "--candidate", "timeouts", "udp") == "7000\n"
    edit["sluice-lb:load-balancers"]["load-balancer"][0]["timeouts"]["udp"] = 8000
    cli("edit", "-", stdin=json.dumps(edit))
    assert cli.out("get", "--candidate", "timeouts", "udp") == "8000\n"
    assert cli.out("get", "--candidate", "service", "web4", "port") == "80\n"
    cli("edit", "--replace", file)
    assert "nothing here" in cli.err("get", "--candidate", "service", "web4", "port")


def test_edit_says_where_a_file_is_wrong(cli, tmp_path):
    file = tmp_path / "bad.json"
    file.write_text('{"a":\n  nonsense}')
    assert re.search(r"bad\.json, line 2", cli.err("edit", file, rc=FAILED))
    file.write_text("[1]")
    assert "not a JSON object" in cli.err("edit", file, rc=FAILED)
    assert "No such file" in cli.err("edit", tmp_path / "none", rc=FAILED)
    file.write_text('{"nonsense:x": 1}')
    cli("edit", file, rc=REFUSED)


# ---- locks and sessions ----------------------------------------------------------------------


def test_a_lock_on_the_command_line_says_that_it_ends(cli):
    p = cli("lock")
    assert p.stdout == "candidate is locked by this session\n" and "ends with this command" in p.stderr
    cli("set", "timeouts", "udp", "5000")  # it is free again
    assert "commit or discard" in cli.err("lock")
    cli("unlock", rc=REFUSED)


def test_commands_on_standard_input_share_a_session(cli):
    script = """
# a lock that is held over several commands
lock
set timeouts udp 5000
get --candidate timeouts udp
set pool web4 body-match "two words"      # quoted
get --candidate /sluice-lb:load-balancers/load-balancer[name='lb']/timeouts/udp
get --candidate pool web4 body-match
discard
unlock
"""
    p = cli(stdin=script)
    assert p.stdout.split("\n")[0] == "candidate is locked by this session"
    assert p.stdout.count("5000\n") == 2 and "two words\n" in p.stdout and p.stderr == ""


def test_standard_input_stops_at_the_first_refusal(cli):
    p = cli(stdin="set timeouts udp 5000\nset timeouts udp 1\nset timeouts udp 6000\n", rc=REFUSED)
    assert "line 2" in p.stderr
    assert cli.out("get", "--candidate", "timeouts", "udp") == "5000\n"


def test_another_session_is_kept_out_by_a_lock(cli):
    holder = subprocess.Popen([*cli.node.prefix(), str(program("sluicectl")), "--base", str(cli.base)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdin.write("lock\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "candidate is locked by this session\n"
        assert re.search(r"lock|use", cli.err("set", "timeouts", "udp", "5000"))
        assert re.search(r"\[session \d+\]", cli.err("lock"))
        assert len(cli.json("show", "sessions")["locks"]) == 1
    finally:
        holder.stdin.close()
        assert holder.wait(10) == 0
    cli("set", "timeouts", "udp", "5000")


def test_interactive_mode_has_a_prompt_and_completion(cli):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", HOME=str(cli.base))
        os.execvp("ip", [*cli.node.prefix(), str(program("sluicectl")), "--base", str(cli.base)])
    seen = b""

    def until(text, timeout=10):
        nonlocal seen
        end = time.monotonic() + timeout
        while text not in seen:
            assert time.monotonic() < end, seen
            if select.select([fd], [], [], 0.2)[0]:
                seen += os.read(fd, 4096)
        seen = seen[seen.index(text) + len(text):]
    until(b"sluice> ")
    os.write(fd, b"show serv\tx\n")  # ambiguous: services, servers
    until(b"show serv")
    until(b"sluice> ")
    os.write(fd, b"get service web4 proto\t\n")
    until(b"protocol")
    until(b"tcp")
    os.write(fd, b"quit\n")
    deadline = time.monotonic() + 10
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        assert time.monotonic() < deadline
        if select.select([fd], [], [], 0.05)[0]:
            try:
                os.read(fd, 4096)
            except OSError:
                pass
    os.close(fd)
    assert "get service web4 protocol" in (cli.base / ".sluicectl_history").read_text()


# ---- capture and trace -----------------------------------------------------------------------


def test_capture(border, cli):
    assert "capturing" in cli.out("capture", "one.pcapng", "--filter", "tcp port 80")
    border.client.run("curl", "-sf", f"http://{border.vip4}/")
    time.sleep(0.3)
    assert int(cli.json("capture", "--stop")["captured"]) > 5
    cli("capture", "../escape", rc=REFUSED)
    assert "filter" in cli.err("capture", "two.pcapng", "--filter", "no such filter")


def test_trace(border, cli):
    tracer = subprocess.Popen([*cli.node.prefix(), str(program("sluicectl")), "--base", str(cli.base), "trace", "--limit",
                               "100", "--seconds", "2", "--filter", f"host {border.vip4} and tcp"], text=True,
                              stdout=subprocess.PIPE)
    time.sleep(0.3)
    border.client.run("curl", "-sf", f"http://{border.vip4}/")
    out, _ = tracer.communicate(timeout=15)
    assert tracer.returncode == 0
    seen = re.findall(r"worker (\d+)  up  (\S+) > (\S+) tcp, \d+ bytes\n +(.*)\n", out)
    assert seen and all(c.startswith("10.10.0.2.") and v == f"{border.vip4}.80" for _, c, v, _ in seen), out
    # At the flow's owner, the first packet opens the flow; those behind find it. A worker that is not the owner hands over.
    owner = [(w, stages) for w, _, _, stages in seen if "hand-over" not in stages]
    given = [(w, stages) for w, _, _, stages in seen if "hand-over" in stages]
    assert len({w for w, _ in owner}) == 1 and owner[0][0] not in {w for w, _ in given}, out
    assert re.search(r"^rx.* > .*flow-new.* > forward = forward$", owner[0][1]), out
    assert len(owner) >= 4 and all(re.search(r"^rx.* > flow-hit.* > forward = forward$", s) for _, s in owner[1:]), out
    assert all(re.search(r"^rx \d+ > hand-over \d+ = hand-over$", s) for _, s in given), out
    # A trace ends with its limit.
    tracer = subprocess.Popen([*cli.node.prefix(), str(program("sluicectl")), "--base", str(cli.base), "trace", "--limit", "2",
                               "--seconds", "10"], text=True, stdout=subprocess.PIPE)
    time.sleep(0.3)
    border.client.run("curl", "-sf", f"http://{border.vip4}/")
    begin = time.monotonic()
    out, _ = tracer.communicate(timeout=15)
    assert len(re.findall(r"^\S+  worker \d", out, re.M)) == 2 and time.monotonic() - begin < 5, out
    assert "no packet matched" in cli.out("trace", "--seconds", "1", "--filter", "host 203.0.113.77")


# ---- output ----------------------------------------------------------------------------------


def test_colours_only_on_demand(cli):
    assert "\033" not in cli.out("show", "servers")
    assert "\033[32mup" in cli.out("show", "servers", "--color", "always")
    cli("show", "servers", "--color", "pink", rc=USAGE)


def test_options_stand_anywhere(cli):
    assert json.loads(cli.out("show", "services", "web4", "--json"))[0]["name"] == "web4"
    assert "instance edge has no services" in cli.out("show", "services", "--instance=edge")
    cli("show", "services", "--instance", "no/name", rc=USAGE)


def test_watch_repeats(cli):
    p = subprocess.Popen([*cli.node.prefix(), str(program("sluicectl")), "--base", str(cli.base), "watch", "0.1", "get",
                          "service", "web4", "port"], text=True, stdout=subprocess.PIPE)
    lines = [p.stdout.readline() for _ in range(3)]
    p.send_signal(2)
    p.communicate(timeout=10)
    assert lines == ["80\n"] * 3 and p.returncode == 0


# ---- without sluiced, and doctor -------------------------------------------------------------


def test_without_sluiced(daemon):
    daemon.process.stop()
    p = daemon("show", "services", rc=UNREACHABLE)
    assert "cannot reach sluiced at" in p.stderr and "sluiced.sock" in p.stderr
    assert daemon.json("show", "services", rc=UNREACHABLE)["error"]["exit-code"] == UNREACHABLE
    daemon("nonsense", rc=USAGE)
    assert "usage: sluicectl" in daemon.out("help") and "usage: sluicectl" in daemon.out("--help")
    assert "--require-all" in daemon.out("help", "commit")


def test_a_daemon_that_hangs_is_given_up(daemon):
    daemon.process.p.send_signal(19)
    try:
        begin = time.monotonic()
        assert "no answer of sluiced in time" in daemon.err("--timeout", "1", "show", "state", rc=UNREACHABLE)
        assert time.monotonic() - begin < 5
    finally:
        daemon.process.p.send_signal(18)


def test_an_empty_node(daemon):
    assert "has no services" in daemon.out("show", "services")
    assert daemon.json("show", "services") == []
    assert daemon.out("show", "ports") == "no ports are configured\n"
    assert daemon.out("show", "config") == "the running configuration is empty\n"
    assert "nothing has been committed" in daemon.out("show", "history")
    daemon("show", "counters", rc=REFUSED)


def test_a_socket_that_may_not_be_used_is_said(daemon):
    (daemon.base / "run" / "sluiced.sock").chmod(0o600)
    p = subprocess.run([*daemon.node.prefix(), "setpriv", "--reuid", "65534", "--clear-groups", str(program("sluicectl")),
                        "--base", str(daemon.base), "show", "state"], text=True, capture_output=True, timeout=10)
    assert p.returncode == UNREACHABLE and "only root and members" in p.stderr


def findings(cli, *args, rc):
    return {(f["subject"], f["severity"]): f for f in cli.json("doctor", *args, rc=rc)}


def test_doctor_on_a_node_that_works(border, cli):
    p = subprocess.run([*cli.node.prefix(), str(program("sluicectl")), "--base", str(cli.base), "doctor"], text=True,
                       capture_output=True, timeout=30)
    assert p.returncode in (OK, WARN), p.stdout
    assert " 0 errors" in p.stdout
    for line in ("ok       XDP:", "ok       app lb: linked", "ok       IPv6 forwarding: on", "ok       sluice-checkd: runs",
                 "ok       snapshot of lb:"):
        assert line in p.stdout, p.stdout
    assert "device up: driver veth" in p.stdout


def test_doctor_finds_a_veth_peer_with_offloads(daemon):
    """The danger of partial checksums: tx offload on at the other end. Found, with the remedy, which helps."""
    daemon.node.run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
    for dev in ("va", "vb"):
        daemon.node.run("ip", "link", "set", dev, "up")
    f = findings(daemon, "--device", "va", rc=BAD)
    bad = f[("device va", "error")]
    assert "vb has tx offload on" in bad["text"] and "ethtool -K vb tx off" in bad["remedy"]
    daemon.node.run(*bad["remedy"].split())
    f = findings(daemon, "--device", "va", rc=WARN)
    assert ("device va", "error") not in f


def test_doctor_with_everything_dead(daemon):
    daemon.process.stop()
    f = findings(daemon, rc=BAD)
    assert "does not run" in f[("sluiced", "error")]["text"]
    assert f[("sluice-checkd", "warning")]["remedy"] == "start it"
    assert ("IPv6 forwarding", "warning") in f
    f = findings(daemon, "--device", "none0", rc=BAD)
    assert "no such interface" in f[("device none0", "error")]["text"]


def test_doctor_tells_of_a_damaged_snapshot_and_a_dead_app(daemon):
    import socket
    (daemon.base / "lib" / "lb.snapshot.bad").write_bytes(b"x")
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(daemon.base / "run" / "lb.ctl"))
    s.close()
    f = findings(daemon, rc=BAD)
    assert "its socket is dead" in f[("app lb", "error")]["text"]
    assert "set aside" in daemon.out("doctor", rc=BAD)


def test_the_manual_is_complete(daemon):
    man = daemon.out("--man")
    commands = re.findall(r"^  ((?:show )?[a-z]+)(?: |$)", daemon.out("help").split("\nOptions")[0], re.M)
    assert len(commands) > 25
    for c in commands:
        assert f".It Ic {c}" in man
    for code in range(7):
        assert f".It {code}\n" in man
