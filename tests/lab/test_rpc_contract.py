# SPDX-License-Identifier: BSD-3-Clause
"""Every method of control/rpc/README.md over the real socket, and every refusal."""
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rpc_client import RpcClient, RpcClosed, RpcError

from rpc_daemon import NETCONFD_UID, SLUICED, SLUICE_UID, Daemon

STRANGER_UID = 64599

CONFIG = {"sluice-lb:load-balancers": {"load-balancer": [{
    "name": "lb",
    "local-address-pools": {"local-address-pool": [{"name": "l", "address": ["10.0.0.1"]}]},
    "pools": {"pool": [{"name": "p", "servers": {"server": [
        {"name": "s1", "address": "10.1.0.1", "port": 80, "weight": 5}]}}, {"name": "q"}]},
    "services": {"service": [{"name": "web", "address": "192.0.2.1", "port": 80, "protocol": "tcp",
                              "pool": "p", "local-address-pool": "l"}]}}]}}
LB = "/sluice-lb:load-balancers/load-balancer[name='lb']"


def in_lb(**inner):
    return {"sluice-lb:load-balancers": {"load-balancer": [{"name": "lb", **inner}]}}


def op(name):
    return {"ietf-netconf:operation": name}


def server(**leaves):
    return in_lb(pools={"pool": [{"name": "p", "servers": {"server": [{"name": "s1", **leaves}]}}]})


@pytest.fixture(scope="module")
def daemon():
    with Daemon("rpc") as d:
        yield d


@pytest.fixture
def c(daemon):
    """A client on a daemon that holds CONFIG, version known, candidate clean."""
    with daemon.client() as client:
        client.call("copy-config", target="running", config={})  # so that entries stand in CONFIG's order
        client.call("copy-config", target="running", config=CONFIG)
        yield client
        client.call("discard")


def refused(client, method, /, **params):
    with pytest.raises(RpcError) as e:
        client.call(method, **params)
    return e.value


def tagged(error, tag, path=None, app_tag=None):
    assert error.code == -32000, error
    assert error.tag == tag, error
    assert error.path == path, error
    assert error.app_tag == app_tag, error
    first = error.data[0] if isinstance(error.data, list) else error.data
    assert first["error-severity"] == "error" and first["error-type"] and first["error-message"]


# ---- who speaks

def test_whoami(c):
    me = c.call("whoami")
    assert me["uid"] == 0 and me["user"] == "root" and me["session-id"] > 0


def test_sessions_have_their_own_numbers(daemon):
    with daemon.client() as a, daemon.client() as b:
        assert a.call("whoami")["session-id"] != b.call("whoami")["session-id"]


def test_only_netconfd_may_name_a_user(daemon):
    for uid in (0, SLUICE_UID, STRANGER_UID):
        a = daemon.as_uid(uid, {"method": "session", "params": {"user": "ann"}},
                          {"method": "whoami"},
                          {"method": "authenticate", "params": {"user": "ann", "password": "x"}},
                          {"method": "authorized-keys", "params": {"user": "ann"}})
        assert a[0]["error"]["data"]["error-tag"] == "access-denied"
        assert a[1]["result"]["uid"] == uid and a[1]["result"]["user"] != "ann"
        assert a[2]["error"]["data"]["error-tag"] == "access-denied"
        assert a[3]["error"]["data"]["error-tag"] == "access-denied"
    a = daemon.as_uid(NETCONFD_UID,
                      {"method": "session", "params": {"user": "ann", "source": "192.0.2.9", "transport": "netconf-ssh"}},
                      {"method": "whoami"}, {"method": "state"},
                      {"method": "session", "params": {"user": "root"}})
    assert a[0]["result"]["session-id"] == a[1]["result"]["session-id"]
    assert a[1]["result"] == {"session-id": a[0]["result"]["session-id"], "user": "ann", "uid": NETCONFD_UID}
    mine = [s for s in a[2]["result"]["sessions"] if s["session-id"] == a[0]["result"]["session-id"]]
    assert mine[0]["user"] == "ann" and mine[0]["source"] == "192.0.2.9" and mine[0]["transport"] == "netconf-ssh"
    assert a[3]["error"]["data"]["error-tag"] == "operation-failed"  # nobody changes who they are


def test_root_by_name_is_not_the_recovery_user(daemon, c):
    a = daemon.as_uid(NETCONFD_UID, {"method": "session", "params": {"user": "root"}},
                      {"method": "edit-config", "params": {"config": server(weight=9)}})
    assert a[1]["error"]["data"]["error-tag"] == "access-denied"


def test_passwords_and_keys_of_ietf_system_users(daemon, c):
    key = "AAAAC3NzaC1lZDI1NTE5AAAAIGtleQ=="
    secret = subprocess.run(["openssl", "passwd", "-6", "-salt", "saltsalt", "secret"], check=True,
                            capture_output=True, text=True).stdout.strip()
    c.edit({"ietf-system:system": {"authentication": {"user": [
        {"name": "ann", "password": secret, "authorized-key": [{"name": "k", "algorithm": "ssh-ed25519", "key-data": key}]},
        {"name": "keyonly"}, {"name": "clear", "password": "$0$plain"}]}}})
    c.commit()
    stored = c.config(paths=["//user[name='clear']/password"])["ietf-system:system"]["authentication"]["user"][0]["password"]
    assert stored.startswith("$6$") and "plain" not in stored  # RFC 7317: clear text is hashed, never kept

    def ask(user, password):
        return daemon.as_uid(NETCONFD_UID, {"method": "authenticate", "params": {"user": user, "password": password}})[0]["result"]["ok"]
    assert ask("ann", "secret") is True
    assert ask("clear", "plain") is True
    for user, password in (("ann", "Secret"), ("ann", ""), ("ann", secret), ("keyonly", ""), ("nobody", "secret"),
                           ("keyonly", "secret"), ("ann", "x" * 3000)):
        assert ask(user, password) is False, (user, password)
    keys = daemon.as_uid(NETCONFD_UID, {"method": "authorized-keys", "params": {"user": "ann"}},
                         {"method": "authorized-keys", "params": {"user": "nobody"}})
    assert keys[0]["result"] == {"keys": [{"algorithm": "ssh-ed25519", "key-data": key}]}
    assert keys[1]["result"] == {"keys": []}


# ---- reading

def test_get_config(c):
    r = c.call("get-config", source="running")
    assert r["config"] == CONFIG and r["version"] == c.state()["version"]
    c.edit(server(weight=9))
    assert c.config() == CONFIG
    assert c.config("candidate") != CONFIG


def test_get_config_paths_are_a_union_with_ancestors_and_keys(c):
    got = c.config(paths=[LB + "/pools/pool[name='p']/servers/server[name='s1']/weight", LB + "/pools/pool[name='q']"])
    assert got == in_lb(pools={"pool": [{"name": "p", "servers": {"server": [{"name": "s1", "weight": 5}]}}, {"name": "q"}]})
    # one path inside the other
    got = c.config(paths=["//weight", LB + "/pools", "//port"])
    lb = got["sluice-lb:load-balancers"]["load-balancer"][0]
    assert lb["pools"] == CONFIG["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]
    assert lb["services"] == {"service": [{"name": "web", "port": 80}]}
    assert "local-address-pools" not in lb
    assert c.config(paths=[LB + "/flow-table"]) == {}
    assert c.config(paths=[]) == {}


def test_with_defaults(c):
    path = [LB + "/pools/pool[name='p']/servers"]

    def s1(mode):
        got = c.config(paths=path, with_defaults=mode)
        return got["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]["pool"][0]["servers"]["server"][0]
    assert "admin-state" not in s1("explicit")
    assert s1("report-all")["admin-state"] == "enabled"
    tagged_one = s1("report-all-tagged")
    assert tagged_one["@admin-state"] == {"ietf-netconf-with-defaults:default": True}
    assert "@weight" not in tagged_one
    c.edit(server(**{"admin-state": "enabled"}))
    c.commit()
    assert "admin-state" in s1("explicit")
    assert "admin-state" not in s1("trim") and s1("trim")["weight"] == 5
    # said by a client, so no default (RFC 6243 section 2.3)
    assert "@admin-state" not in s1("report-all-tagged")


def test_get_has_state_beside_configuration(c):
    got = c.call("get")["data"]
    lb = got["sluice-lb:load-balancers"]["load-balancer"][0]
    assert lb["pools"]["pool"][0]["name"] == "p"
    got = c.call("get", paths=[LB + "/services"])["data"]
    assert list(got["sluice-lb:load-balancers"]["load-balancer"][0]) == ["name", "services"]


@pytest.mark.parametrize("path", ["", "//[[[", "/nothing:here", "count(//pool)", "(" * 3000, "x" * 5000, "/sluice-lb:load-balancers/",
                                  "//pool[1 mod 0]", "1mod 0", "//*mod 0", "//pool[.mod 0]", "//pool[count(//pool) mod 0]"])
def test_bad_paths_are_refused(c, path):
    e = refused(c, "get-config", source="running", paths=[path])
    assert e.code == -32602 or e.tag == "invalid-value", e
    assert c.call("whoami")


@pytest.mark.parametrize("path", [
    "//*[//*[//*[//*]]]", "//*[count(/descendant::*) > 0]", "//pool[../pool[../pool]]", "//name != //port", "//*/following::*",
    "//pool[1 or /sluice-lb:load-balancers]", "//pool[2 * /sluice-lb:load-balancers]", "//*[current()]", "//*/..//*/..//*/..//*/..//*",
    "//load-balancer[pools/pool/name = services/service/name]", "//*" + "[*]" * 65])
def test_paths_that_could_hold_up_the_daemon_are_refused(c, path):
    e = refused(c, "get-config", source="running", paths=[path])
    assert e.code == -32602 and "costly" in e.message, e


@pytest.mark.parametrize("path", [
    "//pool[servers/server[weight > 5 and port = 80]]", "//pool[name = 'a//b[..]' or count(servers/server) > 1]",
    "//server[-1 < weight]", "//server/../../name", "//pool[self::node()]/name", "//server[.5 < weight][last()]"])
def test_paths_of_bounded_cost_are_taken(c, path):
    c.config(paths=[path])


# ---- editing: the operations of RFC 6241 section 7.2 (the long table is in the unit tests)

def test_edit_config_operations(c):
    c.edit(server(weight=6))
    c.edit(in_lb(pools={"pool": [{"name": "new", "@": op("create")}]}))
    c.edit(in_lb(pools={"pool": [{"name": "q", "@": op("delete")}]}))
    c.edit(in_lb(pools={"pool": [{"name": "gone", "@": op("remove")}]}))
    c.edit(in_lb(pools={"pool": [{"name": "p", "@": op("replace"), "servers": {"server": [
        {"name": "s2", "address": "10.1.0.2", "port": 81}]}}]}))
    pools = c.config("candidate")["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]["pool"]
    assert {p["name"]: p for p in pools} == {
        "p": {"name": "p", "servers": {"server": [{"name": "s2", "address": "10.1.0.2", "port": 81}]}}, "new": {"name": "new"}}
    tagged(refused(c, "edit-config", config=in_lb(pools={"pool": [{"name": "new", "@": op("create")}]})),
           "data-exists", LB + "/pools/pool[name='new']")
    tagged(refused(c, "edit-config", config=in_lb(pools={"pool": [{"name": "q", "@": op("delete")}]})),
           "data-missing", LB + "/pools/pool[name='q']")


def test_an_edit_is_done_whole_or_not_at_all(c):
    before = c.config("candidate")
    for option in ("stop-on-error", "continue-on-error", "rollback-on-error"):
        refused(c, "edit-config", error_option=option, config=in_lb(
            pools={"pool": [{"name": "x"}, {"name": "q", "@": op("delete")}, {"name": "y", "@": op("delete")}]}))
        assert c.config("candidate") == before


def test_default_operations(c):
    tagged(refused(c, "edit-config", default_operation="none", config=in_lb(pools={"pool": [{"name": "x"}]})),
           "data-missing", LB + "/pools/pool[name='x']")
    c.edit(in_lb(pools={"pool": [{"name": "q", "@": op("delete")}]}), default_operation="none")
    c.edit(in_lb(), default_operation="replace")
    assert c.config("candidate") == in_lb()


def test_test_option(c):
    bad = in_lb(services={"service": [{"name": "web", "pool": "nowhere"}]})
    tagged(refused(c, "edit-config", config=bad), "data-missing", LB + "/services/service[name='web']/pool", "instance-required")
    tagged(refused(c, "edit-config", config=bad, test_option="test-only"), "data-missing",
           LB + "/services/service[name='web']/pool", "instance-required")
    assert c.call("edit-config", config=server(weight=9), test_option="test-only") == {"ok": True}
    assert c.config("candidate") == CONFIG
    c.edit(bad, test_option="set")
    tagged(refused(c, "validate"), "data-missing", LB + "/services/service[name='web']/pool", "instance-required")
    tagged(refused(c, "commit"), "data-missing", LB + "/services/service[name='web']/pool", "instance-required")
    assert c.config() == CONFIG


def test_edit_of_running(c):
    v = c.state()["version"]
    r = c.call("edit-config", target="running", config=server(weight=7), comment="direct")
    assert r["ok"] and r["version"] == v + 1 and isinstance(r["warnings"], list)
    assert c.config() == c.config("candidate")
    tagged(refused(c, "edit-config", target="running", config=in_lb(pools={"pool": [{"name": "p", "@": op("delete")}]})),
           "data-missing", LB + "/services/service[name='web']/pool", "instance-required")
    assert c.state()["version"] == v + 1 and not c.state()["candidate-changed"]


@pytest.mark.parametrize("config,tag,path", [
    ({"no-such:thing": 1}, "unknown-namespace", None),
    (in_lb(colour="red"), "unknown-element", LB + "/colour"),
    ({"sluice-lb:load-balancers": {"load-balancer": [{}]}}, "missing-element", "/sluice-lb:load-balancers/load-balancer/name"),
    (server(port=70000), "invalid-value", LB + "/pools/pool[name='p']/servers/server[name='s1']/port"),
    (server(address="10.1.0"), "invalid-value", LB + "/pools/pool[name='p']/servers/server[name='s1']/address"),
    (server(port=None), "invalid-value", None),
    (in_lb(state={"connected": True}), "unknown-element", None),
    (in_lb(pools={"pool": [{"name": "p", "servers": {"server": [{"name": "s9", "address": "10.1.0.9"}]}}]}), "data-missing",
     LB + "/pools/pool[name='p']/servers/server[name='s9']/port"),
    (in_lb(pools={"pool": [{"name": "p", "health-check": {"timeout": 9000}}]}), "operation-failed", LB + "/pools/pool[name='p']/health-check"),
    (in_lb(**{"@": op("explode")}), None, None),
])
def test_bad_configurations_are_refused_with_their_path(c, config, tag, path):
    e = refused(c, "edit-config", config=config)
    assert e.code == -32000
    if tag:
        assert e.tag == tag, e
    if path:
        assert e.path == path, e
    assert not c.state()["candidate-changed"]


# ---- the whole way

def test_copy_config(c):
    c.edit(server(weight=9))
    c.call("copy-config", source="running", target="candidate")
    assert c.config("candidate") == CONFIG
    c.edit(server(weight=9))
    v = c.state()["version"]
    r = c.call("copy-config", source="candidate", target="running", comment="copied")
    assert r["version"] == v + 1
    assert c.config() == c.config("candidate") != CONFIG
    c.call("copy-config", target="candidate", config=in_lb())
    assert c.config("candidate") == in_lb() and c.config() != in_lb()
    for params in ({"source": "running", "target": "running"}, {"target": "running"}, {"source": "x", "target": "running"},
                   {"source": "running", "target": "candidate", "config": {}}):
        refused(c, "copy-config", **params)


def test_commit_discard_compare(c):
    v = c.state()["version"]
    assert c.call("compare") == {"diff": []}
    c.edit(server(weight=9))
    c.edit(in_lb(pools={"pool": [{"name": "q", "@": op("delete")}, {"name": "r"}]}))
    assert c.state()["candidate-changed"]
    diff = {d["path"]: d for d in c.call("compare")["diff"]}
    assert diff == {
        LB + "/pools/pool[name='p']/servers/server[name='s1']/weight": {
            "path": LB + "/pools/pool[name='p']/servers/server[name='s1']/weight", "operation": "replace", "old": "5", "new": "9"},
        LB + "/pools/pool[name='q']": {"path": LB + "/pools/pool[name='q']", "operation": "delete", "old": {"name": "q"}},
        LB + "/pools/pool[name='r']": {"path": LB + "/pools/pool[name='r']", "operation": "create", "new": {"name": "r"}}}
    c.call("discard")
    assert c.call("compare") == {"diff": []} and c.config("candidate") == CONFIG
    c.edit(server(weight=9))
    assert c.commit("nine")["version"] == v + 1
    assert c.commit("nothing")["version"] == v + 1  # no change, no version
    assert [d["operation"] for d in c.call("compare", **{"from": v, "to": "running"})["diff"]] == ["replace"]
    assert c.call("compare", **{"from": v + 1, "to": "candidate"}) == {"diff": []}
    tagged(refused(c, "compare", **{"from": 10**9}), "invalid-value")


def test_rollback_of_a_path_leaves_the_rest(c):
    v = c.call("state")["version"]
    c.edit(server(weight=9))
    c.edit(in_lb(timeouts={"udp": 7000}))
    c.commit("two changes")
    base = "/sluice-lb:load-balancers/load-balancer[name='lb']"
    assert c.call("rollback", version=v, path=base + "/pools") == {"ok": True}
    changes = c.call("compare")["diff"]
    assert changes and all("/pools/" in d["path"] for d in changes)
    c.commit("pools back")
    assert c.config()["sluice-lb:load-balancers"]["load-balancer"][0]["timeouts"] == {"udp": 7000}
    c.call("rollback", version=v, path=base + "/timeouts/udp")  # was not there: goes
    c.commit("timeouts back")
    assert c.config() == CONFIG
    c.call("rollback", version=0, path=base)  # nothing was there
    assert "load-balancer" not in c.config("candidate").get("sluice-lb:load-balancers", {})
    none = base + "/services/service[name='none']"
    tagged(refused(c, "rollback", version=v, path=none), "data-missing", none)
    tagged(refused(c, "rollback", version=10**6, path=base), "invalid-value")
    for bad in ("/no:such", "x[", "//*", base + "/pools/pool", "1 mod 0", "/sluice-lb:load-balancers/load-balancer"):
        tagged(refused(c, "rollback", version=v, path=bad), "invalid-value", bad)
    refused(c, "rollback", version=v, path=7)
    refused(c, "rollback", path=base, file_config={})


def test_history_and_rollback(c):
    c.edit(server(weight=9))
    v = c.commit("with a comment")["version"]
    newest, before = c.call("history", limit=2)["versions"]
    assert newest["version"] == v and before["version"] == v - 1
    assert newest["comment"] == "with a comment" and newest["user"] == "root" and newest["edits"] == 1
    assert newest["transport"] == "unix" and newest["session-id"] == c.call("whoami")["session-id"]
    assert len(newest["hash"]) == 64 and newest["hash"] != before["hash"]
    assert abs(time.time() - time.mktime(time.strptime(newest["time"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
    assert c.call("rollback", version=v - 1) == {"ok": True}
    assert c.config("candidate") == CONFIG and c.config() != CONFIG
    c.commit("back")
    assert c.config() == CONFIG
    c.call("rollback", version=0)
    assert c.config("candidate") == {}
    c.call("rollback", file_config=in_lb())
    assert c.config("candidate") == in_lb()
    tagged(refused(c, "rollback", version=10**6), "invalid-value")
    refused(c, "rollback")
    refused(c, "rollback", version=1, file_config={})
    refused(c, "history", limit=0)


def test_validate(c):
    for params in ({}, {"source": "running"}, {"source": "candidate"}, {"config": CONFIG}):
        assert c.call("validate", **params) == {"ok": True}
    bad = copy.deepcopy(CONFIG)
    bad["sluice-lb:load-balancers"]["load-balancer"][0]["services"]["service"][0]["pool"] = "z"
    tagged(refused(c, "validate", config=bad), "data-missing", LB + "/services/service[name='web']/pool", "instance-required")
    two = copy.deepcopy(CONFIG)
    services = two["sluice-lb:load-balancers"]["load-balancer"][0]["services"]["service"]
    services.append(dict(services[0], name="web2"))
    e = refused(c, "validate", config=two)  # overlap: found by the network module
    assert "web" in e.message and e.path


def test_a_commit_that_a_module_refuses_changes_nothing(c):
    two = in_lb(services={"service": [{"name": "web2", "address": "192.0.2.1", "port": 80, "protocol": "tcp", "pool": "p",
                                       "local-address-pool": "l"}]})
    c.edit(two)
    v = c.state()["version"]
    assert refused(c, "commit").path
    assert c.state()["version"] == v and c.config() == CONFIG
    assert c.state()["candidate-changed"]


def test_require_all(c):
    c.edit(server(weight=9))
    e = refused(c, "commit", require_all=True)  # no balancer runs here
    assert e.code == -32000
    assert c.config() == CONFIG
    assert c.commit()["warnings"]  # without: done, and said


def test_state(c):
    s = c.state()
    assert len(s["datastore"]) == 36 and s["version"] > 0 and s["candidate-changed"] is False
    assert [a["instance"] for a in s["apps"]] == ["lb"] and s["apps"][0]["connected"] is False
    assert s["apps"][0]["intended"] == s["version"]
    deadline = time.time() + 20
    while not any(a["resource"] == "lb" for a in c.state()["alarms"]) and time.time() < deadline:
        time.sleep(0.1)
    alarm = c.state()["alarms"][0]
    assert alarm["resource"] == "lb" and alarm["type"] and alarm["severity"] and alarm["text"] and alarm["time"]
    assert any(x["session-id"] == c.call("whoami")["session-id"] for x in s["sessions"])


def test_schemas(c):
    modules = {m["name"]: m for m in c.call("schemas")["modules"]}
    assert modules["sluice-lb"]["namespace"] == "urn:sluice:yang:lb"
    assert "candidate" in modules["ietf-netconf"]["features"]
    assert "module sluice-lb" in c.call("get-schema", identifier="sluice-lb")["schema"]
    assert c.call("get-schema", identifier="sluice-lb", version=modules["sluice-lb"]["revision"], format="yang")
    for params in ({"identifier": "nothing"}, {"identifier": "sluice-lb", "version": "1999-01-01"},
                   {"identifier": "sluice-lb", "format": "yin"}):
        tagged(refused(c, "get-schema", **params), "invalid-value")


def test_app_query_of_an_app_that_is_away(c):
    e = refused(c, "app-query", instance="lb", name="counters")
    assert e.tag == "operation-failed" and "connected" in e.message
    assert refused(c, "app-query", instance="nobody", name="counters").tag in ("invalid-value", "operation-failed")


# ---- locks

def test_locks(daemon, c):
    me = c.call("whoami")["session-id"]
    with daemon.client() as other:
        assert c.call("lock", target="candidate") == {"ok": True}
        for client in (c, other):
            e = refused(client, "lock", target="candidate")
            assert e.tag == "lock-denied" and e.info == {"session-id": me}
        for method, params in (("edit-config", {"config": server(weight=9)}), ("discard", {}), ("commit", {}),
                               ("rollback", {"version": 1}), ("copy-config", {"source": "running", "target": "candidate"})):
            assert refused(other, method, **params).tag == "in-use", method
        tagged(refused(other, "unlock", target="candidate"), "operation-failed")
        assert other.call("edit-config", target="running", config=server(weight=8))["ok"]  # another datastore
        c.edit(server(weight=9))
        assert c.state()["locks"][0]["target"] == "candidate" and c.state()["locks"][0]["session-id"] == me
        c.commit()
        assert c.call("unlock", target="candidate") == {"ok": True}
        tagged(refused(c, "unlock", target="candidate"), "operation-failed")
        c.call("lock", target="running")
        assert refused(other, "edit-config", target="running", config=server(weight=1)).tag == "in-use"
        other.edit(server(weight=3))
        assert refused(other, "commit").tag == "in-use"
        other.call("discard")
        c.call("unlock", target="running")


def test_a_candidate_that_others_changed_cannot_be_locked(daemon, c):
    with daemon.client() as other:
        other.edit(server(weight=9))
        e = refused(c, "lock", target="candidate")
        assert e.tag == "lock-denied" and e.info == {"session-id": other.call("whoami")["session-id"]}
    e = refused(c, "lock", target="candidate")
    assert e.info == {"session-id": 0}  # who did it is gone
    c.call("discard")
    c.call("lock", target="candidate")
    c.call("unlock", target="candidate")


def test_locks_fall_with_the_connection(daemon, c):
    with daemon.client() as other:
        other.call("lock", target="candidate")
        other.call("lock", target="running")
        other.edit(server(weight=9))
    deadline = time.time() + 5
    while c.state()["locks"] and time.time() < deadline:
        time.sleep(0.01)
    assert c.state()["locks"] == []
    assert c.config("candidate") == CONFIG  # what the lock's holder left is gone with it


def test_kill_session(daemon, c):
    me = c.call("whoami")["session-id"]
    with daemon.client() as other:
        other.call("lock", target="candidate")
        assert c.call("kill-session", session_id=other.call("whoami")["session-id"]) == {"ok": True}
        with pytest.raises((RpcClosed, ConnectionError)):
            other.call("whoami")
    assert c.state()["locks"] == []
    tagged(refused(c, "kill-session", session_id=me), "invalid-value")
    tagged(refused(c, "kill-session", session_id=4000000000), "invalid-value")


# ---- access rules

def test_access_rules(daemon, c):
    def ann(*calls):
        return daemon.as_uid(NETCONFD_UID, {"method": "session", "params": {"user": "ann"}}, *calls)[1:]

    def edit(config):
        return {"method": "edit-config", "params": {"config": config}}

    read = {"method": "get-config", "params": {"source": "running"}}
    a = ann(read, edit(server(weight=9)), {"method": "kill-session", "params": {"session-id": 1}}, {"method": "commit"})
    assert "ietf-netconf-acm:nacm" not in a[0]["result"]["config"]
    assert a[1]["error"]["data"]["error-tag"] == "access-denied"
    assert a[1]["error"]["data"]["error-path"] == LB + "/pools/pool[name='p']/servers/server[name='s1']/weight"
    assert a[2]["error"]["data"]["error-tag"] == "access-denied"
    assert a[3]["result"]  # nothing to commit harms nobody

    c.edit({"ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "ops", "user-name": ["ann"]}]},
            "rule-list": [{"name": "r", "group": ["ops"], "rule": [
                {"name": "no-services", "path": "/sluice-lb:load-balancers/load-balancer/services", "action": "deny"},
                {"name": "lb", "path": "/sluice-lb:load-balancers", "action": "permit"},
                {"name": "no-rollback", "rpc-name": "rollback", "action": "deny"}]}]}})
    c.commit()
    a = ann(read, edit(server(weight=9)), {"method": "commit"},
            edit(in_lb(services={"@": op("delete")})),
            {"method": "rollback", "params": {"version": 1}},
            {"method": "edit-config", "params": {"target": "running", "config": {"ietf-system:system": {"hostname": "x"}}}})
    lb = a[0]["result"]["config"]["sluice-lb:load-balancers"]["load-balancer"][0]
    assert "services" not in lb and "pools" in lb and "ietf-netconf-acm:nacm" not in a[0]["result"]["config"]
    assert a[1]["result"] and a[2]["result"]["version"]
    for i in (3, 4, 5):
        assert a[i]["error"]["data"]["error-tag"] == "access-denied", i

    # what another put into the candidate is asked about when it is committed
    c.edit(in_lb(services={"service": [{"name": "web", "port": 81}]}))
    a = ann({"method": "commit"}, {"method": "compare"})
    assert a[0]["error"]["data"]["error-tag"] == "access-denied"
    assert a[1]["result"]["diff"] == []
    c.call("discard")
    c.edit({"ietf-netconf-acm:nacm": {"@": op("remove")}})
    c.commit()


# ---- hostile input

def raw(daemon, data):
    """Send bytes; all lines until the daemon ends the connection or is silent."""
    with daemon.client() as client:
        client.sock.settimeout(10)
        client.send(data)
        client.sock.shutdown(socket.SHUT_WR)
        lines = []
        try:
            while True:
                lines.append(json.loads(client.read_line()))
        except (RpcClosed, ConnectionError):
            return lines


@pytest.mark.parametrize("data", [b"{\n", b"}\n", b"\xff\xfe\n", b"\x00\n", b"{\"a\":1,\"a\":2}\n", b"nonsense\n",
                                  b'{"jsonrpc":"2.0","id":1,"method":"whoami"} trailing\n',
                                  b"[" * 100000 + b"\n", b'{"a":' * 100000 + b"\n"])
def test_what_is_not_json_is_answered_and_ends_the_connection(daemon, data):
    with daemon.client() as client:
        client.send(data)
        a = client.answer()
        assert a["error"]["code"] == -32700 and a["id"] is None
        with pytest.raises((RpcClosed, ConnectionError)):
            client.read_line()


@pytest.mark.parametrize("request_,code", [
    ([], -32600), ([{"jsonrpc": "2.0", "id": 1, "method": "whoami"}], -32600),
    ({"id": 1, "method": "whoami"}, -32600), ({"jsonrpc": "1.0", "id": 1, "method": "whoami"}, -32600),
    ({"jsonrpc": "2.0", "id": 1}, -32600), ({"jsonrpc": "2.0", "id": 1, "method": 7}, -32600),
    ({"jsonrpc": "2.0", "id": {}, "method": "whoami"}, -32600), ({"jsonrpc": "2.0", "id": "x" * 5000, "method": "whoami"}, -32600),
    ({"jsonrpc": "2.0", "id": 1, "method": "nothing"}, -32601), ({"jsonrpc": "2.0", "id": 1, "method": ""}, -32601),
    ({"jsonrpc": "2.0", "id": 1, "method": "whoami", "params": []}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "whoami", "params": {"x": 1}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "get-config"}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "get-config", "params": {"source": "startup"}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "get-config", "params": {"source": "running", "paths": "x"}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "get-config", "params": {"source": "running", "with-defaults": "x"}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "edit-config"}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "edit-config", "params": {"config": []}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "edit-config", "params": {"config": {}, "default-operation": "delete"}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "commit", "params": {"comment": "x" * 2000}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "commit", "params": {"require-all": 1}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "lock"}, -32602), ({"jsonrpc": "2.0", "id": 1, "method": "kill-session"}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "kill-session", "params": {"session-id": -1}}, -32602),
    ({"jsonrpc": "2.0", "id": 1, "method": "rollback", "params": {"version": -1}}, -32602),
])
def test_bad_requests(daemon, request_, code):
    with daemon.client() as client:
        client.send(json.dumps(request_).encode() + b"\n")
        assert client.answer()["error"]["code"] == code
        assert client.call("whoami")  # the connection goes on


def test_deep_configurations_are_refused(c):
    deep = {"sluice-lb:load-balancers": {}}
    for _ in range(900):
        deep = {"sluice-lb:load-balancers": deep}
    assert refused(c, "edit-config", config=deep).code == -32000
    deep = {"unknown:x": [[[[1]]]]}
    assert refused(c, "edit-config", config=deep).code == -32000


def test_a_line_that_never_ends(daemon):
    before = daemon.memory()
    with daemon.client() as client:
        client.sock.settimeout(60)
        chunk = b'"' + b"x" * (1 << 20)
        with pytest.raises((RpcClosed, ConnectionError)):
            for _ in range(80):
                client.send(chunk)
            assert client.answer()["error"]["code"] == -32700
            client.read_line()
    with daemon.client() as client:
        assert client.call("whoami")
    assert daemon.memory() < before + 200 * 1024


def test_answers_come_in_the_order_of_the_requests(c):
    ids = [c.start(m, **p) for m, p in (("edit-config", {"config": server(weight=9)}), ("commit", {}), ("state", {}),
                                        ("get-config", {"source": "running"}), ("whoami", {})) * 20]
    for i in ids:
        c.finish(i)


def test_notifications_are_executed_and_never_answered(c):
    c.edit(server(weight=9))
    c.send(b'{"jsonrpc":"2.0","method":"discard"}\n{"jsonrpc":"2.0","method":"no-such"}\n\n')
    assert c.call("compare") == {"diff": []}


def test_a_client_that_goes_away_in_the_middle(daemon, c):
    for n in range(30):
        with daemon.client() as other:
            other.start("get-config", source="running")
            other.start("edit-config", config=server(weight=n + 1))
            other.start("commit")
            other.send(b'{"jsonrpc":"2.0","id":1,"met')
    assert c.call("whoami")
    assert c.call("validate", source="running") == {"ok": True}


def test_many_connections(daemon):
    clients = [daemon.client() for _ in range(300)]
    assert len({x.call("whoami")["session-id"] for x in clients}) == 300
    for x in clients:
        x.close()


def test_one_user_leaves_sessions_to_others(daemon, c):
    clients = []
    os.setegid(SLUICE_UID)
    os.seteuid(SLUICE_UID)
    try:
        clients = [daemon.client() for _ in range(600)]
    finally:
        os.seteuid(0)
        os.setegid(0)
    alive = 0
    for x in clients:
        try:
            x.call("whoami")
            alive += 1
        except (OSError, RpcClosed):
            pass
    assert alive == 128
    assert c.call("whoami")["uid"] == 0
    with daemon.client() as another:
        assert another.call("whoami")["uid"] == 0
    for x in clients:
        x.close()


# ---- life

def test_kill_9_leaves_the_old_or_the_new():
    with Daemon("kill") as d:
        with d.client() as client:
            client.call("copy-config", target="running", config=CONFIG)
        weight = 5
        for n in range(10):
            with d.client() as client:
                acknowledged = weight
                try:
                    client.start("edit-config", target="running", config=server(weight=(n * 7) % 256), comment=str(n))
                    if n % 2:
                        client.finish(client.last_id)
                        acknowledged = (n * 7) % 256
                    os.kill(d.process.pid, signal.SIGKILL)
                except OSError:
                    pass
            d.process.wait()
            d.start()
            with d.client() as client:
                got = client.config()["sluice-lb:load-balancers"]["load-balancer"][0]
                weight = got["pools"]["pool"][0]["servers"]["server"][0]["weight"]
                assert weight in ({acknowledged} if n % 2 else {acknowledged, (n * 7) % 256})
                assert client.call("validate", source="running") == {"ok": True}


def test_a_second_daemon_is_refused(daemon):
    p = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=20, check=False)
    assert p.returncode == 1 and "another sluiced" in p.stderr
    with daemon.client() as client:
        assert client.call("whoami")


def test_a_damaged_journal_is_refused_by_name_and_offset():
    with Daemon("damage") as d:
        with d.client() as client:
            for w in (1, 2, 3):
                client.call("copy-config", target="running", config=CONFIG)
                client.call("edit-config", target="running", config=server(weight=w))
        d.stop()
        journal = Path(d.base) / "lib" / "datastore" / "journal"
        data = bytearray(journal.read_bytes())
        at = data.index(b"weight", data.index(b"weight") + 10)
        data[at] ^= 0x20
        journal.write_bytes(data)
        p = subprocess.run(d.command(), capture_output=True, text=True, timeout=20, check=False)
        assert p.returncode == 1 and str(journal) in p.stderr and "offset" in p.stderr
        assert "--keep-good-journal" in p.stderr
        d.start("--keep-good-journal")
        with d.client() as client:
            assert client.call("validate", source="running") == {"ok": True}
            assert client.state()["version"] < 6
        assert list(journal.parent.glob("journal.damaged.*"))


def test_it_drops_its_rights(daemon):
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    assert f"Uid:\t{SLUICE_UID}\t{SLUICE_UID}\t{SLUICE_UID}" in status
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("args,word", [(["--user", "nobody-by-that-name"], "nobody-by-that-name"), (["--bad"], "usage"),
                                       (["--yang", "/nonexistent"], "YANG"), (["--netconfd-user", "no-such-user"], "no-such-user")])
def test_bad_starts_say_why(tmp_path, args, word):
    p = subprocess.run([SLUICED, "--base", tmp_path, "--user", str(SLUICE_UID), *args], capture_output=True, text=True,
                       timeout=20, check=False)
    assert p.returncode in (1, 2) and word in p.stderr
    assert len(p.stderr.splitlines()) < 6


def test_bad_yang_is_refused_by_name():
    d = Daemon("yang")
    try:
        yang = d.base / "yang"
        yang.mkdir()
        (yang / "implemented").write_text("broken\n")
        (yang / "broken.yang").write_text("module broken { namespace x; prefix b; leaf l { type nothing; } }")
        p = subprocess.run([SLUICED, "--base", d.base, "--yang", yang, "--user", str(SLUICE_UID)], capture_output=True,
                           text=True, timeout=20, check=False)
        assert p.returncode == 1 and "model broken" in p.stderr
    finally:
        d.remove()


HALF_LINES = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
held = []
for n in range(4):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(sys.argv[1])
    try:
        for _ in range(50):
            s.sendall(b"x" * (1 << 20))
        held.append(s)
        ended = False
    except OSError:
        ended = True
    print(n, "ended" if ended else "held", flush=True)
"""


def test_half_lines_of_one_user_are_bounded(daemon):
    """Each session stays below the longest line, all together do not."""
    out = subprocess.run([sys.executable, "-c", HALF_LINES, str(daemon.socket), str(STRANGER_UID)], text=True,
                         capture_output=True, timeout=120, check=True).stdout.split("\n")
    assert out[:2] == ["0 held", "1 held"] and "2 ended" in out[2:], out
    with daemon.client() as c:
        assert c.call("whoami")["uid"] == 0
