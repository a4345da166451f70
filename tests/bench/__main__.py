"""`make bench`: all figures in one run on one stack; prints one table, writes tests/bench/results/bench.json.

`--full` takes 40 completions an employee too, and 1,000,000 completions for memory.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from devstack import StackError, local_stack
from tests.bench import certificates, hostile_shapes, stage, whole

RESULTS = Path(__file__).parent / "results"
STAGE_EVENTS, WHOLE_COMPLETIONS, LATENCIES, PDF_SECONDS = 20_000, 100_000, 200, 10
FULL_COMPLETIONS = 1_000_000
YARDSTICK = 5  # completions an employee and year for which there are goals; others are told beside it


class Row(NamedTuple):
    figure: str
    measured: str
    reach: str
    reached: bool


def main() -> int:
    full = "--full" in sys.argv
    run_dir = Path(".run/bench")
    with local_stack(run_dir) as stack:
        print("one stage, 5 completions an employee and year")
        five = stage.measure(stack, STAGE_EVENTS, YARDSTICK)
        forty = {}
        if full:
            print("one stage, 40 completions an employee and year")
            forty = stage.measure(stack, STAGE_EVENTS, 40)
        print("shapes that cost much, CPU of 100 and of 1,000 records in one batch")
        shapes = hostile_shapes.measure(stack)
        print("the three services together")
        count = FULL_COMPLETIONS if full else WHOLE_COMPLETIONS
        together = whole.measure(stack, count, LATENCIES, run_dir / "services")
    print("certificates")
    pdfs = certificates.measure(PDF_SECONDS)
    rows = [
        *stage_rows(five, YARDSTICK),
        *(stage_rows(forty, 40) if forty else []),
        *whole_rows(together),
        pdf_row(pdfs),
        *shape_rows(shapes),
    ]
    report = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "make bench-full" if full else "make bench",
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "stack": stack.took,
        "commit": commit(),
        "stage_5_events_per_s": five,
        "stage_40_events_per_s": forty,
        "together": together,
        "certificates": pdfs,
        "shapes": hostile_shapes.report(shapes),
        "table": [row._asdict() for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / ("bench-full.json" if full else "bench.json")).write_text(json.dumps(report, indent=2) + "\n")
    width = max(len(row.figure) for row in rows)
    print()
    for row in rows:
        print(
            f"{row.figure:{width}}  {row.measured:>14}  reach {row.reach:>12}  {'yes' if row.reached else 'NO'}"
        )
    return 0


def stage_rows(rates: dict[str, list[float]], each: int) -> list[Row]:
    """Of medians: one round that the machine spent on something else moves none of them."""
    rate = {contender: median(those) for contender, those in rates.items()}

    def row(peer: str, name: str, reach: float) -> Row:
        times = rate["ours"] / rate[peer]
        if each != YARDSTICK:
            return Row(f"stage ({each} a year) / {name}", f"{times:.2f} x", "-", True)
        return Row(f"stage ({each} a year) / {name}", f"{times:.2f} x", f">= {reach} x", times >= reach)

    return [
        Row(f"stage ({each} a year), events/s", f"{rate['ours']:,.0f}", "-", True),
        row("faststream", "FastStream, a transaction a message", 30),
        row("faststream_batch", "FastStream, a transaction a batch", 0.9),
        row("bare", "bare loop without guarantee", 0.6),
    ]


def whole_rows(together: dict[str, object]) -> list[Row]:
    rate = float(str(together["completions_per_s"]))
    p50, p99 = float(str(together["latency_ms_p50"])), float(str(together["latency_ms_p99"]))
    memory = together["memory_mb"]
    assert isinstance(memory, dict)
    early, late = memory[min(memory)], memory[max(memory)]
    rows = [
        Row("completions/s through three services", f"{rate:,.0f}", ">= 1,000", rate >= 1000),
        Row("idle latency to the certificate, p50", f"{p50:.0f} ms", "< 30 ms", p50 < 30),
        Row("idle latency to the certificate, p99", f"{p99:.0f} ms", "< 150 ms", p99 < 150),
    ]
    for name in early:
        grown = late[name] / early[name]
        figure = f"memory of {name}, {together['completions']:,} / 10,000 completions"
        rows.append(Row(figure, f"{late[name]:.0f} MB, {grown:.2f} x", "<= 1.1 x", grown <= 1.1))
    return rows


def pdf_row(pdfs: dict[str, float]) -> Row:
    rate = pdfs["per_second_per_core"]
    return Row("PDFs per second and core", f"{rate:.0f}", ">= 100", rate >= 100)


def shape_rows(shapes: Sequence[hostile_shapes.Cost]) -> list[Row]:
    most = hostile_shapes.MAX_GROWTH
    return [
        Row(f"1,000 / 100 {one.shape}", f"{one.growth:.1f} x CPU", f"<= {most:.0f} x", one.growth <= most)
        for one in shapes
    ]


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StackError as error:
        sys.exit(f"bench: {error}")
