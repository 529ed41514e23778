# SPDX-License-Identifier: BSD-3-Clause
"""A port_probe in a node, driven over its standard input (see port_probe.c)."""
import json
import os
import queue
import signal
import subprocess
import threading

import lab

PROBE_UID = lab.SLUICE_UID


class Probe:
    """One port_probe process. ask() sends a command and returns its answer; events are set aside."""

    def __init__(self, node, instance="t", workers=1, huge=True, name="probe"):
        self.node, self.name = node, name
        self.run_dir = node.lab.base / f"run-{instance}-{len(node.lab.processes)}"
        self.run_dir.mkdir(mode=0o755)
        self.log = node.lab.logs / f"{node.name}-{name}-{len(node.lab.processes)}.log"
        self.events, self.answers = [], queue.Queue()
        cmd = [lab.program("port_probe"), instance, self.run_dir, workers] + ([] if huge else ["no-huge"])
        with open(self.log, "wb") as err:
            self.p = subprocess.Popen(node.prefix() + [str(c) for c in cmd], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=err, text=True, bufsize=1,
                                      preexec_fn=lab._child_setup)
        node.lab.processes.append(self)
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self._answer(30)
        assert self.ready["rc"] == 0, self.ready

    def _read(self):
        for line in self.p.stdout:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if "event" in value:
                self.events.append(value)
            else:
                self.answers.put(value)

    def _answer(self, timeout):
        try:
            return self.answers.get(timeout=timeout)
        except queue.Empty:
            raise lab.LabError(f"{self.name}: no answer\n{self.tail()}") from None

    def ask(self, command, timeout=20):
        self.p.stdin.write(command + "\n")
        return self._answer(timeout)

    def ok(self, command):
        answer = self.ask(command)
        assert answer["rc"] == 0, (command, answer, self.tail())
        return answer

    def alive(self):
        return self.p.poll() is None

    def kill(self):
        self.p.send_signal(signal.SIGKILL)
        self.p.wait(10)

    def end(self, how="quit"):
        """quit: ports closed for good; leave: planned restart."""
        self.p.stdin.write(how + "\n")
        return self.p.wait(20)

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").split("\n")[-lines:])


class Wire:
    """client --- border: `wan` on the border (10.0.0.1, fd00::1), `cl` on the client (10.0.0.2, fd00::2)."""

    def __init__(self, lab_, queues=1):
        self.lab, self.queues = lab_, queues
        self.border, self.client = lab_.node("border"), lab_.node("client")
        self.connect()

    def connect(self):
        self.lab.veth(self.border, "wan", self.client, "cl", queues=self.queues)
        self.border.addr("wan", "10.0.0.1/24", "fd00::1/64")
        self.client.addr("cl", "10.0.0.2/24", "fd00::2/64")

    def ping(self, address, count=3):
        p = self.client.run("ping", "-c", count, "-i", "0.05", "-W", "1", address, check=False)
        return p.returncode == 0

    def udp_echo(self, address="10.0.0.100", port=53, sources=range(4000, 4001), timeout=1.0):
        """Send one datagram from each source port; returns how many came back."""
        return self.client.in_netns(self._udp, address, port, sources, timeout)

    @staticmethod
    def _udp(address, port, sources, timeout):
        import socket
        import time
        socks, back = [], 0
        for src in sources:
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("::" if ":" in address else "0.0.0.0", src))
            s.setblocking(False)
            s.connect((address, port))
            s.send(b"hello")
            socks.append(s)
        end = time.monotonic() + timeout
        waiting = list(socks)
        while waiting and time.monotonic() < end:
            for s in list(waiting):
                try:
                    back += s.recv(100) == b"hello"
                    waiting.remove(s)
                except BlockingIOError:
                    pass
                except OSError:
                    waiting.remove(s)
            time.sleep(0.001)
        for s in socks:
            s.close()
        return back

    @staticmethod
    def flood(address, port, count):
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((address, port))
            for _ in range(count):
                s.send(b"flood")

    @staticmethod
    def round_trips(address, port, count):
        """Seconds of single round trips with 10 ms between them, sorted."""
        import socket
        import time
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(1.0)
        s.connect((address, port))
        times = []
        for _ in range(count):
            start = time.perf_counter()
            s.send(b"x")
            s.recv(10)
            times.append(time.perf_counter() - start)
            time.sleep(0.01)
        s.close()
        return sorted(times)

    def tcp(self, address, port, timeout=0.5):
        """Try to connect; returns 'open', 'reset' or 'silent'."""
        return self.client.in_netns(self._tcp, address, port, timeout)

    @staticmethod
    def _tcp(address, port, timeout):
        import socket
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(timeout)
        try:
            s.connect((address, port))
            return "open"
        except ConnectionRefusedError:
            return "reset"
        except OSError:
            return "silent"
        finally:
            s.close()

    def xdp_id(self, dev="wan"):
        info = json.loads(self.border.out("ip", "-j", "link", "show", dev))
        return info[0].get("xdp", {}).get("prog", {}).get("id", 0)

    def guard(self, instance="t"):
        p = self.border.run("nft", "list", "table", "inet", f"sluice-{instance}", check=False)
        return p.stdout if p.returncode == 0 else ""

    def addresses(self, dev="wan"):
        info = json.loads(self.border.out("ip", "-j", "addr", "show", dev))
        return {a["local"] for a in info[0]["addr_info"]}


class Frames:
    """Raw frames on the client's end of a wire."""

    def __init__(self, wire):
        import socket
        self.sock = wire.client.in_netns(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
        wire.client.in_netns(self.sock.bind, ("cl", 3))
        self.client_mac = json.loads(wire.client.out("ip", "-j", "link", "show", "cl"))[0]["address"]
        self.border_mac = json.loads(wire.border.out("ip", "-j", "link", "show", "wan"))[0]["address"]
        # A tag that the kernel took off a received frame would not be seen by us otherwise.
        self.sock.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA

    def send(self, frame):
        self.sock.send(frame.ljust(60, b"\0") if len(frame) >= 34 else frame)

    def ask(self, frame, wanted, timeout=2.0):
        """Send a frame; returns the first received one for which wanted(scapy packet), or None."""
        import struct
        import time
        from scapy.all import Ether
        self.send(frame)
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                data, aux, _, _ = self.sock.recvmsg(4096, 256)
            except TimeoutError:
                return None
            for _, _, value in aux:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
                if status & 0x10:  # TP_STATUS_VLAN_VALID
                    data = data[:12] + struct.pack("!HH", tpid or 0x8100, tci) + data[12:]
            packet = Ether(data)
            if packet.src != self.client_mac and wanted(packet):
                return packet
        return None


STEER = ("steer 10.0.0.100/udp/53 10.0.0.100/tcp/80 fd00::100/udp/53 fd00::100/tcp/80 "
         "local=10.0.0.200/1000/2000 local=fd00::200/1000/2000")
assert os.geteuid() == 0, "the lab needs root"
