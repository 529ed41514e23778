# SPDX-License-Identifier: BSD-3-Clause
"""Bytes that no manager sends, over a raw SSH channel, and strangers who never log in: the right answer
or a clean end, and always a server that goes on serving others."""
import re
import socket
import time

import paramiko
import pytest
from ncclient.transport.errors import SSHError
from fake_sluiced import FakeSluiced
from lab import wait_for
from netconf_lab import BASE, HELLO, LB, NetconfLab, PORT


@pytest.fixture(scope="module")
def lab():
    with NetconfLab(FakeSluiced, ["--max-message", "1", "--login-grace", "4", "--max-waiting", "8",
                                  "--max-sessions", "6"]) as lab:
        yield lab
        assert lab.netconfd.alive()


@pytest.fixture(autouse=True)
def serves_afterwards(lab):
    """Whatever a test did: somebody else can work."""
    yield
    with lab.connect("bob") as m:
        m.get_config("running")


def rpc(inner, attrs='message-id="1"', ns=BASE):
    return f'<rpc xmlns="{ns}" {attrs}>{inner}</rpc>'


GET = "<get-config><source><running/></source></get-config>"


def error(text):
    """(type, tag) of a reply with one error."""
    assert text.count("<rpc-error>") == 1, text
    return re.search("<error-type>(.*?)</", text)[1], re.search("<error-tag>(.*?)</", text)[1]


def lives(r):
    return "<data>" in r.rpc(rpc(GET)) or "<data/>" in r.rpc(rpc(GET))


# ---- framing -------------------------------------------------------------------------------------

@pytest.mark.parametrize("bad", [
    b"<rpc/>]]>]]>", b"\n##\n", b"\n#0\n", b"\n#01\nx\n##\n", b"\n#-5\n", b"\n#x\n", b"\n#4294967296\n",
    b"\n#5\nabcdefgh\n##\n", b"\0" * 100, b"\n\n\n", b"\n#3\nabc\n#\n",
    b"\n#99999999999999999999999999999999\n"])
def test_bad_chunks_end_the_session(lab, bad):
    with lab.raw() as r:
        r.send(bad)
        assert r.closed()


def test_a_huge_chunk_size_is_refused_before_its_bytes(lab):
    for size in (4294967295, 1048577):
        with lab.raw() as r:
            r.send(b"\n#%d\n" % size)
            assert "too-big" in r.message()
            assert r.closed()


def test_many_small_chunks_do_not_add_up_to_more(lab):
    with lab.raw() as r:
        try:
            for _ in range(20):
                r.send(b"\n#65536\n" + b"x" * 65536)
        except (OSError, EOFError):
            pass
        assert r.closed()


def test_a_message_of_1_0_without_end_is_refused(lab):
    with lab.raw(version="1.0") as r:
        try:
            for _ in range(20):
                r.send(b"x" * 65536)
        except (OSError, EOFError):
            pass
        assert r.closed()


def test_messages_may_come_byte_by_byte_and_many_at_once(lab):
    with lab.raw() as r:
        m = rpc(GET).encode()
        for b in b"\n#%d\n" % len(m) + m + b"\n##\n":
            r.send(bytes([b]))
        assert "<data>" in r.message()
        r.send((b"\n#%d\n" % len(m) + m + b"\n##\n") * 50)
        for _ in range(50):
            assert "<data>" in r.message()
        # One chunk for each byte.
        r.send(b"".join(b"\n#1\n" + bytes([b]) for b in m) + b"\n##\n")
        assert "<data>" in r.message()


# ---- XML -----------------------------------------------------------------------------------------

BOMB = ('<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)) + "]>")


@pytest.mark.parametrize("bad", [
    "", " ", "x", "<rpc", "<rpc>", "<a></b>", "<a/><b/>",
    BOMB + rpc("<x>&j;</x>"),
    '<!DOCTYPE x SYSTEM "file:///etc/passwd">' + rpc(GET),
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + rpc("<x>&e;</x>"),
    rpc("&nbsp;"), "<nc:rpc/>",
    rpc("<get-config " + 'a="1" ' * 2 + "/>"),
    "<a>" * 50000 + "</a>" * 50000,
    rpc("<get><filter>" + "<a>" * 5000 + "</a>" * 5000 + "</filter></get>"),
    b"<rpc>\xff\xfe</rpc>", b"<rpc>\xc3\x28</rpc>", b"\xff\xfe<\x00a\x00/\x00>\x00", b"<a>\x00</a>", b"<a>\x08</a>",
], ids=lambda b: repr(b[:20]))
def test_what_is_no_xml_is_malformed_and_the_session_lives(lab, bad):
    if not bad:
        bad = " "
    with lab.raw() as r:
        text = r.rpc(bad)
        assert error(text) == ("rpc", "malformed-message")
        assert "message-id" not in text
        assert "root:" not in text
        assert lives(r)


def test_a_client_of_1_0_does_not_know_malformed_message(lab):
    with lab.raw(version="1.0") as r:
        r.send(b"<rpc]]>]]>")
        assert r.closed()


def test_entity_bomb_costs_nothing(lab):
    with lab.raw() as r:
        t = time.monotonic()
        r.rpc(BOMB + rpc("<x>&j;</x>"))
        assert time.monotonic() - t < 1


# ---- envelope -------------------------------------------------------------------------------------

@pytest.mark.parametrize("message, kind, tag, info", [
    (rpc(GET, attrs=""), "rpc", "missing-attribute", "<bad-attribute>message-id</bad-attribute>"),
    (rpc(GET, ns="urn:x"), "rpc", "unknown-namespace", "<bad-namespace>urn:x</bad-namespace>"),
    ('<rpc message-id="1"/>', "rpc", "unknown-namespace", "<bad-element>rpc</bad-element>"),
    (f'<hello xmlns="{BASE}"/>', "rpc", "unknown-element", "<bad-element>hello</bad-element>"),
    (rpc(""), "protocol", "missing-element", "<bad-element>rpc</bad-element>"),
    (rpc("text"), "rpc", "bad-element", "<bad-element>rpc</bad-element>"),
    (rpc(GET + GET), "protocol", "unknown-element", "<bad-element>get-config</bad-element>"),
    (rpc("<reboot/>"), "protocol", "operation-not-supported", ""),
    (rpc("<cancel-commit/>"), "protocol", "operation-not-supported", ""),
    (rpc('<get xmlns="urn:x"/>'), "protocol", "unknown-namespace", "<bad-namespace>urn:x</bad-namespace>"),
    (rpc('<get x="1"/>'), "protocol", "unknown-attribute", "<bad-attribute>x</bad-attribute>"),
    (rpc("<get>text</get>"), "protocol", "bad-element", "<bad-element>get</bad-element>"),
    (rpc("<get-config/>"), "protocol", "missing-element", "<bad-element>source</bad-element>"),
    (rpc("<get-config><source/></get-config>"), "protocol", "missing-element", "<bad-element>source</bad-element>"),
    (rpc("<get-config><source><startup/></source></get-config>"), "protocol", "unknown-element",
     "<bad-element>startup</bad-element>"),
    (rpc("<get-config><source><running/><running/></source></get-config>"), "protocol", "bad-element",
     "<bad-element>running</bad-element>"),
    (rpc("<get-config><source><running/></source><source><running/></source></get-config>"), "protocol",
     "bad-element", "<bad-element>source</bad-element>"),
    (rpc("<get-config><source><running/></source><x/></get-config>"), "protocol", "unknown-element",
     "<bad-element>x</bad-element>"),
    (rpc('<get><filter type="magic"/></get>'), "protocol", "bad-attribute", "<bad-attribute>type</bad-attribute>"),
    (rpc('<get><filter type="xpath"/></get>'), "protocol", "missing-attribute",
     "<bad-attribute>select</bad-attribute>"),
    (rpc('<get><filter type="xpath" select="/nix:a"/></get>'), "protocol", "unknown-namespace",
     "<bad-namespace>nix</bad-namespace>"),
    (rpc('<get><filter color="red"/></get>'), "protocol", "unknown-attribute",
     "<bad-attribute>color</bad-attribute>"),
    (rpc("<commit><confirmed/></commit>"), "protocol", "unknown-element", "<bad-element>confirmed</bad-element>"),
    (rpc("<lock><target><startup/></target></lock>"), "protocol", "unknown-element",
     "<bad-element>startup</bad-element>"),
    (rpc("<kill-session/>"), "protocol", "missing-element", "<bad-element>session-id</bad-element>"),
    (rpc("<kill-session><session-id>x</session-id></kill-session>"), "protocol", "invalid-value", ""),
    (rpc("<kill-session><session-id>0</session-id></kill-session>"), "protocol", "invalid-value", ""),
    (rpc("<kill-session><session-id>99999999999999999999</session-id></kill-session>"), "protocol",
     "invalid-value", ""),
    (rpc("<kill-session><session-id><x/></session-id></kill-session>"), "protocol", "bad-element",
     "<bad-element>session-id</bad-element>"),
    (rpc("<edit-config><target><running/></target></edit-config>"), "protocol", "missing-element",
     "<bad-element>config</bad-element>"),
    (rpc("<edit-config><target><running/></target><default-operation>x</default-operation><config/></edit-config>"),
     "protocol", "invalid-value", ""),
    (rpc("<edit-config><target><running/></target><url>http://x</url></edit-config>"), "protocol", "unknown-element",
     "<bad-element>url</bad-element>"),
    (rpc("<delete-config><target><running/></target></delete-config>"), "protocol", "operation-not-supported", ""),
    (rpc("<delete-config><target><candidate/></target></delete-config>"), "protocol", "operation-not-supported", ""),
    (rpc("<delete-config><target><startup/></target></delete-config>"), "protocol", "unknown-element",
     "<bad-element>startup</bad-element>"),
    (rpc("<copy-config><target><running/></target><source><running/></source></copy-config>"), "protocol",
     "invalid-value", ""),
], ids=lambda v: v[:60] if v.startswith("<") and len(v) > 40 else "")
def test_each_refusal_has_its_tag_and_the_session_lives(lab, message, kind, tag, info):
    with lab.raw() as r:
        text = r.rpc(message)
        assert error(text) == (kind, tag), text
        assert info in text
        if info:
            assert "<error-info>" in text
        assert lives(r)


def test_attributes_of_rpc_come_back(lab):
    with lab.raw() as r:
        text = r.rpc(f'<n:rpc xmlns:n="{BASE}" xmlns:ex="urn:ex" message-id="&lt;a&amp;&quot;" ex:user="x" plain="y">'
                     "<n:discard-changes/></n:rpc>")
    assert 'message-id="&lt;a&amp;&quot;"' in text
    assert 'xmlns:ex="urn:ex"' in text and 'ex:user="x"' in text and 'plain="y"' in text
    assert "<ok/>" in text


# ---- hello -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("bad", [
    "<hello/>", f'<hello xmlns="{BASE}"/>', f'<hello xmlns="{BASE}"><capabilities/></hello>',
    f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:2.0</capability></capabilities>'
    "</hello>",
    (HELLO % (BASE, "1.1")).replace("</hello>]]>]]>", "<session-id>5</session-id></hello>"),
    rpc(GET), "x", '<!DOCTYPE a><hello xmlns="%s"/>' % BASE])
def test_bad_hello_ends_the_session(lab, bad):
    with lab.raw(hello=False) as r:
        r.send(bad + "]]>]]>")
        assert r.closed()


def test_both_hellos_may_cross_and_rpcs_follow_at_once(lab):
    with lab.raw(hello=False) as r:
        m = rpc(GET).encode()
        r.send((HELLO % (BASE, "1.1")).encode() + b"\n#%d\n" % len(m) + m + b"\n##\n")
        assert "<session-id>" in r.message()
        r.version = "1.1"
        assert "<data>" in r.message()


def test_who_never_says_hello_is_put_out(lab):
    with lab.raw(hello=False) as r:
        t = time.monotonic()
        assert r.closed(10)
        assert time.monotonic() - t < 8


# ---- SSH -------------------------------------------------------------------------------------------

def test_other_channels_and_requests_are_refused(lab):
    with lab.raw() as r:
        with pytest.raises(paramiko.ChannelException):
            r.transport.open_session()
        with pytest.raises(paramiko.ChannelException):
            r.transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))
        assert lives(r)
    t = paramiko.Transport(lab.socket())
    t.start_client(timeout=10)
    t.auth_password("alice", "secret")
    c = t.open_session()
    for ask in (c.invoke_shell, lambda: c.exec_command("id"), c.get_pty, lambda: c.invoke_subsystem("sftp")):
        with pytest.raises((paramiko.SSHException, EOFError)):
            ask()
    t.close()


def test_no_channel_without_authentication(lab):
    t = paramiko.Transport(lab.socket())
    t.start_client(timeout=10)
    with pytest.raises(Exception):
        t.open_session(timeout=5)
    t.close()


def test_none_is_no_authentication(lab):
    t = paramiko.Transport(lab.socket())
    t.start_client(timeout=10)
    with pytest.raises(paramiko.BadAuthenticationType) as e:
        t.auth_none("alice")
    assert sorted(e.value.allowed_types) == ["password", "publickey"]
    t.close()


def test_passwords_cannot_be_tried_for_ever(lab):
    t = paramiko.Transport(lab.socket())
    t.start_client(timeout=10)
    tries = 0
    with pytest.raises(Exception):
        while tries < 20:
            tries += 1
            try:
                t.auth_password("alice", f"wrong{tries}")
            except paramiko.AuthenticationException:
                if not t.is_active():
                    raise
    assert tries <= 7
    t.close()


@pytest.mark.parametrize("user", ["", "a" * 300, "a\nb", "a\0b", "\udcff", "../x", "%n%n%s"])
def test_odd_user_names_are_just_wrong(lab, user):
    t = paramiko.Transport(lab.socket())
    t.start_client(timeout=10)
    with pytest.raises(Exception):
        t.auth_password(user.encode("utf-8", "surrogateescape"), "x")
    t.close()


@pytest.mark.parametrize("junk", [b"", b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-x\r\n" + b"\xff" * 5000, b"\0" * 70000,
                                  b"SSH-1.5-old\r\n", b"SSH-2.0-x\r\n" + b"\x00\x00\x00\x00" * 100])
def test_what_is_no_ssh_is_dropped(lab, junk):
    s = lab.socket()
    s.settimeout(10)
    try:
        s.sendall(junk)
        s.shutdown(socket.SHUT_WR)
        while s.recv(4096):
            pass
    except ConnectionError:
        pass
    s.close()


def test_a_pile_of_silent_connections_does_not_shut_others_out(lab):
    pile = [lab.socket() for _ in range(60)]
    # From the same source as the pile one attempt may itself be put out: an honest client tries again.
    for tries in range(5):
        try:
            with lab.connect() as m:
                m.get_config("running")
            break
        except SSHError:
            assert tries < 4
    # The places are 8: whoever is above that was put out, and the rest goes when the grace is over.
    assert lab.children() <= 8 + 16
    lab.wait_children(0, 10)
    for s in pile:
        s.close()


def test_slow_handshakes_end_with_the_grace(lab):
    s = lab.socket()
    s.settimeout(1)
    t = time.monotonic()
    with pytest.raises(OSError):
        for b in b"SSH-2.0-slow" + b"x" * 200:
            s.sendall(bytes([b]))
            time.sleep(0.1)
    assert time.monotonic() - t < 8
    s.close()


def test_the_number_of_sessions_is_bounded(lab):
    lab.wait_children(0)
    open_ = [lab.connect() for _ in range(6)]
    with pytest.raises(Exception):
        lab.connect()
    open_.pop().close_session()
    lab.wait_children(5)
    with lab.connect() as m:
        m.get_config("running")
    for m in open_:
        m.close_session()


def test_who_does_not_read_holds_up_nobody(lab):
    """A client that asks and asks, and takes no answers."""
    lab.fake.running = {"sluice-lb:load-balancers": {"load-balancer": [
        {"name": f"lb{i}", "flow-table": {"size": 4096}} for i in range(20000)]}}
    m = rpc(GET).encode()
    with lab.raw() as r:
        r.channel.settimeout(2)
        try:
            for _ in range(200):
                r.send(b"\n#%d\n" % len(m) + m + b"\n##\n")
        except (socket.timeout, OSError):
            pass
        t = time.monotonic()
        lab.fake.running = {}
        with lab.connect("bob") as other:
            other.get_config("running")
        assert time.monotonic() - t < 3
    lab.wait_children(0, 20)


def test_it_runs_without_privileges(lab):
    status = open(f"/proc/{lab.netconfd_pid()}/status").read()
    assert re.search(r"^Uid:\t64502\t64502\t64502\t64502$", status, re.M)
    assert re.search(r"^Gid:\t64502\t64502\t64502\t64502$", status, re.M)
    assert re.search(r"^CapEff:\t0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    assert re.search(r"^Groups:\t\s*$", status, re.M)


def test_hello_lists_what_is_there(lab):
    with lab.raw(hello=False) as r:
        hello = r.message()
    for c in ("base:1.0", "base:1.1", "candidate:1.0", "writable-running:1.0", "validate:1.1", "xpath:1.0",
              "rollback-on-error:1.0", "with-defaults:1.0?basic-mode=explicit", "yang-library:1.1?revision=2019-01-04"):
        assert c in hello
    for c in ("confirmed-commit", "startup", ":url", "notification"):
        assert c not in hello
    assert LB not in hello  # YANG 1.1: in yang-library, not here (RFC 7950 section 5.6.4)
    assert PORT == 830
