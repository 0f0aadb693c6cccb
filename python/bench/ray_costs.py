"""What the server's arithmetic takes over Ray workers, for cohorts of ten thousand to a million.

    python bench/ray_costs.py [--parameters 1000000] [--workers 64] [--dropout 0.1] [--corrupted 0.05]

It measures for a second each how many elements one core adds from an upload and how many of a mask it applies, takes the degree from the
planner, and multiplies. The rest of a round (agreements, shares) is not arithmetic on lanes, and ``secagg plan`` has it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import secagg
from secagg import kernels

LANES = 1 << 20
"""Lanes of one measurement: a worker's range."""


def main() -> None:
    """Prints a table for cohorts of three sizes."""
    options = _options()
    kernels.set_threads(1)
    print(
        "| clients | neighbours | bits | masks | core-seconds: add uploads | core-seconds: take off masks "
        "| uploads, each worker | plan, each worker | seconds, all workers |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for clients in (10_000, 100_000, 1_000_000):
        print(_row(clients, options))


def _row(clients: int, options: argparse.Namespace) -> str:
    plan = secagg.plan(clients, corrupted=options.corrupted, dropout=options.dropout)
    params = plan.params(options.parameters)
    survivors, dropped = plan.survivors, plan.dropped
    masks = survivors + dropped * plan.degree * survivors // clients
    adding = survivors * params.lanes / _rate_of_adding(params)
    masking = masks * params.lanes / _rate_of_masks(params)
    uploads = survivors * params.packed_len / options.workers
    return (
        f"| {clients:,} | {plan.degree} | {params.width} | {masks:,} | {adding:,.0f} | {masking:,.0f} "
        f"| {uploads / 1e9:,.1f} GB | {masks * 33 / 1e6:,.1f} MB | {(adding + masking) / options.workers:.1f} |"
    )


def _rate_of_adding(params: secagg.Params) -> float:
    """Elements of uploads that one core unpacks and adds in a second."""
    packed = np.zeros(kernels.packed_len(LANES, params.width), np.uint8)
    total = np.zeros(LANES, params.lane_dtype)
    return LANES * _per_second(lambda: kernels.unpack_add(packed, params.width, total))


def _rate_of_masks(params: secagg.Params) -> float:
    """Elements of masks that one core expands and applies in a second."""
    plan = kernels.MaskPlan(params.prg, [(bytes([seed]) * 32, 1) for seed in range(16)])
    lanes = np.zeros(LANES, params.lane_dtype)
    return 16 * LANES * _per_second(lambda: plan.apply(lanes))


def _per_second(work: Callable[[], object]) -> float:
    """Processor time counts, so that other work on the machine does not."""
    work()
    started, done = time.process_time(), 0
    while (spent := time.process_time() - started) < 1.0:
        work()
        done += 1
    return done / spent


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parameters", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--corrupted", type=float, default=0.05)
    return parser.parse_args()


if __name__ == "__main__":
    main()
