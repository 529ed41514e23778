# SPDX-License-Identifier: BSD-3-Clause
"""Each operation of NETCONF, and each refusal, with ncclient against the real daemons, in both base
versions where it matters."""
import re
import time

import pytest
from lab import ROOT, run, wait_for
from lxml import etree
from ncclient.operations import RPCError
from ncclient.xml_ import to_ele
from netconf_lab import BASE, IF, LB, MON, SP, WD, NetconfLab, config, data_of, expected, lb

POOL = ("<pools><pool><name>{0}</name><servers><server><name>s1</name><address>10.0.0.1</address><port>80</port>"
        "</server></servers></pool></pools>")
SNAT = ("<local-address-pools><local-address-pool><name>snat</name><address>10.9.0.1</address></local-address-pool>"
        "</local-address-pools>")
SERVICE = ("<services><service><name>{0}</name><address>10.1.0.1</address><port>{1}</port><protocol>tcp</protocol>"
           "<pool>{2}</pool><local-address-pool>snat</local-address-pool></service></services>")
OURS = [f'<load-balancers xmlns="{LB}"/>', f'<interfaces xmlns="{IF}"/>']


@pytest.fixture(scope="module")
def lab():
    with NetconfLab() as lab:
        yield lab


@pytest.fixture(autouse=True)
def empty(lab):
    """Each test starts from users alone, and leaves no locks."""
    with lab.rpc() as c:
        wait_for("no locks", lambda: not c.call("state")["locks"])
        c.call("discard")
        have = c.call("get-config", source="running")["config"]
        keep = {k: v for k, v in have.items() if not k.startswith(("sluice-", "ietf-interfaces"))}
        c.call("edit-config", config=keep, **{"default-operation": "replace"})
        c.call("commit")
    yield


@pytest.fixture
def m(lab):
    m = lab.connect()
    yield m
    if m.connected:
        m.close_session()


def edit(m, inner, target="candidate", **kw):
    return m.edit_config(target=target, config=config(inner), **kw)


def ours(m, source="running", **kw):
    return data_of(m.get_config(source, filter=OURS, **kw))


def refused(call, tag, kind=None):
    if kind is None:
        kind = "protocol" if tag in ("lock-denied", "in-use") else "application"
    with pytest.raises(RPCError) as e:
        call()
    assert (e.value.type, e.value.tag) == (kind, tag), e.value.message
    return e.value


# ---- edit and read -----------------------------------------------------------------------------------

def test_edit_commit_get(m):
    assert edit(m, lb(POOL.format("p"))).ok
    assert ours(m) == ""
    assert ours(m, "candidate") == expected(lb(POOL.format("p")))
    assert m.commit().ok
    assert ours(m) == expected(lb(POOL.format("p")))
    everything = m.get().xml
    assert "<netconf-state" in everything and "<load-balancers" in everything and "<yang-library" in everything


def test_discard(m):
    edit(m, lb(POOL.format("p")))
    assert m.discard_changes().ok
    assert ours(m, "candidate") == ""


def test_running_is_writable(m):
    assert edit(m, lb(POOL.format("p")), target="running").ok
    assert ours(m) == expected(lb(POOL.format("p")))


def test_default_operations(m):
    edit(m, lb("<timeouts><udp>5000</udp></timeouts>"))
    edit(m, lb("<flow-table><size>4096</size></flow-table>"), default_operation="merge")
    assert "5000" in ours(m, "candidate") and "4096" in ours(m, "candidate")
    edit(m, lb("<flow-table><size>8192</size></flow-table>"), default_operation="none")
    assert "4096" in ours(m, "candidate")
    whole = etree.fromstring(m.get_config("candidate").xml.encode())[0]
    keep = "".join(etree.tostring(e).decode() for e in whole if LB not in e.tag)
    edit(m, keep + lb("<flow-table><size>8192</size></flow-table>"), default_operation="replace")
    assert ours(m, "candidate") == expected(lb("<flow-table><size>8192</size></flow-table>"))


@pytest.mark.parametrize("operation, on, outcome", [
    ("create", False, "new"), ("create", True, "data-exists"), ("delete", True, "gone"),
    ("delete", False, "data-missing"), ("remove", True, "gone"), ("remove", False, "none"),
    ("merge", True, "both"), ("merge", False, "new"), ("replace", True, "new"), ("replace", False, "new")])
@pytest.mark.parametrize("target", ["candidate", "running"])
def test_operations_on_a_list_entry(m, operation, on, outcome, target):
    if on:
        edit(m, lb("<timeouts><udp>5000</udp></timeouts>"), target=target)
    entry = "" if operation in ("delete", "remove") else "<flow-table><size>4096</size></flow-table>"
    change = (f'<load-balancers xmlns="{LB}"><load-balancer nc:operation="{operation}"><name>lb</name>{entry}'
              "</load-balancer></load-balancers>")
    if outcome.startswith("data-"):
        e = refused(lambda: edit(m, change, target=target), outcome)
        assert "slb:load-balancer[slb:name='lb']" in e.path.replace('"', "'")
        return
    edit(m, change, target=target)
    size, udp = "<flow-table><size>4096</size></flow-table>", "<timeouts><udp>5000</udp></timeouts>"
    want = {"new": expected(lb(size)), "gone": "", "none": "", "both": None}[outcome]
    got = ours(m, target)
    if outcome == "both":
        assert got in (expected(lb(size + udp)), expected(lb(udp + size)))
    else:
        assert got in (want, expected(f'<load-balancers xmlns="{LB}"/>') if want == "" else want)


@pytest.mark.parametrize("operation, on, outcome", [
    ("create", True, "data-exists"), ("create", False, "7000"), ("delete", True, ""), ("delete", False, "data-missing"),
    ("remove", True, ""), ("remove", False, ""), ("merge", True, "7000"), ("replace", True, "7000")])
def test_operations_on_a_leaf(m, operation, on, outcome):
    edit(m, lb("<timeouts><tcp-syn>5000</tcp-syn>" + ("<udp>5000</udp>" if on else "") + "</timeouts>"))
    value = "" if operation in ("delete", "remove") else "7000"
    change = lb(f'<timeouts><udp nc:operation="{operation}">{value}</udp></timeouts>')
    if outcome.startswith("data-"):
        e = refused(lambda: edit(m, change), outcome)
        assert e.path.endswith("slb:timeouts/slb:udp")
    else:
        edit(m, change)
        leaf = f"<udp>{outcome}</udp>" if outcome else ""
        assert ours(m, "candidate") == expected(lb(f"<timeouts><tcp-syn>5000</tcp-syn>{leaf}</timeouts>"))


def test_operations_on_a_leaf_list(m):
    pool = ("<local-address-pools><local-address-pool><name>a</name>{}</local-address-pool></local-address-pools>")
    edit(m, lb(pool.format("<address>10.0.0.1</address><address>10.0.0.2</address>")))
    edit(m, lb(pool.format('<address nc:operation="delete">10.0.0.1</address>'
                           '<address nc:operation="create">10.0.0.3</address>')))
    assert ours(m, "candidate") == expected(lb(pool.format("<address>10.0.0.2</address><address>10.0.0.3</address>")))
    refused(lambda: edit(m, lb(pool.format('<address nc:operation="delete">10.0.0.9</address>'))), "data-missing")
    refused(lambda: edit(m, lb(pool.format('<address nc:operation="create">10.0.0.2</address>'))), "data-exists")


def test_an_edit_is_done_whole_or_not_at_all(m):
    before = ours(m, "candidate")
    for option in ("stop-on-error", "continue-on-error", "rollback-on-error"):
        refused(lambda: edit(m, lb("<timeouts><udp>5000</udp></timeouts>"
                                   '<pools><pool nc:operation="delete"><name>nix</name></pool></pools>'),
                             error_option=option), "data-missing")
        assert ours(m, "candidate") == before


def test_test_only_changes_nothing(m):
    assert edit(m, lb(POOL.format("p")), test_option="test-only").ok
    assert ours(m, "candidate") == ""
    assert edit(m, lb(POOL.format("p")), test_option="set").ok
    assert ours(m, "candidate") != ""


@pytest.mark.parametrize("inner, tag, path, info", [
    (lb("<nix/>"), "unknown-element", "/slb:load-balancers/slb:load-balancer[slb:name='lb']/slb:nix",
     ("bad-element", "nix")),
    ('<load-balancers xmlns="urn:nix"/>', "unknown-namespace", "/load-balancers", ("bad-namespace", "urn:nix")),
    (f'<load-balancers xmlns="{LB}"><load-balancer/></load-balancers>', "missing-element",
     "/slb:load-balancers/slb:load-balancer", ("bad-element", "name")),
    (lb("<timeouts><udp>5</udp></timeouts>"), "invalid-value",
     "/slb:load-balancers/slb:load-balancer[slb:name='lb']/slb:timeouts/slb:udp", None),
    (lb("<timeouts><udp>x</udp></timeouts>"), "invalid-value",
     "/slb:load-balancers/slb:load-balancer[slb:name='lb']/slb:timeouts/slb:udp", None),
    (lb('<timeouts nc:operation="x"/>'), "bad-attribute",
     "/slb:load-balancers/slb:load-balancer[slb:name='lb']/slb:timeouts", ("bad-attribute", "operation")),
    (lb('<timeouts x="y"/>'), "unknown-attribute",
     "/slb:load-balancers/slb:load-balancer[slb:name='lb']/slb:timeouts", ("bad-attribute", "x")),
    (lb("<state><connected>true</connected></state>"), "unknown-element",
     "/slb:load-balancers/slb:load-balancer[slb:name='lb']/slb:state", ("bad-element", "state")),
    (f'<interfaces xmlns="{IF}"><interface><name>a</name><port xmlns="{SP}"><nix/></port></interface></interfaces>',
     "unknown-element", "/if:interfaces/if:interface[if:name='a']/sp:port/sp:nix", ("bad-element", "nix")),
])
def test_refused_configuration(m, inner, tag, path, info):
    before = ours(m, "candidate")
    e = refused(lambda: edit(m, inner), tag)
    assert e.path == path
    assert e.severity == "error" and e.message
    if info:
        assert f"<{info[0]}>{info[1]}</{info[0]}>" in re.sub(r"<(/?)\w+:", r"<\1", e.info).replace(
            f' xmlns="{BASE}"', "")
    assert ours(m, "candidate") == before


def test_dangling_reference_is_refused_with_its_path(m):
    edit(m, lb(SNAT + POOL.format("p") + SERVICE.format("web", 80, "nix")), test_option="set")
    e = refused(lambda: m.validate("candidate"), "data-missing")
    assert e.path.startswith("/slb:load-balancers/slb:load-balancer[slb:name=")
    assert "slb:service[slb:name=" in e.path
    refused(m.commit, "data-missing")
    assert ours(m) == ""


def test_missing_mandatory_is_refused(m):
    pool = "<pools><pool><name>p</name><servers><server><name>s</name><port>1</port></server></servers></pool></pools>"
    with pytest.raises(RPCError) as e:
        edit(m, lb(pool))
        m.commit()
    assert e.value.tag in ("data-missing", "missing-element")
    assert "slb:server[slb:name=" in e.value.path
    assert ours(m) == ""


# ---- validate, copy, delete -----------------------------------------------------------------------------

def test_validate(m):
    edit(m, lb(POOL.format("p")))
    assert m.validate("candidate").ok
    assert m.validate("running").ok
    assert m.validate(to_ele(config(lb(POOL.format("p"))))).ok
    bad = config(lb("<timeouts><udp>1</udp></timeouts>"))
    refused(lambda: m.validate(to_ele(bad)), "invalid-value")


def test_copy_config(m):
    edit(m, lb(POOL.format("p")))
    assert m.copy_config(source="candidate", target="running").ok
    assert ours(m) == expected(lb(POOL.format("p")))
    edit(m, lb("<timeouts><udp>5000</udp></timeouts>"))
    assert m.copy_config(source="running", target="candidate").ok
    assert ours(m, "candidate") == expected(lb(POOL.format("p")))
    refused(lambda: m.copy_config(source="running", target="running"), "invalid-value", "protocol")


def test_copy_config_of_a_whole_configuration(m):
    whole = etree.fromstring(m.get_config("running").xml.encode())[0]
    keep = "".join(etree.tostring(e).decode() for e in whole)
    assert m.dispatch(to_ele(f'<copy-config xmlns="{BASE}"><target><candidate/></target><source>'
                             f'{config(keep + lb(POOL.format("q")))}</source></copy-config>')).ok
    assert m.commit().ok
    assert ours(m) == expected(lb(POOL.format("q")))


def test_delete_config_is_refused(m):
    for target in ("running", "candidate"):
        refused(lambda: m.delete_config(target), "operation-not-supported", "protocol")
    assert m.get_config("running").ok


# ---- locks and sessions ---------------------------------------------------------------------------------

@pytest.mark.parametrize("target", ["candidate", "running"])
def test_locks(lab, m, target):
    with lab.connect("bob") as other:
        assert m.lock(target).ok
        e = refused(lambda: other.lock(target), "lock-denied")
        assert f"<session-id>{m.session_id}</session-id>" in e.info
        refused(lambda: m.lock(target), "lock-denied")
        refused(lambda: edit(other, lb(POOL.format("p")), target=target), "in-use")
        refused(lambda: other.unlock(target), "operation-failed")
        assert edit(m, lb(POOL.format("p")), target=target).ok
        if target == "running":
            refused(other.commit, "in-use")
        else:
            m.discard_changes()
        assert m.unlock(target).ok
        refused(lambda: m.unlock(target), "operation-failed")
        assert other.lock(target).ok


def test_locks_fall_with_the_session(lab, m):
    other = lab.connect("bob")
    other.lock("running")
    other.lock("candidate")
    refused(lambda: m.lock("running"), "lock-denied")
    other.close_session()
    wait_for("lock", lambda: try_lock(m, "running"))
    assert m.lock("candidate").ok


def try_lock(m, target):
    try:
        return m.lock(target).ok
    except RPCError:
        return False


def test_locks_fall_when_the_client_vanishes(lab, m):
    other = lab.connect("bob")
    other.lock("running")
    other._session._transport.sock.close()
    wait_for("lock", lambda: try_lock(m, "running"))


def test_an_uncommitted_candidate_cannot_be_locked_by_others(lab, m):
    edit(m, lb(POOL.format("p")))
    with lab.connect("bob") as other:
        refused(lambda: other.lock("candidate"), "lock-denied")
        m.discard_changes()
        assert other.lock("candidate").ok


def test_kill_session(lab, m):
    victim = lab.connect("bob")
    victim.lock("running")
    assert m.kill_session(victim.session_id).ok
    wait_for("the end of the victim", lambda: not victim.connected)
    wait_for("lock", lambda: try_lock(m, "running"))
    refused(lambda: m.kill_session(victim.session_id), "invalid-value")
    refused(lambda: m.kill_session(m.session_id), "invalid-value", "protocol")


def test_close_session_is_answered(lab):
    for version in ("1.0", "1.1"):
        with lab.raw(version=version) as r:
            text = r.rpc(f'<rpc xmlns="{BASE}" message-id="x"><close-session/></rpc>')
            assert "<ok/>" in text and 'message-id="x"' in text
            assert r.closed()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_both_base_versions(lab, version):
    with lab.raw(version=version) as r:
        edit_ = (f'<rpc xmlns="{BASE}" message-id="1"><edit-config><target><candidate/></target>'
                 f"{config(lb(POOL.format('p')))}</edit-config></rpc>")
        assert "<ok/>" in r.rpc(edit_)
        assert "<ok/>" in r.rpc(f'<rpc xmlns="{BASE}" message-id="2"><commit/></rpc>')
        text = r.rpc(f'<rpc xmlns="{BASE}" message-id="3"><get-config><source><running/></source></get-config></rpc>')
        assert "<address>10.0.0.1</address>" in text
        text = r.rpc(f'<rpc xmlns="{BASE}" message-id="4"><edit-config><target><candidate/></target>'
                     f"{config(lb('<nix/>'))}</edit-config></rpc>")
        assert "<error-tag>unknown-element</error-tag>" in text


def test_sluiced_restarts(lab, m):
    edit(m, lb(POOL.format("p")))
    m.commit()
    lab.sluiced.kill()
    wait_for("end of the session", lambda: not m.connected)
    lab.start_sluiced()
    with lab.connect() as again:
        assert ours(again) == expected(lb(POOL.format("p")))


# ---- with-defaults -----------------------------------------------------------------------------------------

def test_with_defaults(m):
    edit(m, lb("<timeouts><udp>60000</udp><tcp-syn>5000</tcp-syn></timeouts>"))
    flt = ("subtree", lb("<timeouts/>"))
    explicit = lb("<timeouts><tcp-syn>5000</tcp-syn><udp>60000</udp></timeouts>")
    both = (expected(explicit), expected(lb("<timeouts><udp>60000</udp><tcp-syn>5000</tcp-syn></timeouts>")))
    assert data_of(m.get_config("candidate", filter=flt)) in both
    assert data_of(m.get_config("candidate", filter=flt, with_defaults="explicit")) in both
    assert data_of(m.get_config("candidate", filter=flt, with_defaults="trim")) == expected(
        lb("<timeouts><tcp-syn>5000</tcp-syn></timeouts>"))
    text = m.get_config("candidate", filter=flt, with_defaults="report-all").xml
    assert "<tcp-established>900000</tcp-established>" in text
    assert "default=" not in text
    text = m.get_config("candidate", filter=flt, with_defaults="report-all-tagged").xml
    tree = etree.fromstring(text.encode())
    tagged = {e.tag.split("}")[1]: e.get("{urn:ietf:params:xml:ns:netconf:default:1.0}default") for e in tree.iter()}
    # What was set is no default in the mode "explicit", even where it is the same value (RFC 6243 section 2.3).
    assert tagged["tcp-established"] == "true" and tagged["udp"] is None and tagged["tcp-syn"] is None


def test_what_is_reported_tagged_can_be_sent_back(m):
    edit(m, lb("<timeouts><tcp-syn>5000</tcp-syn></timeouts>"))
    reply = m.get_config("candidate", filter=OURS, with_defaults="report-all-tagged").xml
    inner = "".join(etree.tostring(e).decode() for e in etree.fromstring(reply.encode())[0])
    before = ours(m, "candidate")
    edit(m, inner)
    assert ours(m, "candidate") == before


def test_with_defaults_is_one_of_four(lab):
    with lab.raw() as r:
        text = r.rpc(f'<rpc xmlns="{BASE}" message-id="1"><get><with-defaults xmlns="{WD}">most</with-defaults></get></rpc>')
        assert "<error-tag>invalid-value</error-tag>" in text


# ---- schemas and state --------------------------------------------------------------------------------------

def test_get_schema_of_every_module(m):
    flt = ("subtree", f'<netconf-state xmlns="{MON}"><schemas/></netconf-state>')
    tree = etree.fromstring(m.get(filter=flt).xml.encode())
    found = [(s.findtext(f"{{{MON}}}identifier"), s.findtext(f"{{{MON}}}version"))
             for s in tree.iter(f"{{{MON}}}schema")]
    names = {n for n, _ in found}
    assert {"sluice-lb", "sluice-port", "ietf-interfaces", "ietf-netconf-acm", "ietf-system", "ietf-yang-types",
            "ietf-netconf-monitoring"} <= names
    for name, version in found:
        text = m.get_schema(name, version=version).data
        assert re.search(rf"^\s*(sub)?module {re.escape(name)}\b", text, re.M), name
    refused(lambda: m.get_schema("no-such-module"), "invalid-value")
    refused(lambda: m.get_schema("sluice-lb", version="1999-01-01"), "invalid-value")
    refused(lambda: m.get_schema("sluice-lb", format="yin"), "invalid-value", "protocol")


def test_the_schema_is_that_of_the_file(lab, m):
    yang = ROOT / "config" / "yang"
    for name in ("sluice-lb", "sluice-port"):
        copy = lab.base / f"{name}.yang"
        copy.write_text(m.get_schema(name).data)
        tree = [run(["yanglint", "-p", yang, "-p", yang / "ietf", "-f", "tree", f]).stdout
                for f in (copy, yang / f"{name}.yang")]
        assert tree[0] == tree[1] and "rw" in tree[0]


def test_sessions_and_locks_are_shown(lab, m):
    m.lock("candidate")
    tree = etree.fromstring(m.get(filter=("subtree", f'<netconf-state xmlns="{MON}"/>')).xml.encode())
    me = [s for s in tree.iter(f"{{{MON}}}session") if s.findtext(f"{{{MON}}}session-id") == m.session_id]
    assert len(me) == 1
    assert me[0].findtext(f"{{{MON}}}username") == "alice"
    assert me[0].findtext(f"{{{MON}}}source-host") == "127.0.0.1"
    assert int(me[0].findtext(f"{{{MON}}}in-rpcs")) == 2
    owner = [e.text for e in tree.iter(f"{{{MON}}}locked-by-session")]
    assert owner == [m.session_id]


def test_yang_library_has_our_modules(m):
    yl = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
    tree = etree.fromstring(m.get(filter=("subtree", f'<yang-library xmlns="{yl}"/>')).xml.encode())
    names = {e.findtext(f"{{{yl}}}name") for e in tree.iter(f"{{{yl}}}module")}
    assert {"sluice-lb", "sluice-port", "ietf-interfaces"} <= names
    content = tree.findtext(f".//{{{yl}}}content-id")
    assert any(f"content-id={content}" in c for c in m.server_capabilities)


# ---- access ---------------------------------------------------------------------------------------------------

def test_access_rules_hold_over_netconf(lab, m):
    with lab.rpc() as c:
        c.call("edit-config", config={"ietf-netconf-acm:nacm": {
            "groups": {"group": [{"name": "readers", "user-name": ["bob"]}, {"name": "admins", "user-name": [
                "alice"]}]},
            "rule-list": [{"name": "a-readers", "group": ["readers"], "rule": [
                {"name": "no-write", "module-name": "*", "access-operations": "create update delete",
                 "action": "deny"}]}]}}, **{"default-operation": "merge"})
        groups = c.call("get-config", source="candidate")["config"]["ietf-netconf-acm:nacm"]["groups"]["group"]
        admins = next(g for g in groups if g["name"] == "admins")
        if "bob" in admins["user-name"]:
            c.call("edit-config", config={"ietf-netconf-acm:nacm": {"groups": {"group": [
                {"name": "admins", "user-name": ["bob"], "@user-name": [{"ietf-netconf:operation": "delete"}]}]}}})
        c.call("commit")
    try:
        with lab.connect("bob") as bob:
            refused(lambda: edit(bob, lb(POOL.format("p"))), "access-denied")
            refused(lambda: edit(bob, lb(POOL.format("p")), target="running"), "access-denied")
            assert ours(bob) == ""
        assert edit(m, lb(POOL.format("p"))).ok
    finally:
        m.discard_changes()
        lab.add_users()
        with lab.rpc() as c:
            c.call("edit-config", config={"ietf-netconf-acm:nacm": {"rule-list": [
                {"name": "a-readers", "@": {"ietf-netconf:operation": "remove"}}]}})
            c.call("commit")


# ---- size -----------------------------------------------------------------------------------------------------

def test_ten_thousand_servers(lab):
    servers = "".join(f"<server><name>s{i}</name><address>10.{i >> 16}.{i >> 8 & 255}.{i & 255}</address>"
                      f"<port>{1024 + i % 60000}</port><weight>{i % 257}</weight></server>" for i in range(10000))
    big = lb(f"<pools><pool><name>big</name><servers>{servers}</servers></pool></pools>")
    with lab.connect(timeout=120) as m:
        t = [time.monotonic()]
        edit(m, big)
        t.append(time.monotonic())
        m.commit()
        t.append(time.monotonic())
        got = ours(m)
        t.append(time.monotonic())
        assert got == expected(big)
        one = m.get_config("running", filter=("subtree", lb(
            "<pools><pool><name>big</name><servers><server><name>s7777</name><port/></server></servers></pool></pools>")))
        t.append(time.monotonic())
        assert data_of(one) == expected(lb("<pools><pool><name>big</name><servers><server><name>s7777</name>"
                                           "<port>8801</port></server></servers></pool></pools>"))
        edit(m, f'<load-balancers xmlns="{LB}" nc:operation="delete"/>')
        m.commit()
        assert ours(m) == ""
    names = ("edit", "commit", "get", "get of one")
    print("; ".join(f"{n} {b - a:.2f} s" for n, a, b in zip(names, t, t[1:])))
