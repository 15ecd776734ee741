#!/usr/bin/env python3
"""The model's own route beside told windows: clusters of `seismix run` on a real day with added glitches of known shape and size.

    python3 scripts/bench_route.py SEISMIX RECORDS [--glitches 150] [--seed 0] [-o FOLDER]

RECORDS is an SDS archive with BHU, BHV and BHW of XB.ELYSE, such as shared/data/insight; day 264 of 2019 is taken. Glitches (the
instrument's response to a step in acceleration, bench_deglitch.py) of 3 to 300 times the local rms are added at least 90 s apart.
Once `seismix run` finds, clusters and separates them without being told anything, once `separate --windows` is told where they are.
Prints how many of the windows the run's targets hold, and the gain of the background's SNR inside these by both. Needs numpy, scipy and obspy.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from obspy import Stream, UTCDateTime, read
from scipy import signal

from bench_bursts import COMPONENTS, record
from bench_deglitch import AFTER, BEFORE, RATE, instruments


def mixture(options, folder):
    """Writes the record; clean and mixed `(3, n)`, the time of the first sample, onsets (s) and the largest ratio of each."""
    rng = np.random.default_rng([264, options.seed])
    traces = [read(str(next(options.records.glob(f"**/XB.ELYSE.02.BH{c}.D.2019.264"))))[0] for c in COMPONENTS]
    n = min(t.stats.npts for t in traces)
    clean = np.array([t.data[:n] for t in traces], float)
    ins = instruments(options.records.parent)
    free = np.sort(rng.permutation(np.arange(60.0, n / RATE - 120, 90.0))[: options.glitches])
    onsets = free + rng.uniform(0, 30, len(free))
    source = np.zeros_like(clean)
    ratios = []
    for onset in onsets:
        at = int(onset * RATE)
        rms = signal.detrend(clean[:, max(0, at - 1200) : at + 1200], axis=1).std(axis=1)
        direction = 0.7 * rng.normal() + 0.7 * rng.normal(size=3)
        direction /= np.abs(direction).max()
        level = 3.0 * 100.0 ** rng.uniform()
        amplitudes = direction * level * rms[np.argmax(np.abs(direction))]
        first = int((onset - 10) * RATE)
        last = min(n, first + int(120 * RATE))
        for row, a, i in zip(source, amplitudes, ins):
            row[first:last] += a * i.make(onset - first / RATE, last - first, 0.0, 0.3 * rng.choice([-1, 1]))
        ratios.append(np.abs(amplitudes) / rms)
    mixed = np.rint(clean + source)
    (folder / "in").mkdir(parents=True, exist_ok=True)
    for trace, row in zip(traces, mixed):
        trace.data = row.astype(np.int32)
        Stream([trace]).write(str(folder / "in" / f"{trace.id}.mseed"), format="MSEED", encoding="STEIM2", reclen=512)
    return clean, mixed, traces[0].stats.starttime, onsets, np.array(ratios)


def main():
    """Both routes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("records", type=Path)
    parser.add_argument("--glitches", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", default="", help="further options of `seismix run`")
    parser.add_argument("-o", "--output", type=Path, default=Path("route"))
    options = parser.parse_args()
    clean, mixed, start, onsets, ratios = mixture(options, options.output)
    n = clean.shape[1]
    with open(options.output / "windows.csv", "w", encoding="utf-8") as out:
        print("starttime,endtime", file=out)
        for onset in onsets:
            print(f"{start + onset - BEFORE},{start + onset + AFTER}", file=out)
    run, told = options.output / "run", options.output / "told"
    common = ["--quiet", "--max-targets", "1000"]
    subprocess.run([options.binary, "run", str(options.output / "in"), "-o", str(run), *common, *options.more.split()],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([options.binary, "separate", str(options.output / "in"), "--windows", str(options.output / "windows.csv"), "-o", str(told),
                    "--fresh", *common], check=True, stdout=subprocess.DEVNULL)
    report = json.loads((run / "separated" / "separation.json").read_text())
    spans = [((UTCDateTime(ns=t["start_ns"]) - start) * RATE, (UTCDateTime(ns=t["end_ns"]) - start) * RATE) for t in report["targets"]]
    found = {name: np.array([record(folder / "source", c, (start, n))[0] for c in COMPONENTS])
             for name, folder in (("run", run / "separated"), ("told", told))}
    rows = []
    for onset, ratio in zip(onsets, ratios):
        at = round(onset * RATE)
        part = slice(at - round(BEFORE * RATE), at + round(AFTER * RATE))
        held = any(a <= at and at + 10 * RATE <= b for a, b in spans)
        for c in range(3):
            truth = mixed[c, part] - clean[c, part]
            gains = [10 * np.log10((np.sum(truth**2) + 1e-9) / (np.sum((found[name][c, part] - truth) ** 2) + 1e-9)) for name in ("run", "told")]
            rows.append((held, ratio[c], *gains))
    rows = np.array(rows, float)
    print(f"target {report.get('target', '')}: {len(spans)} stretches, {sum(b - a for a, b in spans) / n:.0%} of the day; "
          f"{np.mean(rows[::3, 0]):.0%} of {len(onsets)} glitches are in them, {np.mean(rows[::3, 0][ratios.max(1) > 10]):.0%} of those above 10x")
    print("| ratio | in targets | gain by the run | by told windows | median difference |\n|---|---|---|---|---|")
    for low, high in ((1, 3), (3, 10), (10, 30), (30, 100), (100, 1e9), (1, 1e9)):
        chosen = rows[(rows[:, 1] >= low) & (rows[:, 1] < high)]
        held = chosen[chosen[:, 0] == 1]
        if len(held):
            tenth = lambda k: f"{np.median(held[:, k]):.1f} ({np.percentile(held[:, k], 10):.1f})"
            print(f"| {low}-{high:g} | {len(held)} of {len(chosen)} | {tenth(2)} | {tenth(3)} | {np.median(held[:, 2] - held[:, 3]):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
