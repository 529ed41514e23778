# SPDX-License-Identifier: BSD-3-Clause
"""Who may log in over NETCONF, and how the host key comes to be."""
import os
import re
import stat

import paramiko
import pytest
from lab import NETCONFD_UID, program, run
from ncclient.transport.errors import AuthenticationError
from netconf_lab import NetconfLab, make_key


@pytest.fixture(scope="module")
def lab():
    with NetconfLab() as lab:
        lab.keys = {k: make_key(lab, *k.split("-")) for k in ("ed25519", "rsa-2048", "rsa-4096", "ecdsa-256",
                                                              "ecdsa-384", "ecdsa-521")}
        lab.stranger = make_key(lab, "ed25519")
        lab.add_users({"alice": [pub for _, pub in lab.keys.values()]})
        yield lab


@pytest.mark.parametrize("kind", ["ed25519", "rsa-2048", "rsa-4096", "ecdsa-256", "ecdsa-384", "ecdsa-521"])
def test_public_keys(lab, kind):
    with lab.connect("alice", key=lab.keys[kind][0]) as m:
        assert m.connected
        m.get_config("running")


def test_the_session_is_the_users(lab):
    with lab.connect("alice", key=lab.keys["ed25519"][0]) as m, lab.rpc() as c:
        sessions = {s["session-id"]: s for s in c.call("state")["sessions"]}
        mine = sessions[int(m.session_id)]
        assert (mine["user"], mine["transport"]) == ("alice", "netconf-ssh")
        assert mine["source"] == "127.0.0.1"


def test_password(lab):
    with lab.connect("bob", "secret2") as m:
        m.get_config("running")


@pytest.mark.parametrize("user, password", [("alice", "wrong"), ("alice", ""), ("nobody", "secret"), ("root", "secret"),
                                            ("bob", "secret"), ("alice", "secret\n"), ("alice", "x" * 4000)])
def test_wrong_passwords_and_unknown_users_look_alike(lab, user, password):
    with pytest.raises(AuthenticationError) as e:
        lab.connect(user, password)
    assert "Authentication" in str(e.value) or "authentication" in str(e.value).lower()


def test_keys_of_others_are_refused(lab):
    with pytest.raises(AuthenticationError):
        lab.connect("alice", key=lab.stranger[0])
    with pytest.raises(AuthenticationError):
        lab.connect("bob", key=lab.keys["ed25519"][0])
    with pytest.raises(AuthenticationError):
        lab.connect("nobody", key=lab.keys["ed25519"][0])


def test_a_public_key_without_its_private_half_is_no_proof(lab):
    """The signature is checked, not just the key: a signature by another key is refused."""
    class Liar(paramiko.Ed25519Key):
        def asbytes(self):
            return true_key.asbytes()

    true_key = paramiko.Ed25519Key.from_private_key_file(lab.keys["ed25519"][0])
    t = paramiko.Transport(lab.socket())
    t.start_client(timeout=10)
    t.auth_timeout = 3  # libssh says nothing to a wrong signature
    with pytest.raises(paramiko.SSHException):
        t.auth_publickey("alice", Liar.from_private_key_file(lab.stranger[0]))
    assert not t.is_authenticated()
    t.close()


def test_a_key_taken_out_opens_no_more(lab):
    lab.add_users({"bob": [lab.stranger[1]]})
    with lab.connect("bob", key=lab.stranger[0]) as m:
        m.get_config("running")
    with lab.rpc() as c:
        c.call("edit-config", config={"ietf-system:system": {"authentication": {"user": [
            {"name": "bob", "authorized-key": [{"name": "k0", "@": {"ietf-netconf:operation": "delete"}}]}]}}})
        c.call("commit")
    with pytest.raises(AuthenticationError):
        lab.connect("bob", key=lab.stranger[0])


def test_openssh_comes_in_too(lab):
    p = lab.box.run("timeout", "20", "ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                    "BatchMode=yes", "-F", "none", "-i", lab.keys["ed25519"][0], "-p", "830", "-s", "alice@127.0.0.1",
                    "netconf", check=False, input='<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>'
                    "<capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>]]>]]>"
                    '<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1"><close-session/></rpc>]]>]]>')
    assert "<ok/></rpc-reply>]]>]]>" in p.stdout
    assert p.returncode == 0


# ---- host key --------------------------------------------------------------------------------------

def fingerprint(lab):
    t = paramiko.Transport(lab.socket())
    t.start_client(timeout=10)
    key = t.get_remote_server_key()
    t.close()
    return key.get_name(), key.get_base64()


def test_the_host_key_is_made_once_and_kept(lab):
    path = lab.base / "lib" / "netconf-hostkey"
    st = os.stat(path)
    assert stat.S_IMODE(st.st_mode) == 0o600 and st.st_uid == 0
    assert "PRIVATE KEY" in path.read_text()
    before = fingerprint(lab)
    assert before[0] == "ssh-ed25519"
    lab.netconfd.stop()
    lab.start_netconfd()
    assert fingerprint(lab) == before


def test_other_kinds_of_host_key(lab):
    try:
        for kind in ("rsa-2048", "ecdsa-256"):
            lab.netconfd.stop()
            lab.start_netconfd("--hostkey", lab.keys[kind][0])
            assert fingerprint(lab)[1] == lab.keys[kind][1][1]
            with lab.connect() as m:
                m.get_config("running")
    finally:
        lab.netconfd.stop()
        lab.start_netconfd()


def start_fails(lab, *args):
    p = lab.box.run("timeout", "10", program("sluice-netconfd"), "--base", lab.base, "--port", "8300", *args, check=False,
                    env=lab.env())
    assert p.returncode == 1, p.stdout
    assert "Sanitizer" not in p.stdout
    return p.stdout


def test_what_keeps_it_from_starting_is_said(lab):
    user = ["--user", NETCONFD_UID]
    bad = lab.base / "not-a-key"
    bad.write_text("hello")
    bad.chmod(0o600)
    assert "no private key" in start_fails(lab, *user, "--hostkey", bad)
    bad.chmod(0o644)
    assert "only its owner" in start_fails(lab, *user, "--hostkey", bad)
    assert "no such user" in start_fails(lab, "--user", "no-such-user-here")
    assert "not run as root" in start_fails(lab, "--user", "0")
    assert "no number from 1 to 65535" in start_fails(lab, *user, "--port", "99999")
    assert "list of modules" in start_fails(lab, *user, "--yang", lab.base)
    assert re.search("ddress already in use", start_fails(lab, *user, "--port", "830"))
    assert "nvalid" in start_fails(lab, *user, "--listen", "localhost")


def test_it_stops_when_told_with_sessions_open(lab):
    m = lab.connect()
    lab.netconfd.p.terminate()
    assert lab.netconfd.p.wait(5) == 0
    assert run(["ps", "--no-headers", "--ppid", str(lab.netconfd.pid)], check=False).stdout == ""
    try:
        m.close_session()
    except Exception:
        pass
    lab.start_netconfd()
