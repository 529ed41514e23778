# SPDX-License-Identifier: BSD-3-Clause
"""What a NIC with receive-side scaling does, in software, for a veth: frames from OUT go to IN on the queue that the
Toeplitz hash of their addresses and ports names; frames from IN go to OUT as they are.

    rss_distributor.py OUT IN QUEUES

A veth hands a frame to the receive queue of the number of the queue it was sent on, and XPS takes that from the CPU
of the sender: so the process moves to CPU n before it sends on queue n. The key is that of Microsoft's verification
suite, as in dataplane/port/rss.c; the table names queue (hash mod 128) mod QUEUES.
"""
import os
import select
import socket
import sys

KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
SLOTS = 128


def shares():
    """share[place][byte]: what a byte in that place of the input adds (by XOR) to the hash."""
    key = int.from_bytes(KEY, "big")
    bits = [(key >> (len(KEY) * 8 - 32 - i)) & 0xffffffff for i in range(36 * 8)]
    table = []
    for place in range(36):
        row = [0] * 256
        for value in range(256):
            for bit in range(8):
                if value & (0x80 >> bit):
                    row[value] ^= bits[place * 8 + bit]
        table.append(row)
    return table


SHARE = shares()


def toeplitz(tuple_bytes):
    h = 0
    for row, byte in zip(SHARE, tuple_bytes):
        h ^= row[byte]
    return h


def queue_of(frame, queues):
    """TCP and UDP by addresses and ports; everything else goes to queue 0, as a NIC's default would have it."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] in (6, 17) and frame[14] == 0x45:
        return toeplitz(frame[26:34] + frame[34:38]) % SLOTS % queues
    if kind == b"\x86\xdd" and frame[20] in (6, 17):
        return toeplitz(frame[22:54] + frame[54:58]) % SLOTS % queues
    return 0


def packet_socket(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((name, 0))
    # packet_mreq: promiscuous, since frames are for the stations on either side
    index = socket.if_nametoindex(name)
    s.setsockopt(263, 1, index.to_bytes(4, "little") + (1).to_bytes(2, "little") + bytes(10))
    return s


def main(out_name, in_name, queues):
    queues = int(queues)
    for q in range(queues):
        with open(f"/sys/class/net/{in_name}/queues/tx-{q}/xps_cpus", "w", encoding="ascii") as f:
            f.write(f"{1 << q:x}")
    out, inside = packet_socket(out_name), packet_socket(in_name)
    at = None
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([out, inside], [], [])
        for s in ready:
            frame, origin = s.recvfrom(4096)
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            if s is inside:
                out.send(frame)
                continue
            queue = queue_of(frame, queues)
            if queue != at:
                os.sched_setaffinity(0, {queue})
                at = queue
            inside.send(frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
