"""Load on a gRPC server, from a process that imports nothing heavy: it shares the server's cores.

`python -m benchmarks.load` sends requests that were serialized before, either at times that are
fixed in advance (open loop: latency counts from the intended time, so that a slow answer delays no
request and hides no wait) or each as soon as the one before is answered (closed loop). Each request
waits in a thread: gRPC's asyncio client would add half a millisecond of its own.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

PREDICT = "/tensorflow.serving.PredictionService/Predict"
# Far more than wait at once below the highest rate; a thread is only made when none is free.
MOST_THREADS = 256
Send = Callable[[int], object]


def open_loop(send: Send, rate: float, seconds: float) -> list[float]:
    """Seconds from the intended time of each request to its answer.

    Args:
      send: sends request number i and waits for the answer.
      rate: requests a second.
      seconds: how long to send.
    """
    start = time.perf_counter()

    def one(number: int) -> float:
        send(number)
        return time.perf_counter() - start - number / rate

    with ThreadPoolExecutor(MOST_THREADS) as pool:
        answers = []
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
            answers.append(pool.submit(one, number))
        return [answer.result() for answer in answers]


def closed_loop(send: Send, callers: int, seconds: float) -> list[float]:
    """Seconds from each request to its answer, with so many callers at once."""
    end = time.perf_counter() + seconds

    def caller(first: int) -> list[float]:
        latencies = []
        number = first
        while (start := time.perf_counter()) < end:
            send(number)
            latencies.append(time.perf_counter() - start)
            number += callers
        return latencies

    with ThreadPoolExecutor(callers) as pool:
        return [latency for found in pool.map(caller, range(callers)) for latency in found]


def run(target: str, payloads: list[bytes], rate: float, callers: int, seconds: float):
    """Latencies in seconds and the seconds it all took; raises if a request fails."""
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(PREDICT)

        def send(number: int) -> None:
            call(payloads[number % len(payloads)])

        for number in range(20):
            send(number)
        start = time.perf_counter()
        found = open_loop(send, rate, seconds) if rate else closed_loop(send, callers, seconds)
        return found, time.perf_counter() - start


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
    latencies, seconds = run(given.target, payloads, given.rate, given.callers, given.seconds)
    print(json.dumps({"latencies": latencies, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:])
