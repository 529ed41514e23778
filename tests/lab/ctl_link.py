# SPDX-License-Identifier: BSD-3-Clause
"""A peer of the control link (dataplane/ctl/msg.h): drives an app without sluiced, well or badly behaved.

    with CtlLink(lab.base / "run" / "lb.ctl") as c:
        c.hello()
        ack = c.transaction(0, 1, records)          # upserts, PREPARE, COMMIT
        state = c.query("state")

Records are bytes: port(), local_pool(), pool(), server(), service(), ... make them. send_raw() takes any bytes.
"""
import ipaddress
import json
import socket
import struct

MAGIC, VERSION, MSG_MAX = 0x4C435331, 2, 256 * 1024
(HELLO, BEGIN, UPSERT, DELETE, PREPARE, COMMIT, ABORT, ACK, QUERY, ANSWER, TARGET, TARGET_DEL, TARGET_END, VERDICT,
 EVENT) = range(1, 16)
F_MORE = 1
CONTROL, CHECKER = 2, 3
(SETTINGS, PORT, VLAN, PREFIX, LOCAL_POOL, LOCAL_ADDRESS, POOL, SERVER, SERVICE) = range(1, 10)
AF_XDP, TAP, MEMIF, NULL, RING, PCAP = range(1, 7)
RESET, KEEP = 1, 2
CHECK_NONE, CHECK_TCP, CHECK_HTTP = 0, 1, 2
ENABLED, DRAIN, DISABLED = 1, 2, 3
UNKNOWN, UP, DOWN = 0, 1, 2
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
DATASTORE = b"lab-datastore-01"
HDR = struct.Struct("=IHHII")
HELLO_S = struct.Struct("=IHH64s16sQ")
ACK_S = struct.Struct("=iHHQ40s256sQ")


class LinkError(Exception):
    """The app refused; .ack says what."""

    def __init__(self, ack):
        super().__init__(f"{ack.result} record {ack.rec_type}/{ack.rec_id} {ack.field}: {ack.message}")
        self.ack = ack


class Ack:
    SIZE = 320

    def __init__(self, payload):
        self.result, self.tag, self.rec_type, self.rec_id, field, words, self.applied = ACK_S.unpack(payload)
        self.field, self.message = text(field), text(words)


def message(kind, payload=b"", seq=0, flags=0):
    pad = -len(payload) % 8
    return HDR.pack(16 + len(payload) + pad, kind, flags, seq, len(payload)) + payload + bytes(pad)


def read_exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionError(f"closed after {len(data)} of {size} bytes")
        data += more
    return bytes(data)


def read_message(sock):
    """One message: (type, flags, seq, payload)."""
    length, kind, flags, seq, size = HDR.unpack(read_exactly(sock, 16))
    return kind, flags, seq, read_exactly(sock, length - 16)[:size]


def text(b):
    return b.split(b"\0", 1)[0].decode()


def record(kind, ident, body):
    """A record of msg.h: the head, then the body."""
    return struct.pack("=HHIQ", kind, 16 + len(body), 0, ident) + body


def address(a, prefix=None):
    ip = ipaddress.ip_address(a)
    bits = 32 if ip.version == 4 else 128
    return struct.pack("=BB6x16s", ip.version, bits if prefix is None else prefix, ip.packed)


def settings(flow_max=65536, syn=30000, established=900000, closing=10000, udp=60000, quiet=30000, flow_max6=None,
             persistence_max=65536):
    return record(SETTINGS, 1, struct.pack("=QIIIIIIII", flow_max, syn, established, closing, udp, quiet,
                                           flow_max if flow_max6 is None else flow_max6, persistence_max, 0))


def port(ident, name, device=None, kind=AF_XDP, flags=0, context=0, queues=0, mtu=0, mac=b"", peer_mac=b"", memif_id=0,
         path=b"", path2=b"", members=(), bond_mode=0, own4=None, own6=None):
    return record(PORT, ident, struct.pack("=64s32sBBHHHH6s6sH112s112s128s", name.encode(), (device or name).encode(), kind,
                                           bond_mode, flags, context, queues, mtu, mac, peer_mac, memif_id, path, path2,
                                           b"".join(m.encode().ljust(16, b"\0") for m in members)) +
                  (address(own4) if own4 else bytes(24)) + (address(own6) if own6 else bytes(24)))


def vlan(ident, port_id, vid, tap):
    return record(VLAN, ident, struct.pack("=QHHI16s", port_id, vid, 0, 0, tap.encode()))


def prefix(ident, port_id, net):
    n = ipaddress.ip_network(net)
    return record(PREFIX, ident, struct.pack("=Q", port_id) + address(n.network_address, n.prefixlen))


def local_pool(ident, name, port_min=1024, port_max=65535):
    return record(LOCAL_POOL, ident, struct.pack("=64sHHI", name.encode(), port_min, port_max, 0))


def local_address(ident, pool_id, addr):
    return record(LOCAL_ADDRESS, ident, struct.pack("=Q", pool_id) + address(addr))


def check(kind=CHECK_NONE, port_number=0, interval=500, timeout=400, rise=2, fall=2, status=(200, 399), path=b"/",
          host=b"", body=b"", flags=0, send=b"", expect=b"", agent=(0, 0), passive=(0, 0), damping=(0, 0, 0),
          server_name=b"", ca_file=b""):
    return struct.pack("=BBHIIHHHHHHHHIIHHII256s256s128s256s256s512s128s", kind, flags, port_number, interval, timeout, rise,
                       fall, *status, len(send), len(expect), *agent[:1], *passive[:1], *agent[1:], *passive[1:],
                       damping[0], 0, *damping[1:], path, host, body, server_name, ca_file, send, expect)


def pool(ident, name, on_down=RESET, scheduler=1, health=None, hash_key=2, min_available=1, backup=0, slow_start=0,
         drain_timeout=0):
    return record(POOL, ident, struct.pack("=64sBBBBIQII", name.encode(), scheduler, on_down, hash_key, 0, min_available,
                                           backup, slow_start, drain_timeout) + (health or check()))


def server(ident, pool_id, name, addr, port_number=80, weight=1, admin=ENABLED):
    return record(SERVER, ident, struct.pack("=Q64s", pool_id, name.encode()) + address(addr) +
                  struct.pack("=HHB3x", socket.htons(port_number), weight, admin))


def service(ident, pool_id, local_pool_id, name, addr, port_number=80, proto=TCP, enabled=1, context=0, port_max=None,
            prefix=None, forwarding=1, proxy=0, mss_max=0, persist=(0, 0, 0)):
    return record(SERVICE, ident, struct.pack("=QQ64s", pool_id, local_pool_id, name.encode()) + address(addr, prefix) +
                  struct.pack("=HHBBHBBHIB7xQ", socket.htons(port_number), socket.htons(port_max or port_number), proto,
                              enabled, context, forwarding, proxy, mss_max, *persist))


class CtlLink:
    """One connection."""

    def __init__(self, path, timeout=10):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(timeout)
        self.s.connect(str(path))
        self.seq, self.buffer = 0, b""
        self.events, self.targets, self.applied, self.datastore = [], {}, None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.s.close()

    # ---- messages ----------------------------------------------------------------------------

    def send_raw(self, data):
        self.s.sendall(data)

    def send(self, kind, payload=b"", flags=0):
        """Send one message; returns its sequence number."""
        self.seq += 1
        self.send_raw(message(kind, payload, self.seq, flags))
        return self.seq

    def read(self, n):
        while len(self.buffer) < n:
            data = self.s.recv(65536)
            if not data:
                raise ConnectionError("the app closed the link")
            self.buffer += data
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def receive(self):
        """One message: (type, flags, seq, payload)."""
        length, kind, flags, seq, size = HDR.unpack(self.read(16))
        return kind, flags, seq, self.read(length - 16)[:size]

    def wait(self, *kinds):
        """The next message of one of these types; events and targets are collected meanwhile."""
        while True:
            kind, flags, seq, payload = self.receive()
            if kind == EVENT:
                self.events.append(struct.unpack("=IIH6xQ256s", payload))
            elif kind == TARGET:
                ident, = struct.unpack_from("=Q", payload, 8)
                self.targets[ident] = {"pool": text(payload[16:80]), "name": text(payload[80:144])}
            elif kind == TARGET_DEL:
                self.targets.pop(struct.unpack_from("=Q", payload, 8)[0], None)
            if kind in kinds:
                return kind, flags, seq, payload

    def ack(self):
        return Ack(self.wait(ACK)[3])

    def closed(self):
        """True once the app has closed the link (what it still said is read)."""
        try:
            while self.s.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    # ---- the protocol ------------------------------------------------------------------------

    def hello(self, role=CONTROL, instance="lb"):
        self.send(HELLO, HELLO_S.pack(MAGIC, VERSION, role, instance.encode(), b"", 0))
        payload = self.wait(HELLO)[3]
        _, _, _, _, self.datastore, self.applied = HELLO_S.unpack(payload)
        if role == CHECKER:
            self.wait(TARGET_END)
        return self.applied

    def begin(self, base, target, datastore=DATASTORE):
        return self.send(BEGIN, struct.pack("=QQ16s", base, target, datastore))

    def upsert(self, rec):
        return self.send(UPSERT, rec)

    def delete(self, kind, ident):
        return self.send(DELETE, struct.pack("=HHIQ", kind, 16, 0, ident))

    def prepare(self, target):
        self.send(PREPARE, struct.pack("=Q", target))
        return self.ack()

    def commit(self, target):
        self.send(COMMIT, struct.pack("=Q", target))
        return self.ack()

    def abort(self, target):
        self.send(ABORT, struct.pack("=Q", target))
        return self.ack()

    def transaction(self, base, target, upserts=(), deletes=()):
        """A whole transaction; raises LinkError with the app's refusal."""
        self.begin(base, target)
        for r in upserts:
            self.upsert(r)
        for kind, ident in deletes:
            self.delete(kind, ident)
        ack = self.prepare(target)
        if ack.result != 0:
            raise LinkError(ack)
        ack = self.commit(target)
        if ack.result != 0:
            raise LinkError(ack)
        self.applied = target
        return ack

    def query_text(self, name, args=None):
        self.send(QUERY, struct.pack("=32s", name.encode()) + (b"" if args is None else json.dumps(args).encode()))
        out = b""
        while True:
            kind, flags, _, payload = self.wait(ANSWER, ACK)
            if kind == ACK:
                raise LinkError(Ack(payload))
            out += payload
            if not flags & F_MORE:
                return out.decode()

    def query(self, name, **args):
        return json.loads(self.query_text(name, args))

    def verdict(self, server_id, health, reason="", latency=1000, good=None, agent=0, percent=100):
        good = health == UP if good is None else good
        return self.send(VERDICT, struct.pack("=QBBBxIH6x112s", server_id, health, good, agent, latency, percent,
                                              reason.encode()))
