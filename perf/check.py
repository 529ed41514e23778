#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a health check costs sluice-checkd: thousands of servers, each asked once a second over a new connection.

check.{tcp,http,https}.targets_per_core is how many servers one core can ask each second: 1 s divided by the CPU time
(user and system) of one check, taken while 5,000 (https: 200) are asked each second by schedule. A run in which a
check was left out, or a server was said to be down, is no run. Peer: HAProxy with one thread and the same servers,
which it asks as often."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from figure import Failed, absent, middle
from lab_path import use_lab

COUNT = {"tcp": 5000, "http": 5000, "https": 200}
FLOOR = absent("none", "a check is system calls of its own making and, over TLS, the library's cryptography: see the peer")


def address(i):
    return f"127.1.{i // 250}.{i % 250 + 1}"


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def certificate(where):
    cert, key = where / "peer.pem", where / "peer.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=peer.example", "-addext", "subjectAltName=DNS:peer.example", "-days", "2", "-keyout", key, "-out",
                    cert], check=True, capture_output=True)
    for f in (cert, key):
        f.chmod(0o644)
    return cert, key


class Peer:
    """The servers."""

    def __init__(self, build, kind, where):
        args = [str(pathlib.Path(build) / "perf" / "load" / "check_peer"), kind]
        if kind == "https":
            self.cert, key = certificate(where)
            args += [str(self.cert), str(key)]
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.p.stdout.readline())

    def stop(self):
        self.p.stdin.close()
        self.p.wait(10)


def counters(daemon, log):
    """(ms late, checks given time, checks started) so far."""
    count = log.read_text().count(" started\n")
    daemon.send_signal(signal.SIGUSR1)
    end = time.monotonic() + 5
    while log.read_text().count(" started\n") == count:
        if time.monotonic() > end:
            raise Failed("sluice-checkd gives no summary")
        time.sleep(0.01)
    late, given, started = re.findall(r"late by (\d+) ms in all, (\d+) checks .* (\d+) started\n", log.read_text())[-1]
    return int(late), int(given), int(started)


def sluice(build, kind, peer, where, seconds):
    """CPU microseconds of one check, and what there is to say of the run."""
    import fake_check_app as wire  # an app's end of the control link; its folder is known by now
    kinds = {"tcp": wire.TCP, "http": wire.HTTP, "https": wire.HTTPS}
    log, count = where / "checkd.log", COUNT[kind]
    tls = {"verify": True, "server_name": "peer.example", "ca_file": peer.cert} if kind == "https" else {}
    app = wire.FakeApp(where / "run", targets=[
        wire.target(i + 1, address(i), peer.port, kinds[kind], interval=1000, timeout=900, fall=2, **tls) for i in range(count)])
    with open(log, "wb") as out:
        daemon = subprocess.Popen([str(pathlib.Path(build) / "control" / "check" / "sluice-checkd"), "--base", str(where),
                                   "--user", str(os.getuid())], stderr=out)
    try:
        app.start()
        try:
            app.wait(lambda a: len({v[1] for v in a.verdicts if v[2] == wire.UP}) == count, 30)
        except TimeoutError as e:
            raise Failed(f"{len({v[1] for v in app.verdicts if v[2] == wire.UP})} of {count} servers became up") from e
        time.sleep(0.5)
        late, given, started = counters(daemon, log)
        cpu, begin = cpu_seconds(daemon.pid), time.monotonic()
        time.sleep(seconds)
        cpu, wall = cpu_seconds(daemon.pid) - cpu, time.monotonic() - begin
        end = counters(daemon, log)
        checks = end[2] - started
        if [v for v in app.verdicts if v[2] == wire.DOWN]:
            raise Failed(f"a server was said to be down: {[v for v in app.verdicts if v[2] == wire.DOWN][0][4]}")
        if checks < 0.98 * count * wall:
            raise Failed(f"{checks / wall:.0f} checks a second of {count}")
        return 1e6 * cpu / checks, {"checks_per_second": round(checks / wall), "core_percent": round(100 * cpu / wall, 1),
                                    "late_ms": end[0] - late, "given_time": end[1] - given}
    finally:
        app.stop(unlink=True)
        daemon.terminate()
        daemon.wait(10)


def haproxy(kind, peer, where, seconds):
    """CPU microseconds of one check of HAProxy, by its schedule."""
    if shutil.which("haproxy") is None:
        raise Failed("haproxy is not installed")
    option = "" if kind == "tcp" else "  option httpchk GET /\n"
    tls = f" check-ssl verify required ca-file {peer.cert} check-sni peer.example verifyhost peer.example" if kind == "https" else ""
    conf = where / "haproxy.cfg"
    conf.write_text("global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 900\n  timeout server 900\n"
                    "  timeout client 900\n  timeout check 900\nlisten f\n"
                    f"  bind unix@{where}/f.sock\n"
                    f"backend b\n{option}"
                    + "".join(f"  server s{i} {address(i)}:{peer.port} check inter 1s{tls}\n" for i in range(COUNT[kind])))
    p = subprocess.Popen(["haproxy", "-db", "-f", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(3)
        if p.poll() is not None:
            raise Failed("haproxy did not start")
        cpu, begin = cpu_seconds(p.pid), time.monotonic()
        time.sleep(seconds)
        return 1e6 * (cpu_seconds(p.pid) - cpu) / (COUNT[kind] * (time.monotonic() - begin))
    finally:
        p.kill()
        p.wait(10)


class Check:
    def __init__(self, args, sheet):
        self.args, self.sheet = args, sheet

    def take(self):
        if self.args.quick:
            return
        for kind in COUNT:
            name = f"check.{kind}.targets_per_core"
            if self.sheet.wants(name):
                use_lab(self.args.build)
                self.measure(kind, name)

    def measure(self, kind, name):
        values, peers, more = [], [], {}
        where = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-check-", dir="/dev/shm"))
        peer = None
        try:
            (where / "run").mkdir()
            peer = Peer(self.args.build, kind, where)
            for _ in range(self.args.runs):
                us, more = sluice(self.args.build, kind, peer, where, self.args.seconds)
                values.append(1e6 / us)
                try:
                    peers.append(1e6 / haproxy(kind, peer, where, self.args.seconds))
                except Failed as e:
                    peers.append(str(e))
            self.sheet.put(name, values, "servers", floor=FLOOR, peer=middle("haproxy.check", peers, 0), digits=0, **more)
        except (Failed, OSError, subprocess.SubprocessError) as e:
            self.sheet.put_absent(name, "servers", str(e), floor=FLOOR, peer=middle("haproxy.check", peers, 0))
        finally:
            if peer is not None:
                peer.stop()
            shutil.rmtree(where)
