#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A stand-in for sluiced: speaks control/rpc/README.md well enough to test sluice-netconfd alone, and
can be told to misbehave in ways the real one never should.

It keeps configurations as plain JSON, knows no schema (list keys: the first of KEYS that an entry has),
and ignores `paths` (what it sends is then more than asked for; netconfd must filter it).

User names and passwords: alice/secret, bob/secret2. A request whose method is in `faults` is answered
by that fault instead: "close", "hang", "garbage", "wrong-id", or a dict that is the error's data.
"""
import copy
import json
import os
import socket
import threading

KEYS = ("name", "vid", "index", "reason")


class Refused(Exception):
    def __init__(self, tag, message, path=None, **more):
        super().__init__(message)
        self.data = {"error-type": "application", "error-tag": tag, "error-severity": "error",
                     "error-message": message, **more}
        if path:
            self.data["error-path"] = path


def key_of(entry):
    for k in KEYS:
        if k in entry:
            return k, entry[k]
    return None, None


def strip(node):
    """Without operation marks."""
    if isinstance(node, dict):
        return {k: strip(v) for k, v in node.items() if not k.startswith("@")}
    if isinstance(node, list):
        return [strip(v) for v in node]
    return node


def mark_of(node, parent, name):
    meta = node.get("@", {}) if isinstance(node, dict) else parent.get("@" + name, {})
    return meta.get("ietf-netconf:operation") if isinstance(meta, dict) else None


def merge(old, new, default, path=""):
    """Apply the edit `new` to the object `old`, in place."""
    for name, value in new.items():
        if name.startswith("@"):
            continue
        where = f"{path}/{name}"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = old.setdefault(name, [])
            for entry in value:
                op = mark_of(entry, new, name) or default
                k, v = key_of(entry)
                at = f"{where}[{k}='{v}']"
                have = next((e for e in entries if e.get(k) == v), None)
                if op in ("delete", "remove"):
                    if have is None and op == "delete":
                        raise Refused("data-missing", "no such entry", at)
                    if have is not None:
                        entries.remove(have)
                elif op == "create" and have is not None:
                    raise Refused("data-exists", "the entry exists", at)
                elif op == "replace" or have is None:
                    if have is not None:
                        entries.remove(have)
                    fresh = {}
                    entries.append(fresh)
                    merge(fresh, entry, "merge", at)
                else:
                    merge(have, entry, op, at)
            if not entries:
                del old[name]
        elif isinstance(value, list):
            marks = new.get("@" + name) or []
            have = old.setdefault(name, [])
            for i, v in enumerate(value):
                m = marks[i] if i < len(marks) else None
                op = (m or {}).get("ietf-netconf:operation", default)
                if op in ("delete", "remove"):
                    if v in have:
                        have.remove(v)
                    elif op == "delete":
                        raise Refused("data-missing", "no such value", where)
                elif v not in have:
                    have.append(v)
            if not have:
                del old[name]
        else:
            op = mark_of(value, new, name) or default
            if op in ("delete", "remove"):
                if name not in old and op == "delete":
                    raise Refused("data-missing", "no such node", where)
                old.pop(name, None)
            elif op == "create" and name in old:
                raise Refused("data-exists", "the node exists", where)
            elif isinstance(value, dict):
                if op == "replace":
                    old[name] = {}
                merge(old.setdefault(name, {}), value, "merge" if op == "replace" else op, where)
            elif op != "none":
                old[name] = value


class FakeSluiced:
    """Serves in threads of its own until close()."""

    def __init__(self, path, keys=None):
        self.running, self.candidate, self.state = {}, {}, {}
        self.version, self.next_session = 1, 1
        self.keys = keys or {}  # user -> [{"algorithm":, "key-data":}]
        self.users = {"alice": "secret", "bob": "secret2"}
        self.locks, self.sessions, self.calls, self.faults = {}, {}, [], {}
        self.mutex = threading.RLock()
        self.path = str(path)
        self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        for s in list(self.sessions.values()):
            hang_up(s["conn"])

    def accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        session = {"id": None, "user": None, "conn": conn}
        try:
            with conn.makefile("rb") as lines:
                for line in lines:
                    call = json.loads(line)
                    if not self.answer(conn, session, call):
                        break
        except OSError:
            pass
        with self.mutex:
            self.sessions.pop(session["id"], None)
            for t in [t for t, i in self.locks.items() if i == session["id"]]:
                del self.locks[t]
        conn.close()

    def answer(self, conn, session, call):
        method, params = call["method"], call.get("params") or {}
        reply = {"jsonrpc": "2.0", "id": call["id"]}
        fault = self.faults.get(method)
        self.calls.append((method, params))
        if fault == "close":
            return False
        if fault == "hang":
            return True
        if fault == "garbage":
            conn.sendall(b"\x00this is no JSON\n")
            return True
        if fault == "wrong-id":
            reply["id"] = 123456
        with self.mutex:
            try:
                if isinstance(fault, (dict, list)):
                    reply["error"] = {"code": -32000, "message": "fault", "data": fault}
                else:
                    reply["result"] = getattr(self, "do_" + method.replace("-", "_"))(session, params)
            except Refused as e:
                reply["error"] = {"code": -32000, "message": str(e), "data": e.data}
            except AttributeError:
                reply["error"] = {"code": -32601, "message": f"no method {method}"}
        conn.sendall(json.dumps(reply, separators=(",", ":")).encode() + b"\n")
        return True

    # ---- methods -----------------------------------------------------------------------------

    def do_authenticate(self, session, p):
        return {"ok": self.users.get(p["user"]) == p["password"]}

    def do_authorized_keys(self, session, p):
        return {"keys": self.keys.get(p["user"], [])}

    def do_session(self, session, p):
        session["id"], session["user"] = self.next_session, p["user"]
        self.sessions[session["id"]] = session
        self.next_session += 1
        return {"session-id": session["id"]}

    def do_state(self, session, p):
        return {"locks": [{"target": t, "session-id": i} for t, i in self.locks.items()]}

    def store(self, name):
        return self.running if name == "running" else self.candidate

    def do_get_config(self, session, p):
        return {"config": self.store(p["source"]), "version": self.version}

    def do_get(self, session, p):
        data = copy.deepcopy(self.running)
        data.update(self.state)
        return {"data": data}

    def check_lock(self, session, target):
        owner = self.locks.get(target)
        if owner is not None and owner != session["id"]:
            raise Refused("in-use", f"{target} is locked by session {owner}")

    def do_edit_config(self, session, p):
        target = p.get("target", "candidate")
        self.check_lock(session, target)
        new = {} if p.get("default-operation") == "replace" else copy.deepcopy(self.store(target))
        op = p.get("default-operation", "merge")
        merge(new, p["config"], "merge" if op == "replace" else op)
        if p.get("test-option") != "test-only":
            self.put(target, new)
        return {"ok": True}

    def put(self, target, config):
        if target == "running":
            self.running = config
        else:
            self.candidate = config

    def do_copy_config(self, session, p):
        self.check_lock(session, p["target"])
        self.put(p["target"], copy.deepcopy(p["config"] if "config" in p else self.store(p["source"])))
        return {"ok": True}

    def do_validate(self, session, p):
        return {"ok": True}

    def do_commit(self, session, p):
        self.check_lock(session, "running")
        self.running = copy.deepcopy(self.candidate)
        self.version += 1
        return {"version": self.version, "warnings": ["the app 'lb' is away"]}

    def do_discard(self, session, p):
        self.candidate = copy.deepcopy(self.running)
        return {"ok": True}

    def do_lock(self, session, p):
        owner = self.locks.get(p["target"])
        if owner is not None:
            raise Refused("lock-denied", "locked", **{"error-info": {"session-id": owner}})
        self.locks[p["target"]] = session["id"]
        return {"ok": True}

    def do_unlock(self, session, p):
        if self.locks.get(p["target"]) != session["id"]:
            raise Refused("operation-failed", "not locked by this session")
        del self.locks[p["target"]]
        return {"ok": True}

    def do_kill_session(self, session, p):
        victim = self.sessions.get(p["session-id"])
        if victim is None:
            raise Refused("invalid-value", "no such session")
        hang_up(victim["conn"])
        return {"ok": True}

    def do_get_schema(self, session, p):
        raise Refused("invalid-value", "no such schema")


def hang_up(conn):
    try:
        conn.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
