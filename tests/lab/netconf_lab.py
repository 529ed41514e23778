# SPDX-License-Identifier: BSD-3-Clause
"""A lab of one node with sluiced (or its stand-in) and sluice-netconfd, and clients for it.

Clients are ncclient for what a manager does and paramiko for bytes that no manager would send.
"""
import crypt
import os
import re
import socket
import time

import paramiko
from lab import NETCONFD_UID, SLUICE_UID, Lab, LabError, program, run, wait_for, yang_dir
from lxml import etree
from ncclient import manager

PORT = 830
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
LB = "urn:sluice:yang:lb"
SP = "urn:sluice:yang:port"
IF = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
MON = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
WD = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
TAGGED = "urn:ietf:params:xml:ns:netconf:default:1.0"

USERS = {"alice": "secret", "bob": "secret2"}

HELLO = ('<hello xmlns="%s"><capabilities><capability>urn:ietf:params:netconf:base:%s</capability>'
         "</capabilities></hello>]]>]]>")


def config(inner):
    """<config> around some elements."""
    return f'<config xmlns="{BASE}" xmlns:nc="{BASE}">{inner}</config>'


def lb(inner, name="lb"):
    """One load balancer."""
    return f'<load-balancers xmlns="{LB}"><load-balancer><name>{name}</name>{inner}</load-balancer></load-balancers>'


def canonical(xml):
    """Comparable text: no white space between elements, namespaces written out, order kept."""
    def walk(e):
        text = (e.text or "").strip()
        attrs = "".join(f" {k}={v!r}" for k, v in sorted(e.attrib.items()))
        return f"<{e.tag}{attrs}>{text}{''.join(walk(c) for c in e if isinstance(c.tag, str))}</>"
    if isinstance(xml, str):
        xml = etree.fromstring(xml.encode())
    return walk(xml)


def data_of(reply):
    """The <data> of a reply, as text that can be compared."""
    return "".join(canonical(e) for e in etree.fromstring(reply.xml.encode())[0])


def expected(xml):
    return "".join(canonical(e) for e in etree.fromstring(f"<x>{xml}</x>".encode()))


class Raw:
    """A NETCONF channel without a manager: bytes out, bytes in."""

    def __init__(self, lab, version="1.1", hello=True, user="alice", subsystem="netconf"):
        self.transport = paramiko.Transport(lab.socket())
        self.transport.start_client(timeout=20)
        self.transport.auth_password(user, USERS[user])
        self.channel = self.transport.open_session()
        self.channel.settimeout(20)
        self.channel.invoke_subsystem(subsystem)
        self.version, self.buffer = "1.0", b""
        if hello:
            self.hello = self.message()
            self.send(HELLO % (BASE, version))
            self.version = version

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.transport.close()

    def send(self, data):
        self.channel.sendall(data if isinstance(data, bytes) else data.encode())

    def rpc(self, message):
        """Send one message, framed; returns the reply as text."""
        data = message if isinstance(message, bytes) else message.encode()
        if self.version == "1.0":
            self.send(data + b"]]>]]>")
        else:
            self.send(b"\n#%d\n" % len(data) + data + b"\n##\n")
        return self.message()

    def fill(self):
        piece = self.channel.recv(65536)
        if not piece:
            raise EOFError("the server closed the channel")
        self.buffer += piece

    def message(self):
        if self.version == "1.0":
            while b"]]>]]>" not in self.buffer:
                self.fill()
            text, self.buffer = self.buffer.split(b"]]>]]>", 1)
            return text.decode()
        out = b""
        while True:
            m = re.match(rb"\n#(#|[1-9][0-9]*)\n", self.buffer)
            if m is None:
                if len(self.buffer) > 14:
                    raise AssertionError(f"not a chunk header: {self.buffer[:40]!r}")
                self.fill()
                continue
            self.buffer = self.buffer[m.end():]
            if m[1] == b"#":
                return out.decode()
            size = int(m[1])
            while len(self.buffer) < size:
                self.fill()
            out, self.buffer = out + self.buffer[:size], self.buffer[size:]

    def closed(self, timeout=10):
        """True when the server closes the channel; what it still says is kept in self.buffer."""
        self.channel.settimeout(timeout)
        try:
            while True:
                self.fill()
        except EOFError:
            return True
        except socket.timeout:
            return False


class NetconfLab(Lab):
    """sluiced and sluice-netconfd in a namespace of their own."""

    def __init__(self, fake=None, args=()):
        super().__init__()
        self.fake = None
        try:
            self.box = self.node("box")
            (self.base / "run").mkdir()
            if fake is not None:
                self.fake = fake(self.base / "run" / "sluiced.sock")
            else:
                for d in ("lib", "etc", "run"):
                    (self.base / d).mkdir(exist_ok=True)
                    os.chown(self.base / d, SLUICE_UID, SLUICE_UID)
                self.start_sluiced()
                self.add_users()
            self.start_netconfd(*args)
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind, value, tb):
        """A session that crashed, or a sanitizer's report, is a failure wherever the test looked."""
        if kind is None:
            text = self.netconfd.text()
            if "died of signal" in text or "Sanitizer" in text or "runtime error" in text:
                super().__exit__(LabError, None, None)
                raise LabError(f"sluice-netconfd: a session crashed\n{text[-4000:]}")
        super().__exit__(kind, value, tb)

    def close(self):
        if self.fake is not None:
            self.fake.close()
            self.fake = None
        super().close()

    def env(self):
        return dict(os.environ, SLUICE_YANG=str(yang_dir()))

    def start_sluiced(self):
        self.sluiced = self.box.start("sluiced", program("sluiced"), "--base", self.base, "--user", SLUICE_UID,
                                      "--netconfd-user", NETCONFD_UID, env=self.env())
        wait_for("socket of sluiced", lambda: self.rpc_ready() or not self.sluiced.alive())
        if not self.sluiced.alive():
            raise LabError(f"sluiced ended at once\n{self.sluiced.tail()}")

    def start_netconfd(self, *args):
        self.netconfd = self.box.start("netconfd", program("sluice-netconfd"), "--base", self.base, "--user",
                                       NETCONFD_UID, *args, env=self.env())
        wait_for("NETCONF port", lambda: self.box.listening(PORT) or not self.netconfd.alive())
        if not self.netconfd.alive():
            raise LabError(f"sluice-netconfd ended at once\n{self.netconfd.tail()}")

    def rpc(self):
        from rpc_client import RpcClient
        return RpcClient(str(self.base / "run" / "sluiced.sock"))

    def add_users(self, keys=None):
        """alice and bob, who may do everything; keys: user -> [(algorithm, base64)]."""
        users = []
        for name, password in USERS.items():
            u = {"name": name, "password": crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))}
            if keys and name in keys:
                u["authorized-key"] = [{"name": f"k{i}", "algorithm": a, "key-data": d}
                                       for i, (a, d) in enumerate(keys[name])]
            users.append(u)
        rule = {"name": "all", "module-name": "*", "access-operations": "*", "action": "permit"}
        with self.rpc() as c:
            c.call("edit-config", target="candidate", config={
                "ietf-system:system": {"authentication": {"user": users}},
                "ietf-netconf-acm:nacm": {
                    "groups": {"group": [{"name": "admins", "user-name": list(USERS)}]},
                    "rule-list": [{"name": "admins", "group": ["admins"], "rule": [rule]}]}})
            c.call("commit")

    def socket(self):
        return self.box.in_netns(socket.create_connection, ("127.0.0.1", PORT), 10)

    def connect(self, user="alice", password=None, key=None, timeout=60, **kw):
        """An ncclient session."""
        if key is None and password is None:
            password = USERS[user]
        return manager.connect(sock=self.socket(), host="127.0.0.1", username=user, password=password, key_filename=key,
                               hostkey_verify=False, look_for_keys=False, allow_agent=False, timeout=timeout, **kw)

    def raw(self, *args, **kw):
        return Raw(self, *args, **kw)

    def children(self):
        out = run(["ps", "--no-headers", "-o", "pid", "--ppid", str(self.netconfd_pid())], check=False).stdout
        return len(out.split())

    def netconfd_pid(self):
        return self.netconfd.pid

    def wait_children(self, n, timeout=10):
        wait_for(f"{n} session processes", lambda: self.children() == n or None, timeout)


def make_key(lab, kind, bits=None):
    """A key pair; returns the private key's path and (algorithm, base64) of the public one."""
    path = lab.base / f"key-{kind}-{time.monotonic_ns()}"
    cmd = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path] + (["-b", bits] if bits else [])
    if kind != "ed25519":
        cmd += ["-m", "PEM"]
    run(cmd)
    algorithm, data = (lab.base / f"{path.name}.pub").read_text().split()[:2]
    return str(path), (algorithm, data)
