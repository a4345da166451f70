"""CPU of n records of one shape in one batch, n = 100 and 1,000: `python -m tests.bench.hostile_shapes [WORDS]`.

Ten times as many may cost twelve times as much. On a real MongoDB; `memory` as first word takes the store in memory.
`make bench` has all of them, and keeps them in results/bench.json.
"""

import asyncio
import gc
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from devstack import Stack, local_stack
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.service import tune_gc
from tests.bench.shapes import SHAPES, Bench, Shape, Store
from tests.memory_store import MemoryStore

FEW, MANY, ROUNDS = 100, 1_000, 3
MAX_GROWTH: Final = 12.0
MakeStore = Callable[[Shape], Awaitable[Store]]


class Cost(NamedTuple):
    shape: str
    few_cpu_s: float
    many_cpu_s: float
    transactions: int
    """Of the many."""

    @property
    def growth(self) -> float:
        return self.many_cpu_s / self.few_cpu_s


async def cpu_s(shape: Shape, n: int, store: Store) -> tuple[float, int]:
    bench = Bench(shape.service, store)
    await bench.decide(shape.before(n))
    batch = shape.batch(n)
    gc.collect()
    began = time.process_time()
    decided = await bench.decide(batch)
    return time.process_time() - began, len(decided)


async def costs(shapes: Sequence[Shape], make_store: MakeStore, many: int = MANY) -> list[Cost]:
    found = []
    for shape in shapes:
        few = median([(await cpu_s(shape, FEW, await make_store(shape)))[0] for _ in range(ROUNDS)])
        taken = [await cpu_s(shape, many, await make_store(shape)) for _ in range(ROUNDS if few < 0.5 else 1)]
        cost = Cost(f"{shape.service.name}: {shape.name}", few, median(one[0] for one in taken), taken[0][1])
        print(
            f"  {cost.shape:78} {cost.few_cpu_s * 1e3:9.0f} ms {cost.many_cpu_s * 1e3:9.0f} ms "
            f"{cost.growth:6.1f} x {cost.transactions:5}",
            flush=True,
        )
        found.append(cost)
    return found


async def in_memory(shape: Shape) -> Store:
    return MemoryStore()


async def _on_mongo(url: str, shapes: Sequence[Shape]) -> list[Cost]:
    client = connect(url)
    name = f"shapes_{secrets.token_hex(4)}"

    prepared: set[str] = set()

    async def store(shape: Shape) -> Store:
        """Empty, with its indexes."""
        made = MongoStore(client, f"{name}_{shape.service.name}")
        if made.database.name not in prepared:
            await made.prepare(shape.service.collections)
            prepared.add(made.database.name)
        for collection in await made.database.list_collection_names():
            await made.database[collection].delete_many({})
        return made

    try:
        return await costs(shapes, store)
    finally:
        for one in prepared:
            await client.drop_database(one)
        client.close()


def measure(stack: Stack, words: Sequence[str] = ()) -> list[Cost]:
    tune_gc()
    return asyncio.run(_on_mongo(stack.mongo, chosen(words)))


def chosen(words: Sequence[str]) -> list[Shape]:
    return [one for one in SHAPES if all(word in f"{one.service.name}: {one.name}" for word in words)]


def report(found: Sequence[Cost]) -> list[dict[str, object]]:
    return [
        {
            "shape": one.shape,
            f"cpu_ms_{FEW}": round(one.few_cpu_s * 1e3, 1),
            f"cpu_ms_{MANY}": round(one.many_cpu_s * 1e3, 1),
            "growth": round(one.growth, 1),
            "transactions": one.transactions,
        }
        for one in found
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        tune_gc()
        asyncio.run(costs(chosen(sys.argv[2:]), in_memory))
    else:
        with local_stack(Path(".run/bench")) as running:
            measure(running, sys.argv[1:])
