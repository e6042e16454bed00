"""`python -m benchmarks.bare URL RUNS CONCURRENCY`: starts, and nothing else.

What the network and the gateway leave possible: no ledger, no git, no signature, no answer read
but its first line; each request on a connection of its own, as an apply's are.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

_PATH = "/batch-processing-service/v2.1/flows?action=updateAndTrigger&userId=u1&orgId=o1"
_TIME = 1_709_337_600_000  # the trigger time, Unix epoch, milliseconds


async def start(url: str, runs: int, concurrency: int) -> None:
    """Start so many runs of as many flows. Raises RuntimeError unless each answer is a 200."""
    numbers = iter(range(1, runs + 1))
    where = urlsplit(url)
    host, port = where.hostname or "", where.port or 80

    async def work() -> None:
        for number in numbers:
            body = json.dumps({"flowId": number, "triggerTime": _TIME, "parameters": []}).encode()
            reader, writer = await asyncio.open_connection(host, port)
            head = f"POST {_PATH} HTTP/1.1\r\nhost: {where.netloc}\r\nconnection: close\r\n"
            head += "apim-accesstoken: t\r\napim-timestamp: 1\r\napim-signature: s\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.read()
            writer.close()
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:200].decode())

    async with asyncio.TaskGroup() as workers:
        for _ in range(concurrency):
            workers.create_task(work())


if __name__ == "__main__":
    asyncio.run(start(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
