# SPDX-License-Identifier: BSD-3-Clause
"""A small client of sluiced's JSON-RPC socket (control/rpc/README.md).

    with RpcClient(path) as c:
        c.call("edit-config", config={...})
        c.call("commit", comment="x")

Params are keywords, "_" standing for "-". An error answer raises RpcError.
"""
import json
import socket


class RpcError(Exception):
    """code and message of JSON-RPC; tag, path, app_tag, info of the first rpc-error; data: all of it."""

    def __init__(self, error):
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data")
        first = self.data[0] if isinstance(self.data, list) else (self.data or {})
        self.tag = first.get("error-tag")
        self.path = first.get("error-path")
        self.app_tag = first.get("error-app-tag")
        self.info = first.get("error-info")
        self.type = first.get("error-type")
        super().__init__(f"{self.code} {self.tag or ''} {self.path or ''}: {self.message}")


class RpcClosed(ConnectionError):
    """The daemon ended the connection."""


class RpcClient:
    def __init__(self, path, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))
        self.buf = b""
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    # ---- raw

    def send(self, data):
        self.sock.sendall(data)

    def read_line(self):
        while b"\n" not in self.buf:
            more = self.sock.recv(1 << 20)
            if not more:
                raise RpcClosed()
            self.buf += more
        line, self.buf = self.buf.split(b"\n", 1)
        return line

    def answer(self):
        return json.loads(self.read_line())

    # ---- calls

    def start(self, method, /, **params):
        """Send a call without waiting; returns its id."""
        self.last_id += 1
        params = {k.replace("_", "-"): v for k, v in params.items()}
        req = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        self.send(json.dumps(req, separators=(",", ":")).encode() + b"\n")
        return self.last_id

    def finish(self, call_id):
        a = self.answer()
        assert a["jsonrpc"] == "2.0" and a["id"] == call_id, a
        if "error" in a:
            raise RpcError(a["error"])
        return a["result"]

    def call(self, method, /, **params):
        return self.finish(self.start(method, **params))

    # ---- the usual ones

    def edit(self, config, **params):
        return self.call("edit-config", config=config, **params)

    def commit(self, comment="", **params):
        return self.call("commit", comment=comment, **params)

    def config(self, source="running", **params):
        return self.call("get-config", source=source, **params)["config"]

    def state(self):
        return self.call("state")
