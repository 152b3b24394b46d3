#!/usr/bin/env python3
"""A TCP proxy that makes a host look further away, without making its line any narrower.

Every chunk is stamped with the moment it is due (arrival plus half the round trip) and a second task
delivers it then. Reading never waits for delivery, so a long transfer pays the delay once and not once
for each chunk. Kernel delay (tc netem) would be better, but not every kernel has it.
"""

import argparse
import asyncio
import contextlib

CHUNK = 256 * 1024
# What may be under way in one direction before reading pauses: far more than any real window.
IN_FLIGHT = 64 * 1024 * 1024


class Line:
    """One direction of a connection: what has been read, and when it is due at the other end."""

    def __init__(self, delay):
        self.delay = delay
        self.due = asyncio.Queue()
        self.in_flight = 0
        self.room = asyncio.Event()
        self.room.set()

    async def fill(self, reader):
        """Reads until the sender is done; the empty chunk at the end stands for its end of file."""
        clock = asyncio.get_running_loop()
        data = b"first"
        while data:
            await self.room.wait()
            try:
                data = await reader.read(CHUNK)
            except ConnectionError:
                data = b""
            self.in_flight += len(data)
            if self.in_flight >= IN_FLIGHT:
                self.room.clear()
            self.due.put_nowait((clock.time() + self.delay, data))

    async def drain(self, writer):
        """Delivers each chunk when it is due, and passes the end of file on as a half-closed line."""
        clock = asyncio.get_running_loop()
        while True:
            when, data = await self.due.get()
            await asyncio.sleep(max(0.0, when - clock.time()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
            self.in_flight -= len(data)
            if self.in_flight < IN_FLIGHT:
                self.room.set()
        if writer.can_write_eof():
            writer.write_eof()


async def carry(reader, writer, target, delay):
    """Serves one client: both directions at once, until both are at their end or either breaks."""
    there, back = Line(delay), Line(delay)
    filling = asyncio.create_task(there.fill(reader))
    far_writer = None
    tasks = [filling]
    try:
        # The client is connected at once, but over a real line the server would only hear of it after
        # three crossings (SYN, SYN-ACK, ACK). What the client says meanwhile waits in `there`.
        await asyncio.sleep(3 * delay)
        far_reader, far_writer = await asyncio.open_connection(*target)
        tasks += [
            asyncio.create_task(back.fill(far_reader)),
            asyncio.create_task(there.drain(far_writer)),
            asyncio.create_task(back.drain(writer)),
        ]
        await asyncio.gather(*tasks)
    except OSError:
        pass  # Either side went away, or the host cannot be reached: the client sees a closed line.
    finally:
        for task in tasks:
            task.cancel()
        for end in filter(None, (writer, far_writer)):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


async def serve(options):
    async def accept(reader, writer):
        await carry(reader, writer, options.to, options.delay_ms / 2000)

    server = await asyncio.start_server(accept, *options.listen, limit=CHUNK, backlog=512)
    print(f"{options.listen[0]}:{options.listen[1]} reaches {options.to[0]}:{options.to[1]}, "
          f"{options.delay_ms} ms further away", flush=True)
    async with server:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(server.serve_forever(), options.seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", type=endpoint, required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--to", type=endpoint, required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--delay-ms", type=float, required=True, help="added to the round trip, half each way")
    parser.add_argument("--seconds", type=float, default=600, help="stop by itself after this long (default: 600)")
    options = parser.parse_args()
    if options.listen[0] not in ("127.0.0.1", "::1"):
        parser.error("--listen: only loopback, this is a test tool")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
