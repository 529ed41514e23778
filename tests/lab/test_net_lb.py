# SPDX-License-Identifier: BSD-3-Clause
"""Configuration from the daemon into the real sluice-lb: whoever starts first, whoever was away, and what an
instance that leaves the configuration still does."""
import copy

import pytest
from border import VIP4, VIP6, Border
from lab import wait_for


@pytest.fixture
def lab():
    with Border(servers=2, capture=False) as lab:
        lab.serve_http()
        lab.start_sluiced()
        yield lab


def get(lab, address):
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    r = lab.client.run("curl", "-sS", "-g", "--max-time", "2", url, check=False)
    return r.stdout.strip() if r.returncode == 0 else None


def serves(lab, address=VIP4):
    return wait_for(f"{address} is served", lambda: get(lab, address) in ("s1", "s2"), 15, 0.1)


def app(lab, name="lb"):
    with lab.rpc() as c:
        return next((a for a in c.call("state")["apps"] if a["instance"] == name), None)


def in_step(lab):
    def test():
        a = app(lab)
        return a and a["connected"] and a["applied"] == a["intended"]
    wait_for("lb in step", test)


def commit(lab, config):
    with lab.rpc() as c:
        c.call("edit-config", config=config, **{"default-operation": "replace"})
        return c.call("commit")


def test_an_app_that_starts_last_gets_all(lab):
    r = commit(lab, lab.config(check="none"))
    assert any("lb is not connected" in w for w in r["warnings"]), r
    lab.start_lb()
    in_step(lab)
    serves(lab, VIP4)
    serves(lab, VIP6)


def test_an_app_that_was_down_catches_up(lab):
    lab.start_lb()
    config = lab.config(check="none")
    assert not commit(lab, config)["warnings"]
    serves(lab)
    lab.daemons["sluice-lb"].kill()
    config["sluice-lb:load-balancers"]["load-balancer"][0]["services"]["service"][0]["address"] = "10.10.0.101"
    assert commit(lab, config)["warnings"]
    lab.start_lb()
    in_step(lab)
    serves(lab, "10.10.0.101")
    assert get(lab, VIP4) is None  # the old address is nobody's


def test_an_instance_that_is_deleted_serves_nothing(lab):
    lab.start_lb()
    config = lab.config(check="none")
    commit(lab, config)
    serves(lab)
    assert not commit(lab, {})["warnings"]
    wait_for("link closed", lambda: app(lab) is None)
    assert get(lab, VIP4) is None
    assert lab.daemons["sluice-lb"].alive()
    assert not commit(lab, config)["warnings"]  # and back
    serves(lab)


def test_a_service_in_a_context_without_ports_is_told(lab):
    lab.start_lb()
    config = lab.config(check="none")
    lost = copy.deepcopy(config)
    lost["sluice-lb:load-balancers"]["load-balancer"][0]["services"]["service"][0]["context"] = 5
    name = lost["sluice-lb:load-balancers"]["load-balancer"][0]["services"]["service"][0]["name"]
    says = commit(lab, lost)["warnings"]
    assert len(says) == 1 and f"service[name='{name}']" in says[0] and "no port of lb is in context 5" in says[0], says
    assert not commit(lab, config)["warnings"]
    serves(lab)


def test_a_port_is_closed_and_opened_by_enabled(lab):
    lab.start_lb()
    config = lab.config(check="none")
    commit(lab, config)
    serves(lab)
    off = copy.deepcopy(config)
    off["ietf-interfaces:interfaces"]["interface"][0]["enabled"] = False
    assert not commit(lab, off)["warnings"]
    assert get(lab, VIP4) is None
    assert not commit(lab, config)["warnings"]
    serves(lab)


def test_two_instances_on_one_node(lab):
    lab.start_lb()
    lab.start_daemon("sluice-lb", "--instance", "lb2", "--no-huge")
    wait_for("lb2", lambda: (lab.base / "run" / "lb2.ctl").exists())
    config = lab.config(check="none")
    commit(lab, config)
    serves(lab)
    # lb2 asks for a port of lb: refused with its path, and lb goes on
    lab.border.run("ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1")
    second = {"name": "lb2", "local-address-pools": {"local-address-pool": [{"name": "l", "address": ["10.40.0.200"]}]}}
    config["sluice-lb:load-balancers"]["load-balancer"].append(second)
    config["ietf-interfaces:interfaces"]["interface"].append(
        {"name": "x0", "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": "lb2"}})
    assert not commit(lab, config)["warnings"]
    assert app(lab, "lb2")["applied"] == app(lab, "lb2")["intended"]
    serves(lab)


def test_what_is_down_is_said_again_to_a_new_daemon(lab):
    lab.start_lb()
    lab.start_checkd()
    config = lab.config()
    commit(lab, config)
    lab.wait_health("web4/s1", "up")
    lab.servers[0].stop_http()
    lab.wait_health("web4/s1", "down")
    lab.wait_health("web6/s1", "down")

    def alarms():
        with lab.rpc() as c:
            return sorted(a["path"].replace('"', "'") for a in c.call("state")["alarms"] if a["type"] == "health")
    path = "/sluice-lb:load-balancers/load-balancer[name='lb']/pools/pool[name='web%d']/servers/server[name='s1']"
    wait_for("alarms", lambda: alarms() == [path % 4, path % 6])
    lab.daemons["sluiced"].kill()
    lab.start_sluiced()
    wait_for("alarms again", lambda: alarms() == [path % 4, path % 6])
    servers = config["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]["pool"][0]["servers"]["server"]
    del servers[0]
    assert not commit(lab, config)["warnings"]
    assert alarms() == [path % 6]  # gone with its server
