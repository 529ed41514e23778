# SPDX-License-Identifier: BSD-3-Clause
"""The lab: network namespaces, veth pairs, real daemons and real clients.

A Lab is a context manager that owns everything it makes: namespaces (named sl<pid>-<n>-<node>),
processes, and a base folder on tmpfs. Leaving it, on any way out, removes all of that; what a killed
run left is removed by the next one (sweep()). Several labs run side by side.

The usual topology (Border):

    client --- up [border] down --- (bridge) --- s1, s2, s3, ...
    10.10.0.2      10.10.0.1  10.20.0.1          10.20.0.11, .12, .13
    fd10::2        fd10::1    fd20::1            fd20::11, ...

Service addresses are 10.10.0.100 and fd10::100 and up, local addresses 10.20.0.200 and fd20::200 and up.
"""
import atexit
import ctypes
import errno
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()
SLUICE_UID = 64501
NETCONFD_UID = 64502
SHM = "/dev/shm"

_labs = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab could not be set up, or something awaited did not come."""


def run(cmd, check=True, **kw):
    """Run a command on the host; raise with its output when it fails."""
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.STDOUT)
    kw.setdefault("timeout", 60)
    p = subprocess.run([str(c) for c in cmd], text=True, **kw)
    if check and p.returncode != 0:
        raise LabError(f"{' '.join(map(str, cmd))}: rc {p.returncode}\n{p.stdout}{p.stderr or ''}")
    return p


def wait_for(what, test, timeout=10.0, step=0.02):
    """Wait until test() is true; returns its value. `what` names it in the error."""
    end = time.monotonic() + timeout
    while True:
        try:
            value = test()
        except (OSError, LabError):
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"timed out after {timeout} s: {what}")
        time.sleep(step)


def program(name):
    """Path of a program of ours in the build tree."""
    for p in BUILD.rglob(name):
        if p.is_file() and os.access(p, os.X_OK):
            return p
    raise LabError(f"{name} is not built in the build folder")


_yang = []


def yang_dir():
    """The models in a folder that daemons can read once they have dropped root: a clone may lie below /root."""
    if not _yang:
        d = pathlib.Path(tempfile.mkdtemp(prefix=f"sluice-lab-{os.getpid()}-yang-", dir=SHM))
        shutil.copytree(ROOT / "config" / "yang", d, dirs_exist_ok=True)
        run(["chmod", "-R", "a+rX", d])
        atexit.register(shutil.rmtree, d, True)
        _yang.append(d)
    return _yang[0]


def sweep():
    """Remove what labs of dead processes left: processes, namespaces, base folders."""
    names = run(["ip", "netns", "list"], check=False).stdout.split("\n")
    for line in names:
        ns = line.split(" ")[0]
        if not ns.startswith("sl") or "-" not in ns:
            continue
        pid = ns[2:].split("-")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            _kill_inside(ns)
            run(["ip", "netns", "del", ns], check=False)
    for d in pathlib.Path(SHM).glob("sluice-lab-*"):
        pid = d.name.split("-")[2]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(d, ignore_errors=True)


def _kill_inside(ns):
    for _ in range(50):
        pids = run(["ip", "netns", "pids", ns], check=False).stdout.split()
        pids = [int(p) for p in pids if p.isdigit()]
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)


def _child_setup():
    os.setsid()
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also when the test itself is killed


class Process:
    """A process started in a node; its output goes to a file of the lab."""

    def __init__(self, node, name, cmd, env=None, stdin=None):
        self.node, self.name, self.cmd = node, name, [str(c) for c in cmd]
        self.log = node.lab.logs / f"{node.name}-{name}.log"
        with open(self.log, "ab") as out:
            out.write(f"$ {' '.join(self.cmd)}\n".encode())
            out.flush()
            self.p = subprocess.Popen(node.prefix() + self.cmd, stdin=stdin or subprocess.DEVNULL, stdout=out,
                                      stderr=subprocess.STDOUT, env=env, preexec_fn=_child_setup)
        self.pid = self.p.pid
        node.lab.processes.append(self)

    def alive(self):
        return self.p.poll() is None

    def kill(self, sig=signal.SIGKILL):
        """Send a signal to the process itself (not its group) and, for SIGKILL, wait for its end."""
        if self.alive():
            self.p.send_signal(sig)
        if sig == signal.SIGKILL:
            self.p.wait(10)

    def stop(self, timeout=10):
        """End it with SIGTERM; SIGKILL (and an error) when it does not obey. Returns the exit code."""
        if self.alive():
            self.p.terminate()
            try:
                self.p.wait(timeout)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait(5)
                raise LabError(f"{self.name} ignored SIGTERM for {timeout} s\n{self.tail()}") from None
        return self.p.returncode

    def wait(self, timeout=60):
        return self.p.wait(timeout)

    def text(self):
        return self.log.read_text(errors="replace")

    def tail(self, lines=40):
        return "\n".join(self.text().split("\n")[-lines:])


class Node:
    """One host: a network namespace."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ns = f"sl{os.getpid()}-{lab.number}-{name}"
        run(["ip", "netns", "add", self.ns])
        lab.nodes[name] = self
        self.run("ip", "link", "set", "lo", "up")
        # No router, no duplicate address detection: addresses are usable at once.
        for key, value in (("net.ipv6.conf.all.accept_dad", 0), ("net.ipv6.conf.default.accept_dad", 0),
                           ("net.ipv6.conf.default.accept_ra", 0), ("net.ipv4.conf.all.rp_filter", 0),
                           ("net.ipv4.conf.default.rp_filter", 0)):
            self.run("sysctl", "-qw", f"{key}={value}")

    def prefix(self):
        return ["ip", "netns", "exec", self.ns]

    def run(self, *cmd, check=True, **kw):
        """Run to the end; returns the CompletedProcess (stdout and stderr together unless told otherwise)."""
        return run(self.prefix() + list(cmd), check=check, **kw)

    def out(self, *cmd, **kw):
        return self.run(*cmd, **kw).stdout

    def start(self, name, *cmd, env=None, stdin=None):
        return Process(self, name, cmd, env=env, stdin=stdin)

    def addr(self, dev, *addresses):
        for a in addresses:
            extra = ["nodad"] if ":" in a else []
            self.run("ip", "addr", "add", a, "dev", dev, *extra)

    def route(self, dst, via):
        self.run("ip", "-6" if ":" in via else "-4", "route", "add", dst, "via", via)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")

    def listening(self, port, proto="tcp"):
        flag = "-lnt" if proto == "tcp" else "-lnu"
        return f":{port} " in self.out("ss", "-H", flag)

    def in_netns(self, fn, *args):
        """Call fn(*args) with this process's main thread inside the node's network namespace."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.ns}", os.O_RDONLY)
        try:
            if _libc.setns(there, 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            return fn(*args)
        finally:
            _libc.setns(home, 0x40000000)
            os.close(there)
            os.close(home)

    def tcp_socket(self, family=socket.AF_INET):
        """A socket that lives in this node; usable from anywhere in this process."""
        return self.in_netns(socket.socket, family, socket.SOCK_STREAM)


class Lab:
    """Owns nodes, processes and a base folder; see the module's head."""

    def __init__(self, keep_on_error=None):
        self.number = next(_labs)
        self.nodes, self.processes = {}, []
        self.base = pathlib.Path(tempfile.mkdtemp(prefix=f"sluice-lab-{os.getpid()}-", dir=SHM))
        os.chmod(self.base, 0o755)
        self.logs = self.base / "logs"
        self.logs.mkdir()
        self.keep_on_error = keep_on_error
        self.closed = False
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        if kind is not None:
            self.keep(f"lab-{os.getpid()}-{self.number}")
        self.close()

    def node(self, name):
        return Node(self, name)

    def veth(self, a, dev_a, b, dev_b, queues=1, mtu=None):
        """A cable between two nodes, checksum and segmentation offload off at both ends."""
        q = ["numtxqueues", queues, "numrxqueues", queues]
        run(["ip", "link", "add", "name", dev_a, "netns", a.ns, *q, "type", "veth",
             "peer", "name", dev_b, "netns", b.ns, *q])
        for node, dev in ((a, dev_a), (b, dev_b)):
            node.run("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off", check=False)
            if mtu:
                node.run("ip", "link", "set", "dev", dev, "mtu", mtu)
            node.run("ip", "link", "set", "dev", dev, "up")

    def rpc_ready(self):
        """Who we are to the daemon of a lab that has one (and rpc()); None while it does not answer."""
        try:
            with self.rpc() as c:
                return c.call("whoami")
        except OSError:
            return None

    def capture(self, node, dev, snap=128):
        """Capture a device into the lab's logs; kept only when the test fails."""
        return node.start(f"capture-{dev}", "tcpdump", "-i", dev, "-s", snap, "-U", "-n", "-q", "-C", "32", "-W", "2",
                          "-Z", "root", "-w", self.logs / f"{node.name}-{dev}.pcap")

    def keep(self, name):
        """Copy logs and captures to <build>/lab-failures/NAME."""
        try:
            dest = BUILD / "lab-failures" / name.replace("/", "_")
            shutil.rmtree(dest, ignore_errors=True)
            shutil.copytree(self.logs, dest, dirs_exist_ok=True)
            for extra in ("lib", "run", *(f"log/{d.name}" for d in self.base.glob("log/*"))):
                if (self.base / extra).is_dir():
                    (dest / extra).mkdir(parents=True, exist_ok=True)
                    for f in (self.base / extra).iterdir():
                        if f.is_file() and f.stat().st_size < 4 << 20:
                            shutil.copy(f, dest / extra)
            return dest
        except OSError as e:
            print(f"could not keep the lab's logs: {e}")
            return None

    def close(self):
        if self.closed:
            return
        self.closed = True
        for node in self.nodes.values():
            _kill_inside(node.ns)
        for p in self.processes:
            if p.alive():
                p.p.kill()
            p.p.wait()
        for node in self.nodes.values():
            run(["ip", "netns", "del", node.ns], check=False)
        for _ in range(20):
            try:
                shutil.rmtree(self.base)
                break
            except FileNotFoundError:
                break
            except OSError as e:
                if e.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                    raise
                time.sleep(0.05)
        atexit.unregister(self.close)
