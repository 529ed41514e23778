# SPDX-License-Identifier: BSD-3-Clause
"""sluice-checkd's checks by HTTPS, TLS, UDP, echo and agent, against real servers (nginx, dnsmasq, the kernel) and
against ones that lie. The checker meets them on the loopback; forged echo replies come in a namespace of their own."""
import os
import socket
import ssl
import subprocess
import threading
import time

import fake_check_app as wire
import lab
import pytest
from fake_check_app import (AGENT_DOWN, AGENT_DRAIN, AGENT_KNOWN, AGENT_MAINT, DOWN, HTTPS, ICMP, NONE, TCP, TLS, UDP, UNKNOWN,
                            UP, FakeApp, target)
from test_checkd import Checkd, answers, closed_port, serve

V4, V6 = "127.0.0.1", "::1"


class Certificates:
    """A CA of our own and what it signed, made by openssl."""

    def __init__(self, folder):
        self.dir = folder
        self.ca = self.path("ca.pem")
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=lab ca",
                 "-days", "10", "-keyout", self.path("ca.key"), "-out", self.ca)
        self.make("good", "DNS:good.example,IP:127.0.0.1,IP:::1")
        self.make("other", "DNS:other.example")
        self.make("expired", "DNS:good.example,IP:127.0.0.1", days=-1)

    def path(self, name):
        return str(self.dir / name)

    def run(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def make(self, name, alt, days=5):
        key, csr, ext = self.path(name + ".key"), self.path(name + ".csr"), self.path(name + ".ext")
        with open(ext, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={alt}\n")
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout",
                 key, "-out", csr)
        self.run("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days",
                 str(days), "-extfile", ext, "-out", self.path(name + ".pem"))


def free_port():
    return closed_port()


class Nginx:
    """One nginx: a TLS server per certificate, IPv4 and IPv6, and two by name behind one port."""

    def __init__(self, certs):
        self.port = {n: free_port() for n in ("good", "other", "expired", "named", "client")}
        servers = ""
        for name in ("good", "other", "expired"):
            servers += self.server(self.port[name], name, name)
        servers += self.server(self.port["named"], "other", "default", "default_server")
        servers += self.server(self.port["named"], "good", "by name", name="good.example")
        servers += self.server(self.port["client"], "good", "client", more=f"ssl_verify_client on; "
                               f"ssl_client_certificate {certs.ca};")
        conf = certs.path("nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"daemon off; pid {certs.path('nginx.pid')}; error_log {certs.path('nginx.err')};\n"
                    "events { worker_connections 256; }\nhttp { access_log off; ssl_protocols TLSv1.2 TLSv1.3;\n"
                    + servers.replace("CERTS", str(certs.dir)) + "}\n")
        self.p = subprocess.Popen(["nginx", "-c", conf, "-p", str(certs.dir)], stderr=subprocess.DEVNULL)
        lab.wait_for("nginx listens", lambda: self.try_connect(self.port["client"]), 10)

    @staticmethod
    def server(port, cert, says, flag="", name="_", more=""):
        return (f"server {{ listen 127.0.0.1:{port} ssl {flag}; listen [::1]:{port} ssl {flag}; server_name {name};\n"
                f"ssl_certificate CERTS/{cert}.pem; ssl_certificate_key CERTS/{cert}.key; {more}\n"
                f"location / {{ return 200 'I am {says}, host $http_host'; }}\nlocation /sick {{ return 503; }} }}\n")

    @staticmethod
    def try_connect(port):
        with socket.socket() as s:
            return s.connect_ex((V4, port)) == 0

    def stop(self):
        self.p.terminate()
        self.p.wait(5)


@pytest.fixture(scope="module")
def folder():
    import pathlib
    import shutil
    import tempfile
    d = pathlib.Path(tempfile.mkdtemp(prefix="sluice-kinds-", dir="/dev/shm"))
    d.chmod(0o755)
    (d / "run").mkdir()
    yield d
    shutil.rmtree(d)


@pytest.fixture(scope="module")
def certs(folder):
    return Certificates(folder)


@pytest.fixture(scope="module")
def nginx(certs):
    n = Nginx(certs)
    yield n
    n.stop()


@pytest.fixture(scope="module")
def checkd(folder):
    c = Checkd(folder).start()
    yield c
    assert c.stop() == 0, c.log.read_text()


class Asked:
    """Many targets at once; of each the first verdict."""
    count = 0

    def __init__(self, checkd):
        Asked.count += 1
        self.app = FakeApp(checkd.run, f"ask{Asked.count}")
        self.want = []

    def expect(self, health, reason, t):
        ident = len(self.want) + 1
        self.want.append((health, reason, t(ident)))
        return self

    def check(self):
        self.app.targets = [w[2] for w in self.want]
        self.app.start()
        try:
            wrong = []
            for ident, (health, reason, _) in enumerate(self.want, 1):
                v = self.app.wait(lambda a, i=ident: next((v for v in a.verdicts if v[1] == i), None), 8)
                if v[2] != health or reason not in v[4]:
                    wrong.append((ident, health, reason, v))
            assert not wrong
        finally:
            self.app.stop(unlink=True)


def at(address, port, kind, **kw):
    kw = {"interval": 1000, "timeout": 900, **kw}
    return lambda ident: target(ident, address, port, kind, **kw)


def test_https_against_nginx(checkd, nginx, certs):
    """Chain, dates, name and address of the certificate; SNI; Host; status; body; both families."""
    port, ca = nginx.port, {"verify": True, "ca_file": certs.ca}
    ask = Asked(checkd)
    for ip in (V4, V6):
        ask.expect(UP, "", at(ip, port["good"], HTTPS, server_name="good.example", **ca))
        ask.expect(UP, "", at(ip, port["good"], HTTPS, **ca))  # by its address in the certificate
        ask.expect(UP, "", at(ip, port["other"], HTTPS, server_name="other.example", **ca))
        ask.expect(DOWN, "TLS: certificate: hostname mismatch",
                   at(ip, port["other"], HTTPS, server_name="good.example", **ca))
        ask.expect(DOWN, "TLS: certificate: IP address mismatch", at(ip, port["other"], HTTPS, **ca))
    ask.expect(DOWN, "certificate has expired", at(V4, port["expired"], HTTPS, server_name="good.example", **ca))
    ask.expect(UP, "", at(V4, port["expired"], HTTPS, server_name="good.example"))
    ask.expect(DOWN, "unable to get local issuer", at(V4, port["good"], HTTPS, server_name="good.example", verify=True))
    ask.expect(DOWN, "ca-file: No such file", at(V4, port["good"], HTTPS, verify=True, ca_file="/nowhere/ca.pem"))
    ask.expect(DOWN, "ca-file: not a file", at(V4, port["good"], HTTPS, verify=True, ca_file="/dev"))
    ask.expect(DOWN, "ca-file: ", at(V4, port["good"], HTTPS, verify=True, ca_file=certs.path("good.key")))
    # SNI chooses the server; without a name it is the default one's certificate, which is another's
    ask.expect(UP, "", at(V4, port["named"], HTTPS, server_name="good.example", body="I am by name", **ca))
    ask.expect(UP, "", at(V4, port["named"], HTTPS, body="I am default"))
    ask.expect(UP, "", at(V4, port["good"], HTTPS, server_name="good.example", host="www.example.org",
                          body="host www.example.org", **ca))
    ask.expect(UP, "", at(V4, port["good"], HTTPS, server_name="good.example",
                          body=f"host good.example:{port['good']}", **ca))
    ask.expect(DOWN, "HTTP 503", at(V4, port["good"], HTTPS, path="/sick", **ca))
    ask.expect(UP, "", at(V4, port["good"], HTTPS, path="/sick", status=(503, 503), **ca))
    ask.expect(DOWN, 'body does not contain "nobody"', at(V4, port["good"], HTTPS, body="nobody", **ca))
    ask.expect(DOWN, "HTTP 400", at(V4, port["client"], HTTPS, **ca))  # it wants a certificate of ours
    ask.expect(DOWN, "connect: connection refused", at(V4, closed_port(), HTTPS, **ca))
    ask.check()


def test_a_file_of_ones_own_is_trusted_alone(folder, nginx, certs):
    """What the system trusts (here: the lab's CA) does not count where the check names a file, whichever check comes
    first: nothing of one connection's trust stays for the next."""
    base = folder / "system"
    (base / "run").mkdir(parents=True)
    c = Checkd(base).start({"SSL_CERT_FILE": certs.ca, "SSL_CERT_DIR": "/nowhere"})
    try:
        ask = Asked(c)
        for _ in range(3):
            for kind in (HTTPS, TLS):
                ask.expect(UP, "", at(V4, nginx.port["good"], kind, server_name="good.example", verify=True))
                ask.expect(DOWN, "issuer", at(V4, nginx.port["good"], kind, server_name="good.example", verify=True,
                                              ca_file=certs.path("other.pem")))
        ask.check()
    finally:
        assert c.stop() == 0


def test_tls_against_nginx(checkd, nginx, certs):
    port, ca = nginx.port, {"verify": True, "ca_file": certs.ca}
    ask = Asked(checkd)
    for ip in (V4, V6):
        ask.expect(UP, "", at(ip, port["good"], TLS, server_name="good.example", **ca))
        ask.expect(UP, "", at(ip, port["good"], TLS, **ca))
        ask.expect(DOWN, "TLS: certificate: hostname mismatch", at(ip, port["other"], TLS, server_name="good.example", **ca))
        ask.expect(DOWN, "TLS: certificate: IP address mismatch", at(ip, port["other"], TLS, **ca))
        ask.expect(UP, "", at(ip, port["named"], TLS, server_name="good.example", **ca))
        ask.expect(UP, "", at(ip, port["other"], TLS))
    ask.expect(UP, "", at(V4, port["good"], TLS, server_name="127.0.0.1", **ca))
    ask.expect(DOWN, "certificate has expired", at(V4, port["expired"], TLS, server_name="good.example", **ca))
    ask.expect(DOWN, "TLS: certificate: unable to get local issuer", at(V4, port["good"], TLS, verify=True))
    ask.expect(DOWN, "ca-file: No such file", at(V4, port["good"], TLS, verify=True, ca_file="/nowhere/ca.pem"))
    ask.expect(DOWN, "connect: connection refused", at(V4, closed_port(), TLS, **ca))
    ask.check()


def test_a_file_of_certificates_is_read_anew_and_its_loss_is_no_outage(checkd, nginx, certs):
    """Replaced: the new one counts. Deleted: what it held stays in force."""
    mine = certs.path("mine.pem")
    with open(certs.path("other.pem"), "rb") as f, open(mine, "wb") as out:
        out.write(f.read())
    app = FakeApp(checkd.run, "renew", [target(1, V4, nginx.port["good"], TLS, interval=200, timeout=150, verify=True,
                                               ca_file=mine, server_name="good.example")]).start()
    app.wait_health(1, DOWN)
    with open(certs.ca, "rb") as f, open(mine + ".new", "wb") as out:
        out.write(f.read())
    os.rename(mine + ".new", mine)
    app.wait_health(1, UP)
    count = len(app.verdicts)
    os.unlink(mine)
    lab.wait_for("the loss is said", lambda: f"{mine}: No such file" in checkd.log.read_text())
    time.sleep(0.5)
    assert not [v for v in app.verdicts[count:] if v[2] == DOWN]
    app.stop(unlink=True)


def tls_server(serve, certs, talk):
    """A Python TLS server with the good certificate; talk(connection) once the handshake is done."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(certs.path("good.pem"), certs.path("good.key"))

    def over_tls(_server, conn):
        with ctx.wrap_socket(conn, server_side=True) as t:
            t.recv(4096)
            talk(t)
    return serve(over_tls).port


def drip(conn, data, pause=0.1):
    for b in data:
        conn.sendall(bytes([b]))
        time.sleep(pause)


def test_hostile_tls(checkd, serve, certs):
    """Alerts, garbage, silence, drips, an endless body, headers without end."""
    def garbage(_s, conn):
        conn.recv(4096)
        conn.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" + b"\x00\xff" * 1000)

    def alert(_s, conn):
        conn.recv(4096)
        conn.sendall(bytes.fromhex("15030300020228"))  # fatal handshake_failure
        time.sleep(0.3)

    def silent(_s, conn):
        conn.recv(4096)
        conn.recv(4096)

    def slow(_s, conn):
        conn.recv(4096)
        drip(conn, bytes.fromhex("160303004a02000046") + bytes(70))

    def close(_s, conn):
        conn.recv(4096)

    def endless(t):
        t.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(4000):
            t.sendall(b"x" * 16384)

    def headers(t):
        t.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(4000):
            t.sendall(b"A: " + b"x" * 8000 + b"\r\n")
    ask = Asked(checkd)
    for kind in (TLS, HTTPS):
        ask.expect(DOWN, "TLS: ", at(V4, serve(garbage).port, kind))
        ask.expect(DOWN, "handshake failure", at(V4, serve(alert).port, kind))
        ask.expect(DOWN, "timeout after 400 ms", at(V4, serve(silent).port, kind, interval=500, timeout=400))
        ask.expect(DOWN, "timeout after 400 ms", at(V4, serve(slow).port, kind, interval=500, timeout=400))
        ask.expect(DOWN, "TLS: ", at(V4, serve(close).port, kind))
    ask.expect(UP, "", at(V4, tls_server(serve, certs, endless), HTTPS))
    ask.expect(DOWN, "header is over 64 KiB", at(V4, tls_server(serve, certs, headers), HTTPS))
    ask.expect(DOWN, "timeout after 400 ms within the answer",
               at(V4, tls_server(serve, certs, lambda t: drip(t, b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100, 0.01)),
                  HTTPS,
                  interval=500, timeout=400))
    ask.check()
    assert checkd.p.poll() is None


class Datagrams:
    """A UDP server: reply(data, send) for each datagram."""

    def __init__(self, reply, address=V4):
        self.s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((address, 0))
        self.port = self.s.getsockname()[1]
        self.got = []
        threading.Thread(target=self.run, args=(reply,), daemon=True).start()

    def run(self, reply):
        while True:
            try:
                data, peer = self.s.recvfrom(65536)
            except OSError:
                return
            self.got.append(data)
            reply(data, lambda d, p=peer: self.s.sendto(d, p))


def test_udp(checkd, certs):
    """dnsmasq answers a query; ports that are closed, silent, wrong, right only at the third try."""
    dns = free_port()
    p = subprocess.Popen(["dnsmasq", "-k", "-p", str(dns), "-a", V4, "-a", V6, "-z", "-R", "-h", "-C", "/dev/null",
                          "-A", "/lab.example/192.0.2.7", "-u", "root", "-x", certs.path("dnsmasq.pid")],
                         stderr=subprocess.DEVNULL)
    query = bytes.fromhex("abcd01000001000000000000") + b"\x03lab\x07example\x00" + bytes.fromhex("00010001")
    echo = Datagrams(lambda d, send: send(b"x" * 300 + d))
    six = Datagrams(lambda d, send: send(d), V6)
    dumb = Datagrams(lambda d, send: None)
    wrong = Datagrams(lambda d, send: send(b"wrong"))
    flood = Datagrams(lambda d, send: [send(b"wrong") for _ in range(40)])
    third = Datagrams(lambda d, send: [send(b) for b in (b"no", b"", b"it is ok now")])
    quick = {"interval": 400, "timeout": 300}
    ask = Asked(checkd)
    try:
        lab.wait_for("dnsmasq is there", lambda: b":%04X " % dns in open("/proc/net/udp", "rb").read().upper(), 5)
        for ip in (V4, V6):
            ask.expect(UP, "", at(ip, dns, UDP, send=query, expect=bytes([192, 0, 2, 7])))
            ask.expect(DOWN, "without the expected", at(ip, dns, UDP, send=query, expect=bytes([192, 0, 2, 8]), **quick))
            for expect in (b"", b"x"):
                ask.expect(DOWN, "port unreachable", at(ip, closed_port(), UDP, expect=expect))
        ask.expect(UP, "", at(V4, echo.port, UDP, send=b"p\0ng", expect=b"xp\0ng"))
        ask.expect(UP, "", at(V4, echo.port, UDP))
        ask.expect(UP, "", at(V6, six.port, UDP, send=bytes(range(256)) * 2, expect=bytes(range(128, 256))))
        ask.expect(UP, "", at(V4, dumb.port, UDP, **quick))  # nothing expected, nothing said against it
        ask.expect(DOWN, "no answer within 300 ms", at(V4, dumb.port, UDP, expect=b"x", **quick))
        ask.expect(DOWN, "none with them within 300 ms", at(V4, wrong.port, UDP, expect=b"right", **quick))
        ask.expect(DOWN, "16 answers without", at(V4, flood.port, UDP, expect=b"right"))
        ask.expect(UP, "", at(V4, third.port, UDP, expect=b"ok"))
        ask.check()
        assert six.got[0] == bytes(range(256)) * 2 and dumb.got[0] == b""
    finally:
        p.terminate()
        p.wait(5)


def test_echo(checkd):
    """The kernel answers for the loopback; 203.0.113.1 and 2001:db8:: are nobody's."""
    ask = Asked(checkd)
    for ip in (V4, "127.9.8.7", V6):
        ask.expect(UP, "", at(ip, 0, ICMP))
    ask.check()


FORGER = r'''
import os, socket, struct, sys
# Answers echo requests on a TUN as told: each address of 198.51.100.0/24 (or 2001:db8::/64) lies in its own way.
import fcntl
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"lie0", 0x1001))
os.system("ip addr add 198.51.100.254/24 dev lie0 && ip -6 addr add 2001:db8::fe/64 dev lie0 nodad && ip link set lie0 up")
print("ready", flush=True)
def csum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s > 0xffff: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
def send(v, src, dst, body):
    if v == 4:
        body = body[:2] + b"\0\0" + body[4:]
        body = body[:2] + struct.pack("!H", csum(body)) + body[4:]
        h = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 1, 0) + src + dst
        h = h[:10] + struct.pack("!H", csum(h)) + h[12:]
    else:
        body = body[:2] + b"\0\0" + body[4:]
        pseudo = src + dst + struct.pack("!II", len(body), 58)
        body = body[:2] + struct.pack("!H", csum(pseudo + body)) + body[4:]
        h = struct.pack("!IHBB", 6 << 28, len(body), 58, 64) + src + dst
    os.write(fd, h + body)
while True:
    p = os.read(fd, 2048)
    v = p[0] >> 4
    if v == 4 and p[9] == 1:
        src, dst, b = p[12:16], p[16:20], bytearray(p[20:])
        if b[0] != 8: continue
        b[0], last = 0, dst[3]
    elif v == 6 and p[6] == 58:
        src, dst, b = p[8:24], p[24:40], bytearray(p[40:])
        if b[0] != 128: continue
        b[0], last = 129, dst[15]
    else:
        continue
    if last == 1: pass                                     # honest
    elif last == 2: b[5] ^= 1                              # another id
    elif last == 3: b[7] ^= 1                              # another number
    elif last == 4: b[20] ^= 1                             # another nonce
    elif last == 5: b[8] ^= 1                              # another magic
    elif last == 6: b = b[:24]                             # short
    elif last == 7: b = b + bytes(64)                      # long
    elif last == 8: dst = dst[:-1] + b"\x09"               # from another address
    elif last == 10: b = bytearray(os.urandom(32)); b[0] = 0 if v == 4 else 129; b[1] = 0
    elif last == 11: b[1] = 7                              # another code
    elif last == 12: b = b[:4]                             # cut short
    else: continue
    send(v, dst, src, bytes(b) if len(b) % 2 == 0 else bytes(b) + b"\0")
'''


def test_forged_echo_replies_are_none(folder):
    """Wrong id, number, payload, size, sender: the check goes on waiting; the honest reply is taken."""
    import sys
    base = folder / "forge"
    (base / "run").mkdir(parents=True)
    ns = f"echo{os.getpid()}"
    subprocess.run(["ip", "netns", "add", ns], check=True)
    forger = daemon = None
    try:
        subprocess.run(["ip", "netns", "exec", ns, "ip", "link", "set", "lo", "up"], check=True)
        forger = subprocess.Popen(["ip", "netns", "exec", ns, sys.executable, "-c", FORGER], stdout=subprocess.PIPE)
        assert forger.stdout.readline() == b"ready\n"
        daemon = subprocess.Popen(["ip", "netns", "exec", ns, str(lab.program("sluice-checkd")), "--base", str(base),
                                   "--user", str(lab.SLUICE_UID)], stderr=subprocess.PIPE)
        lies = (2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 99)
        targets = []
        for i in (1, *lies):
            targets += [target(i, f"198.51.100.{i}", 0, ICMP, interval=600, timeout=500),
                        target(100 + i, f"2001:db8::{i:x}", 0, ICMP, interval=600, timeout=500)]
        app = FakeApp(base / "run", targets=targets).start()
        for i in (1, *lies):
            for ident in (i, 100 + i):
                v = app.wait(lambda a, n=ident: next((v for v in a.verdicts if v[1] == n), None), 8)
                assert (v[2], v[4]) == ((UP, "") if i == 1 else (DOWN, "no echo reply within 500 ms")), v
        app.stop()
    finally:
        for p in (daemon, forger):
            if p is not None:
                p.terminate()
                p.wait(5)
        subprocess.run(["ip", "netns", "del", ns], check=True)


def test_agent(checkd, serve):
    """Weight, drain, maint, down with a reason; no answer, garbage and endless lines change nothing."""
    says = {"line": b"75%\n"}

    def agent(_s, conn):
        conn.sendall(says["line"])

    main, a = serve(), serve(agent)
    six = serve(lambda _s, conn: conn.sendall(b"75%\n"), address=V6)
    app = FakeApp(checkd.run, "agent", [
        target(1, V4, main.port, TCP, agent=(a.port, 100)),
        target(2, V4, 0, NONE, agent=(a.port, 100)),
        target(3, V6, 0, NONE, agent=(six.port, 100)),
        target(4, V4, main.port, TCP, agent=(closed_port(), 100)),
    ]).start()

    def told(ident, health, flags, percent, reason=""):
        def look(x):
            for v, m in zip(x.verdicts, x.more):
                if v[1:3] == (ident, health) and m[1:] == (flags, percent) and reason in v[4]:
                    return v
            return None
        return app.wait(look)
    told(1, UP, AGENT_KNOWN, 75)
    told(2, UNKNOWN, AGENT_KNOWN, 75)
    told(3, UNKNOWN, AGENT_KNOWN, 75)
    told(4, UP, 0, 100)  # an agent that is away has no say
    says["line"] = b"drain 50%\r\nignored\n"
    told(1, UP, AGENT_KNOWN | AGENT_DRAIN, 50)
    says["line"] = b"ready down 0% # backup of the night\x1b[2J\n"
    told(1, UP, AGENT_KNOWN | AGENT_DOWN, 0, "agent: down: backup of the night?[2J")
    says["line"] = b"maint"  # without a line end, closed
    told(1, UP, AGENT_KNOWN | AGENT_DOWN | AGENT_MAINT, 0, "agent: maint")
    told(2, UNKNOWN, AGENT_KNOWN | AGENT_DOWN | AGENT_MAINT, 0, "agent: maint")
    told(3, UNKNOWN, AGENT_KNOWN, 75)
    count = len(app.verdicts)
    for bad in (b"", b"\n", b"hello\n", b"\x00\x01up\n", b"up" * 300, b"up\0\n"):
        says["line"] = bad
        asked = a.count
        lab.wait_for("it is asked", lambda n=asked: a.count > n + 2)
    assert not app.verdicts[count:]
    says["line"] = b"up ready 1000%\n"
    told(1, UP, AGENT_KNOWN, 1000)
    app.stop(unlink=True)


def test_asked_again_it_looks_at_once(checkd, serve):
    """An app that names a server again as it was has a doubt: a check is made now and its result told."""
    s = serve(answers())
    t = target(1, V4, s.port, TCP, interval=60000, timeout=1000)
    app = FakeApp(checkd.run, "doubt", [t]).start()
    app.wait_health(1, UP)
    time.sleep(0.3)
    count, asked = len(app.verdicts), s.count
    app.send(wire.message(wire.TARGET, t))
    app.wait(lambda x: len(x.verdicts) > count, 2)
    lab.wait_for("asked", lambda: s.count == asked + 1, 1)
    assert app.verdicts[-1][2] == UP and app.more[-1][0] == 1
    s.close()
    app.send(wire.message(wire.TARGET, t))
    app.wait(lambda x: x.verdicts[-1][2] == DOWN, 2)
    assert app.more[-1][0] == 0
    app.stop(unlink=True)


def test_the_node_being_short_of_time_is_no_fault_of_the_servers(folder, serve):
    """The checker is stopped for longer than the timeout, in the middle of checks: no server is blamed; a dead one is
    still found. Without the engine's allowance the handshakes under way would all end as timeouts."""
    import signal
    base = folder / "late"
    (base / "run").mkdir(parents=True)

    def slow(server, conn):
        server.read_request(conn)
        time.sleep(0.15)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    c = Checkd(base).start()
    s, dead = serve(slow), serve(lambda _s, conn: conn.recv(1) and time.sleep(5))
    app = FakeApp(c.run, "lb", [target(i, V4, s.port, wire.HTTP, interval=300, timeout=250) for i in range(1, 41)] +
                  [target(99, V4, dead.port, wire.HTTP, interval=300, timeout=250)]).start()
    try:
        app.wait(lambda a: len({v[1] for v in a.verdicts if v[2] == UP}) == 40)
        app.wait_health(99, DOWN)
        for _ in range(6):
            c.p.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            c.p.send_signal(signal.SIGCONT)
            time.sleep(0.31)
        assert not [v for v in app.verdicts if v[2] == DOWN and v[1] != 99]
        c.p.send_signal(signal.SIGUSR1)
        lab.wait_for("the summary", lambda: "checks given time for it" in c.log.read_text())
        assert "late by 0 ms" not in c.log.read_text()
        app.stop()
    finally:
        assert c.stop() == 0
