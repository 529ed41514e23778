# SPDX-License-Identifier: BSD-3-Clause
"""The other end of a link aggregate, for a kernel without bonding: `lacp_peer.py TAP DEVICE...` makes TAP and carries
its frames over those of the devices whose partner says by LACP that it collects. Commands on standard input, one a
line: `mute DEVICE` sends no more LACPDUs there, `count` prints {device: frames received for TAP}."""
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
ETH_P_ALL, PACKET_IGNORE_OUTGOING = 3, 23
SLOW, GROUP, SYSTEM = b"\x88\x09", bytes.fromhex("0180c2000002"), bytes.fromhex("02aabbccdd01")
COLLECTING, ALL_GOOD = 0x10, 0x3F  # of the state: active, short, aggregatable, and all that follows


class Link:
    def __init__(self, device, number):
        self.device, self.number, self.muted, self.received = device, number, False, 0
        self.partner, self.heard = bytes(15), 0.0
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.s.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)
        self.s.bind((device, ETH_P_ALL))
        subprocess.run(["ip", "link", "set", "dev", device, "promisc", "on"], check=True)

    def say(self):
        if self.muted:
            return
        actor = struct.pack("!H6sHHHB3x", 0x8000, SYSTEM, 7, 0x80, self.number, ALL_GOOD)
        pdu = b"\x01\x01\x01\x14" + actor + b"\x02\x14" + self.partner + bytes(3) + b"\x03\x10" + bytes(14) + bytes(52)
        self.s.send(GROUP + SYSTEM[:5] + bytes([0x10 + self.number]) + SLOW + pdu)

    def hear(self, frame):
        news, self.partner, self.heard = frame[18:33] != self.partner, frame[18:33], time.monotonic()
        if news:
            self.say()

    def collects(self):
        return self.heard + 4 > time.monotonic() and self.partner[14] & COLLECTING and not self.muted


def main(tap, devices):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", tap.encode(), IFF_TAP | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", "dev", tap, "up"], check=True)
    subprocess.run(["ethtool", "-K", tap, "tx", "off", "tso", "off", "gso", "off", "gro", "off"], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    links = [Link(d, i + 1) for i, d in enumerate(devices)]
    print("ready", flush=True)
    due, sent = 0.0, 0
    while True:
        if time.monotonic() >= due:
            due = time.monotonic() + 1
            for link in links:
                link.say()
        ready, _, _ = select.select([fd, sys.stdin, *(x.s for x in links)], [], [], 0.2)
        if fd in ready:
            frame = os.read(fd, 65536)
            good = [x for x in links if x.collects()]
            if good:
                sent += 1
                good[sent % len(good)].s.send(frame)
        if sys.stdin in ready:
            words = sys.stdin.readline().split()
            if words[:1] == ["mute"]:
                next(x for x in links if x.device == words[1]).muted = True
            elif words == ["count"]:
                print(json.dumps({x.device: x.received for x in links}), flush=True)
            elif not words:
                return
        for link in links:
            if link.s not in ready:
                continue
            frame = link.s.recv(65536)
            if frame[12:14] == SLOW:
                link.hear(frame)
            else:
                link.received += 1
                os.write(fd, frame)


main(sys.argv[1], sys.argv[2:])
