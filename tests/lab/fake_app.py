# SPDX-License-Identifier: BSD-3-Clause
"""An app's end of the control link (dataplane/ctl/msg.h) as sluiced sees it: takes transactions into a dict of
records and answers queries; refuses, hangs or dies on request. With it the daemon is tested without a data plane.

    app = FakeApp(run, "lb").start()
    app.refuse = dict(result=-16, tag=4, rec_type=9, field="address", message="taken")
    app.wait(lambda: app.applied == 7)
"""
import json
import os
import socket
import struct
import threading
import time

from ctl_link import (ABORT, ACK, ACK_S, ANSWER, BEGIN, COMMIT, DELETE, EVENT, HELLO, HELLO_S, LOCAL_ADDRESS,
                      LOCAL_POOL, MAGIC, POOL, PORT, PREPARE, QUERY, SERVER, SERVICE, SETTINGS, UPSERT, VERSION,
                      message, read_message)

NAMES = {HELLO: "HELLO", BEGIN: "BEGIN", UPSERT: "UPSERT", DELETE: "DELETE", PREPARE: "PREPARE", COMMIT: "COMMIT",
         ABORT: "ABORT", QUERY: "QUERY"}
BEGIN_S = struct.Struct("=QQ16s")
REC_S = struct.Struct("=HHIQ")


def rec_name(rec):
    """The name inside a record (port, pools, server, service), or ''."""
    kind = struct.unpack_from("=H", rec)[0]
    offset = {PORT: 16, LOCAL_POOL: 16, POOL: 16, SERVER: 24, SERVICE: 32}.get(kind)
    return rec[offset:offset + 64].split(b"\0")[0].decode() if offset else ""


class FakeApp:
    """One instance. start() again after stop() is a restart; what was applied is kept, as on disk."""

    def __init__(self, run, instance="lb"):
        self.path = os.path.join(run, instance + ".ctl")
        self.instance = instance
        self.applied, self.datastore, self.records = 0, bytes(16), {}  # records: {(type, id): bytes}
        self.refuse = None       # answer to PREPARE: fields of an ACK; find= names the record at fault
        self.hang = False        # no answer to PREPARE
        self.die_prepared = False  # as killed right after the ACK of PREPARE
        self.answers = {}        # query name -> object
        self.log = []            # (time, name, version or None)
        self.changed = threading.Condition()
        self.listener = self.conn = None
        self.open = None

    # ---- life

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(4)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        """As a kill: the sockets close, what is applied stays."""
        for s in (self.listener, self.conn):
            if s is not None:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()
        self.listener = self.conn = None

    def wait(self, test, timeout=10.0):
        with self.changed:
            if not self.changed.wait_for(test, timeout):
                raise AssertionError(f"{self.instance}: not within {timeout} s; applied {self.applied}, "
                                     f"log {[e[1:] for e in self.log[-12:]]}")

    def names(self, kind):
        return sorted(rec_name(r) for (t, _), r in self.records.items() if t == kind)

    def said(self, name):
        return [version for _, n, version in self.log if n == name]

    def event(self, kind, severity, text, rec_type=0, rec_id=0):
        self.conn.sendall(message(EVENT, struct.pack("=IIH6sQ256s", kind, severity, rec_type, b"", rec_id, text.encode())))

    # ---- wire

    def _serve(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            self.conn = conn
            threading.Thread(target=self._talk, args=(conn,), daemon=True).start()

    def _talk(self, conn):
        self.open = None
        try:
            while True:
                kind, _flags, seq, payload = read_message(conn)
                with self.changed:
                    self._on(conn, kind, seq, payload)
                    self.changed.notify_all()
        except (OSError, ConnectionError):
            pass
        with self.changed:
            self.open = None  # whatever was prepared is dropped
            self.changed.notify_all()

    def _ack(self, conn, seq, result=0, tag=0, rec_type=0, rec_id=0, field="", message_=""):
        conn.sendall(message(ACK, ACK_S.pack(result, tag, rec_type, rec_id, field.encode(), message_.encode(),
                                             self.applied), seq))

    def _note(self, kind, version=None):
        self.log.append((time.monotonic(), NAMES[kind], version))

    def _on(self, conn, kind, seq, payload):
        if kind == HELLO:
            conn.sendall(message(HELLO, HELLO_S.pack(MAGIC, VERSION, 1, self.instance.encode(), self.datastore, self.applied),
                                 seq))
        elif kind == BEGIN:
            base, target, datastore = BEGIN_S.unpack(payload)
            self._note(kind, (base, target))
            stale = base != 0 and (base != self.applied or datastore != self.datastore)
            self.open = dict(target=target, datastore=datastore, stale=stale,
                             records=dict(self.records) if base else {})
        elif kind in (UPSERT, DELETE):
            rec_type, _size, _zero, rec_id = REC_S.unpack_from(payload)
            self._note(kind, rec_type)
            if kind == UPSERT:
                self.open["records"][(rec_type, rec_id)] = payload
            else:
                self.open["records"].pop((rec_type, rec_id), None)
        elif kind == PREPARE:
            self._prepare(conn, seq, struct.unpack("=Q", payload)[0])
        elif kind == COMMIT:
            version = struct.unpack("=Q", payload)[0]
            self._note(kind, version)
            self.applied, self.datastore, self.records = version, self.open["datastore"], self.open["records"]
            self.open = None
            self._ack(conn, seq)
        elif kind == ABORT:
            self._note(kind, struct.unpack("=Q", payload)[0])
            self.open = None
            self._ack(conn, seq)
        elif kind == QUERY:
            name = payload[:32].split(b"\0")[0].decode()
            if name in self.answers:
                conn.sendall(message(ANSWER, json.dumps(self.answers[name]).encode(), seq))
            else:
                self._ack(conn, seq, result=-2)

    def _prepare(self, conn, seq, version):
        self._note(PREPARE, version)
        if self.hang:
            return
        if self.open["stale"]:
            self._ack(conn, seq, result=-116)
        elif self.refuse:
            fields = dict(self.refuse)
            want = fields.pop("find", None)
            fields["message_"] = fields.pop("message", "")
            for (rec_type, rec_id), rec in self.open["records"].items():
                if want and rec_name(rec) == want and rec_type == fields.get("rec_type"):
                    fields["rec_id"] = rec_id
            self._ack(conn, seq, **fields)
        else:
            self._ack(conn, seq)
            if self.die_prepared:
                self.die_prepared = False
                self.stop()
