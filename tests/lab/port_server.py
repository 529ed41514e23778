# SPDX-License-Identifier: BSD-3-Clause
"""Answers on many ports: port_server.py NAME PORT... (PORT may be a range, 2000-2010).

TCP: "NAME PORT\\n" at once, then what comes is echoed. UDP: each datagram is answered by "NAME PORT".
"""
import asyncio
import socket
import sys


async def tcp(reader, writer, text):
    writer.write(f"{text}\n".encode())
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


class Udp(asyncio.DatagramProtocol):
    def __init__(self, text):
        self.text = text

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(self.text.encode(), addr)


async def main():
    name, loop = sys.argv[1], asyncio.get_running_loop()
    for word in sys.argv[2:]:
        first, _, last = word.partition("-")
        for port in range(int(first), int(last or first) + 1):
            text = f"{name} {port}"
            for af, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                await asyncio.start_server(lambda r, w, t=text: tcp(r, w, t), any_address, port, family=af)
                u = socket.socket(af, socket.SOCK_DGRAM)
                if af == socket.AF_INET6:
                    u.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                u.bind((any_address, port))
                await loop.create_datagram_endpoint(lambda t=text: Udp(t), sock=u)
    print("all ports open", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
