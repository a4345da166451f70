"""For how long agencies wait while another is connected, with two replicas: `python -m tests.bench.connecting`."""

import asyncio
from pathlib import Path
from statistics import median

from devstack import local_stack
from tests.integration.test_agencies import city_on, connect_under_traffic

ROUNDS = 5


async def measure() -> list[list[float]]:
    with local_stack(Path(".run/bench")) as stack:
        rounds = []
        for _ in range(ROUNDS):
            async with city_on(stack) as city:
                rounds.append(await connect_under_traffic(city))
        return rounds


def main() -> None:
    rounds = asyncio.run(measure())
    for number, delays_s in enumerate(rounds, start=1):
        print(
            f"round {number}: {len(delays_s)} records of others while an agency was connected, "
            f"decided after {median(delays_s):.2f} s in the median, {max(delays_s):.2f} s at most"
        )
    print(f"longest of all: {max(map(max, rounds)):.2f} s")


if __name__ == "__main__":
    main()
