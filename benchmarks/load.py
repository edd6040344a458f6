"""Load on a gRPC server, from a process that imports nothing heavy: it shares the server's cores.

`python -m benchmarks.load` sends requests that were serialized before, either at times that are
fixed in advance (open loop: latency counts from the intended time, so that a slow answer delays no
request and hides no wait) or each as soon as the one before is answered (closed loop).
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc

PREDICT = "/tensorflow.serving.PredictionService/Predict"
Send = Callable[[int], Awaitable[None]]


async def open_loop(send: Send, rate: float, seconds: float) -> list[float]:
    """Seconds from the intended time of each request to its answer.

    Args:
      send: sends request number i and waits for the answer.
      rate: requests a second.
      seconds: how long to send.
    """
    start = time.perf_counter()

    async def one(number: int) -> float:
        await send(number)
        return time.perf_counter() - start - number / rate

    tasks = []
    for number in range(int(rate * seconds)):
        wait = start + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(number)))
    return list(await asyncio.gather(*tasks))


async def closed_loop(send: Send, callers: int, seconds: float) -> list[float]:
    """Seconds from each request to its answer, with so many callers at once."""
    end = time.perf_counter() + seconds
    latencies = []

    async def caller(first: int) -> None:
        number = first
        while (start := time.perf_counter()) < end:
            await send(number)
            latencies.append(time.perf_counter() - start)
            number += callers

    await asyncio.gather(*(caller(first) for first in range(callers)))
    return latencies


async def run(target: str, payloads: list[bytes], rate: float, callers: int, seconds: float):
    """Latencies in seconds and the seconds it all took; raises if a request fails."""
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.unary_unary(PREDICT)

        async def send(number: int) -> None:
            await call(payloads[number % len(payloads)])

        for number in range(20):
            await send(number)
        start = time.perf_counter()
        if rate:
            latencies = await open_loop(send, rate, seconds)
        else:
            latencies = await closed_loop(send, callers, seconds)
        return latencies, time.perf_counter() - start


def main(arguments: list[str]) -> None:
    """Print one JSON object: `latencies` and `seconds`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("--target", required=True, help="host:port")
    parser.add_argument("--requests", type=Path, required=True, help="JSON list, hexadecimal")
    parser.add_argument("--rate", type=float, default=0.0, help="a second; 0 is a closed loop")
    parser.add_argument("--callers", type=int, default=4, help="of the closed loop")
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args(arguments)
    payloads = [bytes.fromhex(text) for text in json.loads(given.requests.read_text())]
    latencies, seconds = asyncio.run(
        run(given.target, payloads, given.rate, given.callers, given.seconds)
    )
    print(json.dumps({"latencies": latencies, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:])
