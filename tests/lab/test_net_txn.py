# SPDX-License-Identifier: BSD-3-Clause
"""Transactions between the daemon and apps that refuse, hang, die and come back, with apps of our own making
(fake_app.py) in the place of sluice-lb."""
import time

import pytest
from border import Border
from fake_app import LOCAL_ADDRESS, POOL, PORT, SERVER, SERVICE, SETTINGS, FakeApp
from lab import wait_for
from rpc_client import RpcError

LB = "/sluice-lb:load-balancers/load-balancer[name='lb']"


def instance(name="lb", vip="192.0.2.1", local="10.0.0.200", port=80, servers=("a",)):
    return {
        "name": name,
        "local-address-pools": {"local-address-pool": [{"name": "l", "address": [local]}]},
        "pools": {"pool": [{"name": "p", "servers": {"server": [
            {"name": s, "address": f"10.0.0.{i + 1}", "port": port} for i, s in enumerate(servers)]}}]},
        "services": {"service": [{"name": "web", "address": vip, "port": 80, "protocol": "tcp", "pool": "p",
                                  "local-address-pool": "l"}]}}


def config(*instances):
    return {"sluice-lb:load-balancers": {"load-balancer": list(instances)}}


class NetLab:
    """The daemon, fake apps, one session."""

    def __init__(self, lab):
        self.lab, self.run, self.apps = lab, lab.base / "run", {}
        self.lab.start_sluiced()

    def app(self, name="lb"):
        app = self.apps[name] = FakeApp(str(self.run), name)
        return app.start()

    def commit(self, tree, **params):
        with self.lab.rpc() as c:
            c.call("edit-config", config=tree, **{"default-operation": "replace"})
            try:
                return c.call("commit", **params)
            except RpcError:
                c.call("discard")
                raise

    def running(self):
        with self.lab.rpc() as c:
            r = c.call("get-config", source="running")
            return r["config"], r["version"]

    def state(self, name="lb"):
        with self.lab.rpc() as c:
            return next((a for a in c.call("state")["apps"] if a["instance"] == name), None)

    def in_step(self, name="lb"):
        def test():
            s = self.state(name)
            return s and s["connected"] and s["applied"] == s["intended"]
        wait_for(f"{name} in step", test)


@pytest.fixture
def net():
    with Border(servers=0, capture=False) as lab:
        net = NetLab(lab)
        yield net
        for app in net.apps.values():
            app.stop()


def same(path):
    return path.replace('"', "'")


def test_records_reach_the_app(net):
    app = net.app()
    r = net.commit(config(instance(servers=("a", "b"))))
    assert not r.get("warnings"), r
    assert app.applied == r["version"]
    assert app.names(SERVER) == ["a", "b"] and app.names(SERVICE) == ["web"] and app.names(POOL) == ["p"]
    assert len([k for k in app.records if k[0] == LOCAL_ADDRESS]) == 1
    assert (SETTINGS, 1) in app.records
    before = len(app.log)
    r = net.commit(config(instance(servers=("a", "b", "c"))))
    assert [e[1] for e in app.log[before:]] == ["BEGIN", "UPSERT", "PREPARE", "COMMIT"]
    assert app.names(SERVER) == ["a", "b", "c"]


def test_a_refused_prepare_leaves_running_untouched(net):
    app = net.app()
    net.commit(config(instance()))
    running = net.running()
    app.refuse = dict(result=-12, tag=3, rec_type=SERVER, field="address", find="b", message="no room for it")
    with pytest.raises(RpcError) as e:
        net.commit(config(instance(servers=("a", "b"))))
    assert e.value.tag == "resource-denied"
    assert same(e.value.path) == f"{LB}/pools/pool[name='p']/servers/server[name='b']/address"
    assert "no room for it" in str(e.value)
    assert net.running() == running
    assert app.names(SERVER) == ["a"] and app.applied == running[1]
    app.refuse = None
    assert not net.commit(config(instance(servers=("a", "b")))).get("warnings")
    assert app.names(SERVER) == ["a", "b"]


def test_a_hanging_app_is_a_warning_after_the_deadline(net):
    app = net.app()
    net.commit(config(instance()))
    app.hang = True
    start = time.monotonic()
    r = net.commit(config(instance(servers=("a", "b"))))
    took = time.monotonic() - start
    assert 9.5 < took < 11.5, took
    assert any("lb" in w and "answer" in w for w in r["warnings"]), r
    app.hang = False
    app.wait(lambda: app.applied == r["version"])
    assert app.names(SERVER) == ["a", "b"]


def test_an_app_that_dies_mid_transaction_is_resynced(net):
    app = net.app()
    net.commit(config(instance()))
    app.die_prepared = True
    r = net.commit(config(instance(servers=("a", "b"))))
    assert any("lb" in w for w in r["warnings"]), r
    assert app.names(SERVER) == ["a"]  # what it had prepared is gone with it
    app.start()
    app.wait(lambda: app.applied == r["version"])
    assert app.names(SERVER) == ["a", "b"]
    net.in_step()


def test_an_app_that_is_away_gets_it_when_it_comes(net):
    r = net.commit(config(instance()))
    assert any("lb" in w for w in r["warnings"]), r
    assert net.state()["connected"] is False
    app = net.app()
    app.wait(lambda: app.applied == r["version"])
    assert app.names(SERVICE) == ["web"]


def test_require_all_refuses_while_an_app_is_away(net):
    app = net.app()
    net.commit(config(instance()))
    running = net.running()
    app.stop()
    wait_for("lb away", lambda: not net.state()["connected"])
    with pytest.raises(RpcError) as e:
        net.commit(config(instance(servers=("a", "b"))), **{"require-all": True})
    assert same(e.value.path) == LB
    assert net.running() == running


def test_a_restarted_app_is_resynced_from_nothing(net):
    app = net.app()
    r = net.commit(config(instance(servers=("a", "b"))))
    app.stop()
    app.applied, app.records = 0, {}
    app.start()
    app.wait(lambda: app.applied == r["version"])
    assert app.said("BEGIN")[-1] == (0, r["version"])
    assert app.names(SERVER) == ["a", "b"]


def test_a_restarted_daemon_leaves_an_app_in_step_alone(net):
    app = net.app()
    net.commit(config(instance()))
    net.lab.daemons["sluiced"].kill()
    before = len(app.log)
    net.lab.start_sluiced()
    net.in_step()
    time.sleep(0.3)
    assert len(app.log) == before, app.log[before:]
    r = net.commit(config(instance(servers=("a", "b"))))
    assert app.said("BEGIN")[-1][0] != 0 and app.applied == r["version"]


def test_a_restarted_daemon_brings_an_app_that_lags_up_to_date(net):
    app = net.app()
    net.commit(config(instance()))
    app.stop()
    r = net.commit(config(instance(servers=("a", "b"))))
    net.lab.daemons["sluiced"].kill()
    net.lab.start_sluiced()
    app.start()
    app.wait(lambda: app.applied == r["version"])
    assert app.names(SERVER) == ["a", "b"]


def test_the_second_refuses_and_the_first_is_aborted(net):
    lb, lb2 = net.app("lb"), net.app("lb2")
    net.commit(config(instance(), instance("lb2", "192.0.2.2", "10.0.0.201")))
    running = net.running()
    lb2.refuse = dict(result=-22, tag=2, message="not this one")
    with pytest.raises(RpcError) as e:
        net.commit(config(instance(port=81), instance("lb2", "192.0.2.2", "10.0.0.201", port=81)))
    assert "lb2" in e.value.path
    assert net.running() == running
    lb.wait(lambda: lb.said("ABORT"))
    assert lb.applied == lb2.applied == running[1]
    assert lb.said("COMMIT") == lb2.said("COMMIT")
    # and a change of lb alone goes through, lb2 only learns the version
    r = net.commit(config(instance(port=81), instance("lb2", "192.0.2.2", "10.0.0.201")))
    assert not r.get("warnings")
    assert lb.applied == r["version"]


def test_a_refusal_at_resync_keeps_the_last_good_state(net):
    app = net.app()
    net.commit(config(instance()))
    good = dict(app.records)
    app.stop()
    wait_for("lb away", lambda: not net.state()["connected"])
    r = net.commit(config(instance(servers=("a", "b"))))
    app.refuse = dict(result=-19, tag=2, rec_type=SERVER, field="address", find="b", message="no route to it")
    app.start()
    wait_for("refusal", lambda: net.state().get("error"))
    s = net.state()
    assert s["connected"] and s["applied"] < s["intended"] == r["version"], s
    assert "no route to it" in str(s["error"]) and "server[name='b']" in same(str(s["error"])), s
    assert app.records == good
    with net.lab.rpc() as c:
        assert any("no route to it" in str(a) for a in c.call("state").get("alarms", []))
    app.refuse = None
    net.commit(config(instance(servers=("a", "b", "c"))))
    net.in_step()
    assert app.names(SERVER) == ["a", "b", "c"] and not net.state().get("error")


def test_an_instance_that_is_deleted_serves_nothing(net):
    app = net.app()
    net.commit(config(instance()))
    with net.lab.rpc() as c:
        c.call("edit-config", config={"sluice-lb:load-balancers": {
            "load-balancer": [{"name": "lb", "@": {"ietf-netconf:operation": "delete"}}]}})
        r = c.call("commit")
    app.wait(lambda: app.applied == r["version"])
    assert set(app.records) == {(SETTINGS, 1)}
    wait_for("link closed", lambda: net.state() is None)


def test_ports_are_mapped_and_bad_ones_refused(net):
    app = net.app()
    tree = config(instance())
    tree["ietf-interfaces:interfaces"] = {"interface": [
        {"name": "up", "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": "lb"}},
        {"name": "down", "type": "sluice-port:af-xdp", "enabled": False, "sluice-port:port": {"owner": "lb"}}]}
    net.commit(tree)
    assert app.names(PORT) == ["up"]
    tree["ietf-interfaces:interfaces"]["interface"][1]["enabled"] = True
    net.commit(tree)
    assert app.names(PORT) == ["down", "up"]
    tree["ietf-interfaces:interfaces"]["interface"].append(
        {"name": "m", "type": "sluice-port:memif", "sluice-port:port": {"owner": "lb"}})
    with pytest.raises(RpcError) as e:
        net.commit(tree)
    assert e.value.tag == "data-missing"
    assert same(e.value.path).startswith("/ietf-interfaces:interfaces/interface[name='m']/sluice-port:port/")


def test_state_of_the_app_is_shown(net):
    app = net.app()
    net.commit(config(instance()))
    app.answers["state"] = {"sluice-lb:load-balancers": {"load-balancer": [{"name": "lb", "state": {
        "active-flows": "5"}, "pools": {"pool": [{"name": "p", "servers": {"server": [
            {"name": "a", "state": {"health": "up"}}]}}]}}]}}
    with net.lab.rpc() as c:
        lb = c.call("get")["data"]["sluice-lb:load-balancers"]["load-balancer"][0]
    assert lb["state"]["connected"] is True and lb["state"]["active-flows"] == "5"
    assert lb["pools"]["pool"][0]["servers"]["server"][0]["state"]["health"] == "up"
    app.answers["state"] = {"sluice-lb:load-balancers": {"load-balancer": [{"name": "lb", "services": {"service": [
        {"name": "web", "address": "203.0.113.1"}]}}]}}  # configuration is not the app's to say
    with net.lab.rpc() as c:
        lb = c.call("get")["data"]["sluice-lb:load-balancers"]["load-balancer"][0]
    assert lb["services"]["service"][0]["address"] == "192.0.2.1"
    assert "active-flows" not in lb["state"]


def test_what_an_app_reports_is_an_alarm_until_it_is_over(net):
    app = net.app()
    net.commit(config(instance()))
    server = next(i for (t, i), r in app.records.items() if t == SERVER)

    def alarms():
        with net.lab.rpc() as c:
            return [a for a in c.call("state")["alarms"] if a["type"] == "health"]
    app.event(2, 4, "server a is down: connection refused", SERVER, server)
    wait_for("alarm", alarms)
    a = alarms()[0]
    assert same(a["path"]) == f"{LB}/pools/pool[name='p']/servers/server[name='a']"
    assert a["text"] == "server a is down: connection refused" and a["resource"] == "lb"
    app.event(2, 5, "server a is up", SERVER, server)
    wait_for("alarm is over", lambda: not alarms())
