# SPDX-License-Identifier: BSD-3-Clause
"""sluice-netconfd against a sluiced that fails, hangs, lies or goes away: each session gets a clean
error or a clean end, and the server goes on."""
import time

import pytest
from fake_sluiced import FakeSluiced
from lab import wait_for
from ncclient.operations import RPCError
from ncclient.transport.errors import AuthenticationError
from netconf_lab import LB, NetconfLab, config, data_of, expected, lb


@pytest.fixture(scope="module")
def box():
    with NetconfLab(FakeSluiced) as lab:
        yield lab


@pytest.fixture
def lab(box):
    box.fake.faults.clear()
    box.fake.running, box.fake.candidate = {}, {}
    yield box
    box.fake.faults.clear()


def closes(m):
    wait_for("end of the session", lambda: not m.connected)


def fails(call, tag, **fields):
    with pytest.raises(RPCError) as e:
        call()
    assert e.value.tag == tag
    for k, v in fields.items():
        assert getattr(e.value, k) == v, k
    return e.value


def test_connection_lost_during_a_call_is_an_error_and_then_the_end(lab):
    m = lab.connect()
    lab.fake.faults["get-config"] = "close"
    e = fails(lambda: m.get_config("running"), "operation-failed", type="application")
    assert "sluiced" in e.message
    closes(m)
    lab.fake.faults.clear()
    with lab.connect() as m2:
        m2.get_config("running")


@pytest.mark.parametrize("fault", ["garbage", "wrong-id"])
def test_nonsense_from_sluiced_is_an_error_and_then_the_end(lab, fault):
    m = lab.connect()
    lab.fake.faults["get"] = fault
    fails(m.get, "operation-failed")
    closes(m)


def test_data_outside_the_models_is_an_error_and_the_session_lives(lab):
    with lab.connect() as m:
        lab.fake.running = {"sluice-lb:nonsense": {"x": 1}}
        fails(lambda: m.get_config("running"), "operation-failed")
        lab.fake.running = {}
        assert data_of(m.get_config("running")) == ""


def test_sluiced_stops_sessions_end_and_new_ones_wait_for_it(lab):
    m1, m2 = lab.connect(), lab.connect("bob")
    lab.fake.close()
    closes(m1)
    closes(m2)
    lab.wait_children(0)
    with pytest.raises(AuthenticationError):
        lab.connect()
    lab.fake.open()
    with lab.connect() as m:
        assert data_of(m.get_config("running")) == ""
    assert lab.netconfd.alive()


def test_a_hanging_sluiced_holds_up_one_session_only(lab):
    m = lab.connect(timeout=2)
    lab.fake.faults["validate"] = "hang"
    with pytest.raises(Exception, match="(?i)time"):
        m.validate("candidate")
    with lab.connect("bob") as other:
        t = time.monotonic()
        other.get_config("running")
        assert time.monotonic() - t < 1
    # The client leaves in the middle of the call: so does its process, with its locks.
    m._session.transport.close()
    lab.wait_children(0)


def test_errors_of_sluiced_pass_through_with_prefixes(lab):
    path = "/sluice-lb:load-balancers/load-balancer[name='lb']/services/service[name='a']/pool"
    lab.fake.faults["commit"] = {
        "error-type": "application", "error-tag": "data-missing", "error-severity": "error",
        "error-app-tag": "instance-required", "error-path": path, "error-message": "no such <pool>"}
    with lab.raw() as r:
        text = r.rpc('<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="7"><commit/></rpc>')
    assert "<error-tag>data-missing</error-tag>" in text
    assert "<error-app-tag>instance-required</error-app-tag>" in text
    assert f'<error-path xmlns:slb="{LB}">/slb:load-balancers/slb:load-balancer[slb:name=\'lb\']/slb:services' \
           "/slb:service[slb:name='a']/slb:pool</error-path>" in text
    assert "no such &lt;pool&gt;" in text
    assert 'message-id="7"' in text


def test_several_errors_are_all_passed_on(lab):
    one = {"error-type": "application", "error-tag": "invalid-value", "error-severity": "error", "error-message": "a"}
    lab.fake.faults["validate"] = [one, dict(one, **{"error-message": "b"})]
    with lab.raw() as r:
        text = r.rpc('<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1"><validate><source>'
                     "<candidate/></source></validate></rpc>")
    assert text.count("<rpc-error>") == 2
    assert text.index(">a<") < text.index(">b<")


def test_warnings_of_commit_do_not_make_it_fail(lab):
    with lab.connect() as m:
        m.edit_config(target="candidate", config=config(lb("")))
        assert m.commit().ok
    wait_for("the warning in the log", lambda: "the app 'lb' is away" in lab.netconfd.text())


def test_deleting_without_a_value_asks_for_the_present_one(lab):
    with lab.connect() as m:
        m.edit_config(target="candidate", config=config(lb("<timeouts><udp>7000</udp></timeouts>")))
        m.edit_config(target="candidate", config=config(lb('<timeouts><udp nc:operation="delete"/></timeouts>')))
        method, params = lab.fake.calls[-1]
        assert method == "edit-config"
        entry = params["config"]["sluice-lb:load-balancers"]["load-balancer"][0]
        assert entry["timeouts"] == {"udp": 7000, "@udp": {"ietf-netconf:operation": "delete"}}


def test_filters_ask_for_what_they_need_and_show_what_they_select(lab):
    lab.fake.running = {"sluice-lb:load-balancers": {"load-balancer": [
        {"name": "lb", "flow-table": {"size": 4096}, "timeouts": {"udp": 5000}}, {"name": "other"}]}}
    flt = f'<load-balancers xmlns="{LB}"><load-balancer><name>lb</name><timeouts/></load-balancer></load-balancers>'
    with lab.connect() as m:
        reply = m.get_config("running", filter=("subtree", flt))
    # The stand-in sends everything; only what the filter selects may come out.
    assert data_of(reply) == expected(lb("<timeouts><udp>5000</udp></timeouts>"))
    _, params = lab.fake.calls[-1]
    assert params["paths"][0] == ("/sluice-lb:load-balancers/sluice-lb:load-balancer[sluice-lb:name='lb']"
                                  "/sluice-lb:timeouts")


def test_password_is_asked_of_sluiced_and_never_logged(lab):
    with pytest.raises(AuthenticationError):
        lab.connect(password="hunter2-unique")
    assert any(m == "authenticate" and p["password"] == "hunter2-unique" for m, p in lab.fake.calls)
    assert "hunter2-unique" not in lab.netconfd.text()


def test_session_refused_by_sluiced_ends_the_connection(lab):
    lab.fake.faults["session"] = {"error-type": "application", "error-tag": "access-denied",
                                  "error-severity": "error", "error-message": "no"}
    with pytest.raises(Exception):
        lab.connect()
    lab.wait_children(0)
