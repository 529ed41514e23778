# SPDX-License-Identifier: BSD-3-Clause
"""PROXY protocol v2 towards real servers, without ending TCP: nginx, HAProxy and one of our own that speaks
first; what is lost on the way, Fast Open, kill -9 while a header is not acknowledged (L1)."""
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import socket
import time

import pytest
from border import VIP4, VIP6, Border, sums_hold
from lab import wait_for

HERE = pathlib.Path(__file__).parent
BOTH = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["ipv4", "ipv6"])
OWN, FIRST, HAPROXY = 81, 82, 83
TCP_QUICKACK, MSG_FASTOPEN = 12, 0x20000000

NGINX = """user root; daemon off; worker_processes 1; pid {d}/nginx.pid; error_log {d}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {d}/t1; proxy_temp_path {d}/t2;
  fastcgi_temp_path {d}/t3; uwsgi_temp_path {d}/t4; scgi_temp_path {d}/t5;
  server {{ listen 0.0.0.0:80 proxy_protocol; listen [::]:80 proxy_protocol; root {root};
    location = / {{ return 200
      "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port\\n"; }}
    location /up/ {{ root {d}; dav_methods PUT; create_full_put_path on; }} }}
  server {{ listen 127.0.0.1:8080; location = / {{ return 200 "$http_x_forwarded_for\\n"; }} }}
}}
"""
HAPROXY_CONF = """global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind :::83 v4v6 accept-proxy
  option forwardfor
  default_backend out
backend out
  server nginx 127.0.0.1:8080
"""


def url(vip, path="/", port=80):
    return f"http://[{vip}]:{port}{path}" if ":" in vip else f"http://{vip}:{port}{path}"


def client_address(vip):
    return "fd10::2" if ":" in vip else "10.10.0.2"


class Line:
    """A connection to our own server, from the client node."""

    def __init__(self, lab, vip, port=OWN, before=None, early=None):
        self.s = lab.client.tcp_socket(socket.AF_INET6 if ":" in vip else socket.AF_INET)
        self.s.settimeout(20)
        if before:
            before(self.s)
        if early is None:
            self.s.connect((vip, port))
        else:
            self.s.sendto(early, MSG_FASTOPEN, (vip, port))
        self.f = self.s.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.f.close()
        self.s.close()

    def line(self):
        return self.f.readline().decode().strip()

    def ask(self, text):
        self.s.sendall(text.encode() + b"\n")
        return self.line()

    def expected(self, vip, port=OWN):
        return f"{client_address(vip)} {self.s.getsockname()[1]} {vip} {port}"

    def upload(self, size):
        data = os.urandom(size)
        self.s.sendall(f"upload {size}\n".encode() + data)
        assert self.line() == hashlib.sha256(data).hexdigest()

    def download(self, size):
        self.s.sendall(f"download {size}\n".encode())
        pattern = bytes(range(251)) * 4096
        got = self.f.read(size)
        assert len(got) == size and all(
            got[i:i + len(pattern)] == pattern[:len(got) - i] for i in range(0, size, len(pattern)))


def start_servers(lab):
    for s in lab.servers:
        d = lab.base / f"proxy-{s.name}"
        d.mkdir()
        (d / "nginx.conf").write_text(NGINX.format(d=d, root=lab.www))
        (d / "haproxy.cfg").write_text(HAPROXY_CONF)
        s.node.start("nginx", "nginx", "-e", d / "error.log", "-p", d, "-c", d / "nginx.conf")
        s.node.start("own", "/usr/bin/python3", HERE / "proxy_server.py", OWN)
        s.node.start("first", "/usr/bin/python3", HERE / "proxy_server.py", FIRST, "first")
        s.node.start("haproxy", shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", d / "haproxy.cfg")
    for s in lab.servers:
        for port in (80, OWN, FIRST, HAPROXY):
            wait_for(f"port {port} of {s.name}", lambda s=s, p=port: s.node.listening(p))


def configure(lab):
    pools, services = [], []
    for fam, vip in ((4, VIP4), (6, VIP6)):
        for port in (80, OWN, FIRST, HAPROXY):
            pools.append({"name": f"p{port}-{fam}", "servers": {"server": [
                {"name": s.name, "address": s.ip4 if fam == 4 else s.ip6, "port": port} for s in lab.servers]}})
            services.append({"name": f"p{port}-{fam}", "address": vip, "port": port, "protocol": "tcp",
                             "pool": f"p{port}-{fam}", "local-address-pool": "snat", "proxy-protocol": "v2"})
    config = lab.config(services=services)
    config["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]["pool"] = pools
    lab.configure(config)
    return config


@pytest.fixture(scope="module")
def lab():
    with Border(servers=2) as lab:
        start_servers(lab)
        blob = lab.www / "blob"
        blob.write_bytes(os.urandom(4 << 20))
        lab.start_sluice()
        lab.settings = configure(lab)
        yield lab


class Loss:
    """Drops one in `n` of the packets that both ends of the balancer's servers and clients receive."""

    def __init__(self, lab, n):
        self.nodes, self.n = [lab.client] + [s.node for s in lab.servers], n

    def __enter__(self):
        for node in self.nodes:
            node.run("nft", f"""table inet loss {{ chain in {{
                type filter hook input priority 0; meta l4proto tcp numgen random mod {self.n} == 0 drop
            }}
            }}""")
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.run("nft", "delete", "table", "inet", "loss")


@BOTH
def test_nginx_is_told_who_asks(lab, vip):
    out = lab.client.out("curl", "-sS", "-g", "--max-time", "5", "-w", "%{local_port}", url(vip))
    told, port = out.split("\n")
    assert told == f"{client_address(vip)} {port} {vip} 80"


@BOTH
def test_haproxy_is_told_who_asks(lab, vip):
    out = lab.client.out("curl", "-sS", "-g", "--max-time", "5", url(vip, port=HAPROXY))
    assert out.strip() == client_address(vip)


def headers(lab):
    state = lab.lb_state()["state"]
    return int(state["proxy-headers"]), int(state["proxy-headers-repeated"])


@BOTH
def test_kept_alive_connection_gets_one_header(lab, vip):
    before = headers(lab)
    urls = [url(vip)] * 20
    out = lab.client.out("curl", "-sS", "-g", "--max-time", "10", "-w", "%{local_port} %{num_connects}\n", *urls)
    lines = out.strip().split("\n")
    port = lines[1].split()[0]
    assert lines[0::2] == [f"{client_address(vip)} {port} {vip} 80"] * 20
    assert lines[1::2] == [f"{port} 1"] + [f"{port} 0"] * 19
    after = headers(lab)  # one by connection; again only if the server was slow to acknowledge
    assert after[0] == before[0] + 1 and after[1] <= before[1] + 1, (before, after)


def download(lab, vip, limit):
    want = hashlib.sha256((lab.www / "blob").read_bytes()).hexdigest()
    got = lab.client.out("sh", "-c", f"curl -sS -g --max-time {limit} '{url(vip, '/blob')}' | sha256sum", timeout=limit + 5)
    assert got.split()[0] == want


def upload(lab, vip, limit):
    name = f"f{time.monotonic_ns()}"
    lab.client.run("curl", "-sS", "-g", "--fail", "--max-time", str(limit), "-T", lab.www / "blob",
                   url(vip, f"/up/{name}"), timeout=limit + 5)
    files = [f for s in lab.servers if (f := lab.base / f"proxy-{s.name}" / "up" / name).exists()]
    assert len(files) == 1 and files[0].read_bytes() == (lab.www / "blob").read_bytes()


@BOTH
def test_mebibytes_arrive_whole_in_both_directions(lab, vip):
    download(lab, vip, 20)
    upload(lab, vip, 20)


@BOTH
@pytest.mark.parametrize("port", [OWN, FIRST])
def test_server_that_speaks_first(lab, vip, port):
    with Line(lab, vip, port) as c:
        if port == FIRST:
            assert c.line() == "welcome"
        assert c.line() == c.expected(vip, port)
        assert c.ask("and then") == "and then"


@BOTH
def test_data_that_comes_with_the_handshakes_end(lab, vip):
    def late_ack(s):
        s.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 0)

    for size in (1, 100, 1380, 1432, 1460, 5000):
        with Line(lab, vip, before=late_ack) as c:
            text = "x" * size
            c.s.sendall(text.encode() + b"\n")
            assert c.line() == c.expected(vip)
            assert c.line() == text


@BOTH
def test_fast_open_data_waits_for_the_handshake(lab, vip):
    lab.client.sysctl("net.ipv4.tcp_fastopen", 0x5)  # data in the first SYN, without a cookie
    for s in lab.servers:
        s.node.sysctl("net.ipv4.tcp_fastopen", 0x602)  # any listener takes it, without a cookie
    try:
        for _ in range(4):
            with Line(lab, vip, early=b"early\n") as c:
                assert c.line() == c.expected(vip)
                assert c.line() == "early"
                c.upload(100000)
    finally:
        lab.client.sysctl("net.ipv4.tcp_fastopen", 1)


@BOTH
def test_client_that_ends_at_once(lab, vip):
    for how in ("close", "shutdown"):
        with Line(lab, vip) as c:
            if how == "shutdown":
                c.s.shutdown(socket.SHUT_WR)
                assert c.line() == c.expected(vip)
                assert c.f.read() == b""
    # A refused connection is refused to the client too.
    for s in lab.servers:
        s.node.run("nft", f"table inet refuse {{ chain in {{ type filter hook input priority 0; tcp dport {OWN} reject with tcp reset\n}}\n}}")
    try:
        with pytest.raises(ConnectionRefusedError):
            Line(lab, vip)
    finally:
        for s in lab.servers:
            s.node.run("nft", "delete", "table", "inet", "refuse")


@BOTH
def test_every_header_arrives_though_one_packet_in_eight_is_lost(lab, vip):
    def talk(i):
        with Line(lab, vip, OWN if i % 2 else FIRST) as c:
            if i % 2 == 0:
                assert c.line() == "welcome"
            assert c.line() == c.expected(vip, OWN if i % 2 else FIRST)
            assert c.ask(f"number {i}") == f"number {i}"

    before = headers(lab)
    with Loss(lab, 8), concurrent.futures.ThreadPoolExecutor(30) as pool:
        assert len(list(pool.map(talk, range(30)))) == 30
    after = headers(lab)
    assert after[0] == before[0] + 30 and after[1] > before[1], (before, after)


@BOTH
def test_mebibytes_arrive_whole_though_one_packet_in_fifty_is_lost(lab, vip):
    with Loss(lab, 50), Line(lab, vip) as c:
        assert c.line() == c.expected(vip)
        c.upload(2 << 20)
        c.download(2 << 20)


@BOTH
def test_header_outlives_a_killed_balancer(lab, vip):
    """Killed while the header is lost between balancer and server; and with old connections."""
    def block(s):
        s.node.run("nft", f"""table inet block {{ chain in {{ type filter hook input priority 0;
            tcp dport {OWN} tcp flags & (syn | ack) == ack drop\n}}\n}}""")

    old = Line(lab, vip)
    assert old.line() == old.expected(vip)
    for s in lab.servers:
        block(s)
    new = Line(lab, vip)
    new.s.sendall(b"sent before the kill\n")
    time.sleep(0.3)
    lab.daemons["sluice-lb"].kill()
    for s in lab.servers:
        s.node.run("nft", "delete", "table", "inet", "block")
    lab.start_lb()
    assert new.line() == new.expected(vip)
    assert new.line() == "sent before the kill"
    assert old.ask("still here") == "still here"
    old.upload(100000)
    old.__exit__()
    new.__exit__()


def test_counters_say_where_every_packet_went(lab):
    # The workers count on while they are read.
    wait_for("the sum of all counters", lambda: sums_hold(lab.counters()["sum"]))
