# SPDX-License-Identifier: BSD-3-Clause
"""A sluiced alone, without network or applications, for the tests of the RPC socket."""
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab import program, yang_dir
from rpc_client import RpcClient

ROOT = Path(__file__).resolve().parents[2]
SLUICE_UID = 64501
NETCONFD_UID = 64502
SLUICED = str(program("sluiced"))

# Run under another uid: sends each line of stdin, prints each answer.
AS_UID = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.settimeout(30)
s.connect(sys.argv[1])
f = s.makefile("rb")
for line in sys.stdin.buffer:
    s.sendall(line)
    sys.stdout.buffer.write(f.readline())
"""


class Daemon:
    def __init__(self, name, *args):
        shm = Path("/dev/shm")
        self.base = Path(tempfile.mkdtemp(prefix=f"sluice-{name}-", dir=shm if shm.is_dir() else None))
        self.base.chmod(0o755)
        self.socket = self.base / "run" / "sluiced.sock"
        self.args = args
        self.process = None

    def command(self, *args):
        return [SLUICED, "--base", str(self.base), "--yang", str(yang_dir()), "--user", str(SLUICE_UID),
                "--netconfd-user", str(NETCONFD_UID), *self.args, *args]

    def start(self, *args):
        self.process = subprocess.Popen(self.command(*args), stderr=subprocess.PIPE, text=True)
        deadline = time.time() + 20
        while time.time() < deadline:
            line = self.process.stderr.readline()
            if "ready" in line:
                # strangers may try, so that their refusal is the daemon's own
                self.socket.chmod(0o666)
                return
            if line == "" and self.process.poll() is not None:
                break
        raise RuntimeError("sluiced did not start")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(20) == 0
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
        finally:
            self.remove()

    def remove(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def client(self):
        return RpcClient(self.socket)

    def memory(self):
        """Resident memory in KiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0

    def as_uid(self, uid, *calls):
        """The answers to calls made on one connection by another uid."""
        lines = "".join(json.dumps({"jsonrpc": "2.0", "id": n, **call}) + "\n" for n, call in enumerate(calls))
        out = subprocess.run([sys.executable, "-c", AS_UID, str(self.socket), str(uid)], input=lines, text=True,
                             capture_output=True, timeout=60, check=True).stdout
        return [json.loads(x) for x in out.splitlines()]
