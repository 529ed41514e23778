# SPDX-License-Identifier: BSD-3-Clause
"""The usual lab: a client, a border node that runs Sluice, and real servers behind it.

    with Border(servers=3) as lab:
        lab.serve_http()
        lab.start_sluice()
        lab.configure(lab.config())
        lab.client.run("curl", "-sf", f"http://{lab.vip4}/")
"""
import json
import os
import pathlib
import socket
import time

from lab import BUILD, NETCONFD_UID, ROOT, SLUICE_UID, Lab, LabError, program, run, wait_for, yang_dir
from rpc_client import RpcClient

VIP4, VIP6 = "10.10.0.100", "fd10::100"
SUMS = ("forwarded", "answered", "to-kernel", "held", "dropped")
NETCONF_PORT = 830

NGINX_CONF = """daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000; keepalive_timeout 300;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  server {{ listen 0.0.0.0:80 backlog=4096; listen [::]:80 backlog=4096; root {root};
    location = / {{ return 200 "{name}\\n"; }}
    location = /health {{ return 200 "ok {name}\\n"; }} }}
}}
"""


def sums_hold(s):
    """Every packet received is in one place. s: the "sum" of the counters."""
    return s["received"] == sum(s[k] for k in SUMS)


def sluice_env():
    """Environment of our daemons in the lab: the models of the source tree."""
    return dict(os.environ, SLUICE_YANG=str(yang_dir()))


class Server:
    """A host behind the balancer."""

    def __init__(self, lab, index):
        self.name = f"s{index}"
        self.lab, self.node = lab, lab.node(self.name)
        self.ip4, self.ip6 = f"10.20.0.{10 + index}", f"fd20::{10 + index}"
        lab.veth(self.node, "eth0", lab.switch, self.name)
        lab.switch.run("ip", "link", "set", self.name, "master", "br0")
        self.node.addr("eth0", f"{self.ip4}/24", f"{self.ip6}/64")
        self.node.route("default", "10.20.0.1")
        self.node.run("ip", "-6", "route", "add", "default", "via", "fd20::1")
        self.nginx = None

    def serve_http(self):
        d = self.lab.base / f"nginx-{self.name}"
        d.mkdir(exist_ok=True)
        conf = d / "nginx.conf"
        conf.write_text("user root;\n" + NGINX_CONF.format(dir=d, name=self.name, root=self.lab.www))
        self.nginx = self.node.start("nginx", "nginx", "-e", d / "error.log", "-p", d, "-c", conf)
        wait_for(f"nginx on {self.name}", lambda: self.node.listening(80))

    def stop_http(self):
        """The server dies: its connections are reset, its port refuses."""
        pids = self.node.out("ip", "netns", "pids", self.node.ns).split()
        for pid in pids:
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "nginx":
                    os.kill(int(pid), 9)
            except (FileNotFoundError, ProcessLookupError):
                pass
        self.nginx.p.wait(10)


class Border(Lab):
    """client - border - servers; see lab.py for the addresses."""

    def __init__(self, servers=3, queues=1, capture=True):
        super().__init__()
        try:
            self._build(servers, queues, capture)
        except BaseException:
            self.close()
            raise

    def _build(self, servers, queues, capture):
        self.vip4, self.vip6 = VIP4, VIP6
        self.client, self.border, self.switch = self.node("client"), self.node("border"), self.node("switch")
        self.switch.run("ip", "link", "add", "br0", "type", "bridge")
        self.switch.run("ip", "link", "set", "br0", "up")
        self.veth(self.client, "eth0", self.border, "up", queues=queues)
        self.veth(self.border, "down", self.switch, "border", queues=queues)
        self.switch.run("ip", "link", "set", "border", "master", "br0")
        self.client.addr("eth0", "10.10.0.2/24", "fd10::2/64")
        self.border.addr("up", "10.10.0.1/24", "fd10::1/64")
        self.border.addr("down", "10.20.0.1/24", "fd20::1/64")
        self.border.sysctl("net.ipv4.ip_forward", 1)
        self.border.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.client.route("10.20.0.0/24", "10.10.0.1")
        self.client.run("ip", "-6", "route", "add", "fd20::/64", "via", "fd10::1")
        self.www = self.base / "www"
        self.www.mkdir()
        self.servers = [Server(self, i + 1) for i in range(servers)]
        self.daemons = {}
        if capture:
            self.capture(self.client, "eth0")
            self.capture(self.switch, "border")

    def serve_http(self):
        for s in self.servers:
            s.serve_http()

    # ---- our daemons -------------------------------------------------------------------------

    def start_daemon(self, name, *args):
        base = ["--base", self.base]
        if name == "sluice-lb" and "--no-huge" not in args and not free_hugepages():
            args = (*args, "--no-huge")
        if name == "sluice-lb" and "--detach" not in args:
            args = (*args, *spread_args(args))
        user = NETCONFD_UID if name == "sluice-netconfd" else SLUICE_UID
        key = name if name != "sluice-lb" or "--instance" not in args else self.instance_of(args)
        p = self.border.start(key, program(name), *base, "--user", user, *args, env=sluice_env())
        self.daemons[key] = p
        return p

    @staticmethod
    def instance_of(args):
        return args[args.index("--instance") + 1] if "--instance" in args else "lb"

    def start_lb(self, *args):
        p = self.start_daemon("sluice-lb", *args)
        wait_for("control link of sluice-lb", lambda: connects(self.base / "run" / f"{self.instance_of(args)}.ctl") or not p.alive())
        if not p.alive():
            raise LabError(f"sluice-lb ended at once\n{p.tail()}")
        return p

    def start_sluiced(self, *args):
        p = self.start_daemon("sluiced", "--netconfd-user", str(NETCONFD_UID), *args)
        wait_for("socket of sluiced", lambda: self.rpc_ready() or not p.alive())
        if not p.alive():
            raise LabError(f"sluiced ended at once\n{p.tail()}")
        return p

    def start_checkd(self, *args):
        return self.start_daemon("sluice-checkd", *args)

    def start_netconfd(self, *args):
        p = self.start_daemon("sluice-netconfd", "--listen", "0.0.0.0", "--port", str(NETCONF_PORT), *args)
        wait_for("NETCONF port", lambda: self.border.listening(NETCONF_PORT) or not p.alive())
        if not p.alive():
            raise LabError(f"sluice-netconfd ended at once\n{p.tail()}")
        return p

    def start_sluice(self):
        """Daemon, balancer and health checks, each started by hand (kill tests use supervise())."""
        self.start_lb()
        self.start_sluiced()
        self.start_checkd()

    def supervise(self):
        """All daemons under runit, from the one list of services (config/service)."""
        bindir, svdir = self.base / "bin", self.base / "service"
        bindir.mkdir()
        names = ("sluiced", "sluice-lb", "sluice-checkd", "sluice-netconfd")
        for name in names:
            (bindir / name).symlink_to(program(name))
        edit = (f"s/-user sluice-netconfd/-user {NETCONFD_UID}/g; s/-user sluice\\b/-user {SLUICE_UID}/g;"
                f"s/^sluice-netconfd/& --listen 0.0.0.0/")
        if not free_hugepages():
            edit += "; s/^sluice-lb/& --no-huge/"
        if spread_args():
            edit += f"; s/^sluice-lb/& {' '.join(spread_args())}/"
        run([ROOT / "config" / "service" / "generate.sh", "runit", svdir, bindir, self.base, edit])
        self.runsvdir = self.border.start("runsvdir", "runsvdir", svdir, env=sluice_env())
        for name in names:
            wait_for(f"{name} under runit", lambda n=name: self.daemon_pid(n))
        wait_for("socket of sluiced", self.rpc_ready)
        wait_for("control link of sluice-lb", lambda: (self.base / "run" / "lb.ctl").exists())
        wait_for("NETCONF port", lambda: self.border.listening(NETCONF_PORT))

    def daemon_pid(self, name):
        """Process id of a supervised daemon; 0 while it is down."""
        try:
            return int((self.base / "service" / name / "supervise" / "pid").read_text() or 0)
        except (FileNotFoundError, ValueError):
            return 0

    def kill9(self, name):
        """SIGKILL a supervised daemon; returns its pid. runit starts it again."""
        pid = self.daemon_pid(name)
        if not pid:
            raise LabError(f"{name} is not running")
        os.kill(pid, 9)
        return pid

    def hold_down(self, name):
        """Stop a supervised daemon until release()."""
        self.border.run("sv", "force-stop", self.base / "service" / name)

    def release(self, name):
        self.border.run("sv", "up", self.base / "service" / name)

    def rpc(self):
        return RpcClient(str(self.base / "run" / "sluiced.sock"))

    def ctl(self, *args, check=True):
        """sluicectl, on the border node."""
        return self.border.run(program("sluicectl"), "--base", self.base, *args, check=check)

    # ---- configuration -----------------------------------------------------------------------

    def interfaces(self):
        return [{"name": n, "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": "lb"}} for n in ("up", "down")]

    def config(self, services=None, weights=None, check="http", on_down="reset", flow_size=65536, **check_args):
        """A whole configuration: ports, one pool per family of all servers, HTTP services on port 80."""
        health = {"type": check}
        if check != "none":
            health |= {"interval": 500, "timeout": 400, "rise": 2, "fall": 2}
        if check == "http":
            health["http"] = {"path": "/health", "body-match": "ok"}
        health |= check_args
        pools = []
        for fam in (4, 6):
            servers = []
            for i, s in enumerate(self.servers):
                entry = {"name": s.name, "address": s.ip4 if fam == 4 else s.ip6, "port": 80}
                if weights:
                    entry["weight"] = weights[i]
                servers.append(entry)
            pools.append({"name": f"web{fam}", "on-server-down": on_down, "health-check": health,
                          "servers": {"server": servers}})
        lb = {
            "name": "lb",
            "flow-table": {"size": flow_size},
            "local-address-pools": {"local-address-pool": [
                {"name": "snat", "address": ["10.20.0.200", "10.20.0.201", "fd20::200", "fd20::201"]}]},
            "pools": {"pool": pools},
            "services": {"service": services if services is not None else [
                {"name": "web4", "address": VIP4, "port": 80, "protocol": "tcp", "pool": "web4",
                 "local-address-pool": "snat"},
                {"name": "web6", "address": VIP6, "port": 80, "protocol": "tcp", "pool": "web6",
                 "local-address-pool": "snat"}]},
        }
        return {"ietf-interfaces:interfaces": {"interface": self.interfaces()},
                "sluice-lb:load-balancers": {"load-balancer": [lb]}}

    def configure(self, config, operation="replace"):
        """Edit the candidate and commit; returns the commit's result. Warnings are an error here."""
        with self.rpc() as c:
            c.call("edit-config", config=config, **{"default-operation": operation})
            result = c.call("commit")
        if result.get("warnings"):
            raise LabError(f"commit with warnings: {result['warnings']}")
        return result

    def state(self):
        with self.rpc() as c:
            return c.call("get")["data"]

    def lb_state(self):
        return self.state()["sluice-lb:load-balancers"]["load-balancer"][0]

    def health(self):
        """{pool/server: verdict} of all servers."""
        return {f"{p['name']}/{s['name']}": s.get("state", {}).get("health", "unknown")
                for p in self.lb_state()["pools"]["pool"] for s in p["servers"]["server"]}

    def wait_health(self, name, verdict, timeout=10):
        wait_for(f"{name} is {verdict}", lambda: self.health().get(name) == verdict, timeout, 0.1)

    def wait_all_up(self):
        """Until every server of both pools has had its verdict."""
        for s in self.servers:
            for pool in ("web4", "web6"):
                self.wait_health(f"{pool}/{s.name}", "up")

    def counters(self):
        with self.rpc() as c:
            return c.call("app-query", instance="lb", name="counters", args={})

    def whole_counters(self, tries=50):
        """Counters between two packets: while some pass, a look may catch one that is counted as received alone."""
        for _ in range(tries):
            c = self.counters()
            if sums_hold(c["sum"]):
                break
            time.sleep(0.013)
        return c


def spread_args(given=()):
    """Arguments of sluice-lb for the run as a whole: SLUICE_LAB_WORKERS, SLUICE_LAB_RSS; `given` come first."""
    out = []
    if os.environ.get("SLUICE_LAB_WORKERS") and "--workers" not in given:
        out += ["--workers", os.environ["SLUICE_LAB_WORKERS"]]
    if os.environ.get("SLUICE_LAB_RSS") and "--rss" not in given:
        out += ["--rss", os.environ["SLUICE_LAB_RSS"]]
    return out


def connects(path):
    """True when somebody listens on the unix socket (one that a killed process left does not count)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        try:
            s.connect(str(path))
            return True
        except OSError:
            return False


def free_hugepages(need=256):
    """True when so many 2 MB pages are free on this machine."""
    try:
        n = int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())
    except (OSError, ValueError):
        return False
    return n >= need


def dump(obj):
    return json.dumps(obj, indent=1)


__all__ = ["Border", "Server", "SUMS", "sums_hold", "VIP4", "VIP6", "NETCONF_PORT", "BUILD", "sluice_env", "free_hugepages", "dump"]
