# SPDX-License-Identifier: BSD-3-Clause
"""Bad configuration end to end: a clear error with its path; running configuration and traffic untouched.

wrk and a crowd of keep-alive clients run in the background through all of it and must not see one error. The same refusals
over NETCONF are in test_netconf_*.py; hostile records on the control link in test_lb_link.py.
"""
import copy
import json
import socket
import subprocess

import ctl_link
import pytest
from border import VIP4, VIP6, Border
from clients import Crowd, wrk_command, wrk_result
from lab import wait_for
from rpc_client import RpcError

WRK_S = 30
LB = "/sluice-lb:load-balancers/load-balancer[name='lb']"


@pytest.fixture(scope="module")
def lab():
    with Border(servers=2) as lab:
        lab.serve_http()
        lab.start_sluice()
        lab.good = lab.config()
        lab.configure(lab.good)
        for s in lab.servers:
            lab.wait_health(f"web4/{s.name}", "up")
        lab.crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 50, 0.2)
        lab.crowd.wait_all()
        load = lab.client.start("wrk", *wrk_command(f"http://{VIP4}/health", 20, WRK_S))
        yield lab
        load.wait(WRK_S + 30)
        result = wrk_result(load.text())
        assert result["requests"] > 1000 and result["errors"] == 0, result["text"]
        lost = lab.crowd.lost()
        assert not any(lost.values()), lost


@pytest.fixture(autouse=True)
def untouched(lab):
    """After each refusal: running is what it was, and every connection still answers."""
    yield
    with lab.rpc() as c:
        c.call("discard")
        running = c.call("get-config", source="running")["config"]
    assert running == getattr(lab, "running", running)
    lab.running = running
    answers = lab.crowd.stats()["answers"]
    wait_for("the crowd goes on", lambda: lab.crowd.stats()["answers"] > answers + 10, 10)
    assert not any(lab.crowd.lost().values())


def lb_of(config):
    return config["sluice-lb:load-balancers"]["load-balancer"][0]


def refused(lab, change):
    """Edit the good configuration by change(config), commit, and return the error."""
    config = copy.deepcopy(lab.good)
    change(config)
    with lab.rpc() as c, pytest.raises(RpcError) as e:
        c.call("edit-config", config=config, **{"default-operation": "replace"})
        c.call("commit")
    return e.value


def same(path):
    return path.replace('"', "'").replace(" ", "")


def check(error, tag, path, *words):
    assert error.tag == tag, error
    assert same(path) in same(error.path or ""), error
    for w in words:
        assert w in str(error), error


def test_unknown_node(lab):
    e = refused(lab, lambda c: lb_of(c).update({"colour": "red"}))
    check(e, "unknown-element", LB, "colour")


def test_wrong_type(lab):
    e = refused(lab, lambda c: lb_of(c)["services"]["service"][0].update({"port": 70000}))
    check(e, "invalid-value", "port", "70000")


def test_missing_mandatory_leaf(lab):
    e = refused(lab, lambda c: lb_of(c)["services"]["service"][0].pop("protocol"))
    check(e, "data-missing", "service[name='web4']", "protocol")


def test_service_with_an_unknown_pool(lab):
    e = refused(lab, lambda c: lb_of(c)["services"]["service"][0].update({"pool": "nowhere"}))
    check(e, "data-missing", "services/service[name='web4']/pool", "nowhere")


def test_pool_in_use_cannot_go(lab):
    with lab.rpc() as c, pytest.raises(RpcError) as e:
        c.call("edit-config", config={"sluice-lb:load-balancers": {"load-balancer": [{"name": "lb", "pools": {
            "pool": [{"name": "web4", "@": {"ietf-netconf:operation": "delete"}}]}}]}})
        c.call("commit")
    check(e.value, "data-missing", "services/service[name='web4']/pool")


def test_overlapping_services(lab):
    def change(c):
        lb_of(c)["services"]["service"].append(
            dict(lb_of(c)["services"]["service"][0], name="again"))
    e = refused(lab, change)
    check(e, "operation-failed", "services/service[name='again']", "web4", "again")
    assert e.app_tag == "data-not-unique"


def test_port_that_does_not_exist(lab):
    def change(c):
        c["ietf-interfaces:interfaces"]["interface"].append(
            {"name": "ghost0", "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": "lb"}})
    e = refused(lab, change)
    check(e, "invalid-value", "interface[name='ghost0']", "ghost0")


def test_device_claimed_twice(lab):
    def change(c):
        c["ietf-interfaces:interfaces"]["interface"].append(
            {"name": "twin", "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": "lb", "device": "up"}})
    e = refused(lab, change)
    check(e, "in-use", "interface[name='twin']", "up")


def test_port_owned_by_another_process(lab):
    """A second balancer, by itself, asks for a port that the first one owns."""
    lab.start_daemon("sluice-lb", "--instance", "lb2")
    wait_for("lb2", lambda: (lab.base / "run" / "lb2.ctl").exists())
    with ctl_link.CtlLink(str(lab.base / "run" / "lb2.ctl")) as link, pytest.raises(ctl_link.LinkError) as e:
        link.hello(instance="lb2")
        link.transaction(0, 1, [ctl_link.settings(), ctl_link.port(7, "up")])
    ack = e.value.ack
    assert ack.result < 0 and "owned by" in ack.message, ack.message
    assert lab.daemons["lb2"].stop() == 0


def test_table_larger_than_memory(lab):
    e = refused(lab, lambda c: lb_of(c)["flow-table"].update({"size": 268435456}))
    check(e, "resource-denied", f"{LB}/flow-table/size")


def test_more_ipv6_flows_than_flows(lab):
    e = refused(lab, lambda c: lb_of(c)["flow-table"].update({"size": 4096, "ipv6-size": 4097}))
    assert f"{LB}/flow-table" in same(e.path), e
    assert "ipv6-size is above size" in str(e)


def test_local_pool_without_the_servers_family(lab):
    e = refused(lab, lambda c: lb_of(c)["local-address-pools"]["local-address-pool"][0].update(
        {"address": ["10.20.0.200"]}))
    check(e, "invalid-value", "services/service[name='web6']/local-address-pool", "snat")


@pytest.mark.parametrize("address", ["10.20.0.1", "fd10::1"])
def test_local_address_of_the_node_itself(lab, address):
    """Its packets would not reach the kernel any more: health checks and management from it would end."""
    e = refused(lab, lambda c: lb_of(c)["local-address-pools"]["local-address-pool"][0]["address"].append(address))
    check(e, "in-use", f"{LB}/local-address-pools/local-address-pool[name='snat']/address", "the node itself")


@pytest.mark.parametrize("listen", ["0.0.0.0", "10.10.0.1"])
def test_service_where_the_node_itself_listens(lab, listen):
    s = lab.border.tcp_socket()
    s.bind((listen, 8830))
    s.listen()
    try:
        e = refused(lab, lambda c: lb_of(c)["services"]["service"].append(
            dict(lb_of(c)["services"]["service"][0], name="ssh", address="10.10.0.1", port=8830)))
        check(e, "in-use", f"{LB}/services/service[name='ssh']", "8830")
        e = refused(lab, lambda c: lb_of(c)["services"]["service"].append(
            dict(lb_of(c)["services"]["service"][0], name="ssh", address="10.10.0.1", port=8800, **{"port-max": 8900})))
        check(e, "in-use", f"{LB}/services/service[name='ssh']", "8830")
    finally:
        s.close()


def test_foreign_xdp_program_is_refused_and_kept(lab):
    lab.border.run("ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1")
    lab.border.run("ip", "link", "set", "x0", "up")
    src = lab.base / "foreign.c"
    src.write_text('__attribute__((section("xdp"), used)) int pass_all(void *c) { return 2; }\n'
                   'char l[] __attribute__((section("license"), used)) = "GPL";\n')
    subprocess.run(["clang", "-O2", "-target", "bpf", "-c", src, "-o", lab.base / "foreign.o"], check=True)
    lab.border.run("ip", "link", "set", "dev", "x0", "xdpdrv", "obj", lab.base / "foreign.o", "sec", "xdp")

    def change(c):
        c["ietf-interfaces:interfaces"]["interface"].append(
            {"name": "x0", "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": "lb"}})
    e = refused(lab, change)
    check(e, "operation-failed", "interface[name='x0']", "program")
    assert "pass_all" in lab.border.out("bpftool", "prog", "show") or "xdp" in lab.border.out("ip", "link", "show", "x0")
    lab.border.run("ip", "link", "del", "x0")


@pytest.mark.parametrize("line", [
    b"{\n", b"[]\n", b"null\n", b'{"jsonrpc":"2.0","id":1}\n', b'{"jsonrpc":"2.0","id":1,"method":"no-such"}\n',
    b'{"jsonrpc":"2.0","id":1,"method":"edit-config"}\n', b'{"jsonrpc":"2.0","id":1,"method":"commit","params":7}\n',
    b"\x00\xff\xfe\n", b'{"jsonrpc":"2.0","id":1,"method":"get","params":{"paths":["///["]}}\n',
    b'{"jsonrpc":"2.0","id":1,"method":"get","params":{"paths":' + b"[" * 100000 + b"\n",
])
def test_malformed_rpc(lab, line):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(str(lab.base / "run" / "sluiced.sock"))
        s.sendall(line)
        answer = s.makefile("rb").readline()
    assert "error" in json.loads(answer), answer


def test_sluicectl_names_the_place(lab):
    r = lab.ctl("set", "service", "web4", "port", "99999", check=False)
    assert r.returncode != 0
    assert "port" in r.stdout and "99999" in r.stdout
