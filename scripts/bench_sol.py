#!/usr/bin/env python3
"""Time of one sol: 150 glitches on three components of a real day, separated with a table of clusters made by hand.

    python3 scripts/bench_sol.py SEISMIX RECORDS [--glitches 150] [--threads 2]

RECORDS is an SDS archive with BHU, BHV and BHW of XB.ELYSE, such as shared/data/insight; day 264 of 2019 is taken. Pulses (a step
through a one-sided decay of 8 s, 4,000 to 40,000 counts, on all components) are added at windows of their own, so the truth is known.
Prints wall and CPU seconds, outcomes, and the SNR of the background inside the glitches' windows before and after. Needs numpy and obspy.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from obspy import Stream, UTCDateTime, read

SCALE = 1024


def main():
    """The whole measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("records", type=Path)
    parser.add_argument("--glitches", type=int, default=150)
    parser.add_argument("--threads", default="2")
    parser.add_argument("more", nargs="*", help="further options for separate, after --")
    options = parser.parse_args()
    rng = np.random.default_rng(264)
    work = Path(tempfile.mkdtemp(prefix="seismix-sol-"))
    pattern = "**/XB.ELYSE.02.BH{}.D.2019.264"
    traces = [read(str(next(options.records.glob(pattern.format(axis)))))[0] for axis in "UVW"]
    n = min(len(trace.data) for trace in traces)
    rate = traces[0].stats.sampling_rate
    windows = np.arange(1, n // SCALE - 1)
    chosen = np.sort(rng.choice(windows[::2], options.glitches, replace=False))
    clean, mixed = [], []
    time_axis = np.arange(600)
    shape = (time_axis / 20) * np.exp(1 - time_axis / 20) * np.exp(-time_axis / 160)
    starts = chosen * SCALE + rng.integers(150, 350, options.glitches)
    sizes = 10 ** rng.uniform(3.6, 4.6, options.glitches) * rng.choice([-1, 1], options.glitches)
    for axis, trace in enumerate(traces):
        data = trace.data[:n].astype(np.int32)
        clean.append(data.copy())
        data = data.copy()
        for at, size in zip(starts, sizes * rng.uniform(0.4, 1, options.glitches)):
            data[at : at + len(shape)] += np.round(size * shape).astype(np.int32)
        mixed.append(data)
        trace.data = data
        (work / "in").mkdir(exist_ok=True)
        Stream([trace]).write(str(work / "in" / f"{trace.id}.mseed"), format="MSEED", encoding="STEIM2", reclen=512)
    first = traces[0].stats.starttime
    stamp = lambda sample: str(UTCDateTime(first + sample / rate))
    with open(work / "clusters.csv", "w", encoding="utf-8") as table:
        print("starttime,endtime,scale,cluster,probability,p0,p1", file=table)
        for window in range(n // SCALE):
            hit = int(window in chosen)
            begin, end = window * SCALE, window * SCALE + SCALE - 1
            print(f"{stamp(begin)},{stamp(end)},{SCALE},{hit},1,{1 - hit},{hit}", file=table)
    command = [options.binary, "separate", str(work / "in"), "-c", str(work / "clusters.csv"), "--target", f"{SCALE}:1"]
    command += ["--background", f"{SCALE}:0", "--max-targets", str(options.glitches), "-o", str(work / "out")]
    began = time.monotonic()
    done = subprocess.run([*command, "--threads", options.threads, "--quiet", *options.more], check=False)
    wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"rc {done.returncode}; {wall:.1f} s wall, {used.ru_utime + used.ru_stime:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MB peak")
    told = json.loads((work / "out" / "separation.json").read_text())
    outcomes = {}
    for target in told["targets"]:
        for channel in target["channels"]:
            for window in channel["windows"]:
                outcomes[window["outcome"]] = outcomes.get(window["outcome"], 0) + 1
    print(len(told["targets"]), "stretches;", outcomes)
    before, after = [], []
    for axis, trace in zip(range(3), traces):
        files = (work / "out" / "background").rglob(f"*.{trace.stats.channel}.D.*")
        found = read(str(next(path for path in files if path.is_file())))[0].data[:n]
        for window in chosen:
            part = slice(window * SCALE, (window + 1) * SCALE)
            truth = clean[axis][part].astype(float)
            power = np.sum((truth - truth.mean()) ** 2)
            snr = lambda data: 10 * np.log10(power / max(np.sum((data[part] - truth) ** 2.0), 1e-9))
            before.append(snr(mixed[axis]))
            after.append(snr(found))
    gains = np.subtract(after, before)
    print(f"SNR of the background, median: {np.median(before):.1f} dB before, {np.median(after):.1f} dB after;", end=" ")
    print(f"gain {np.median(gains):.1f} dB, worst {gains.min():.1f}, {np.mean(gains < 0):.0%} lose")
    subprocess.run(["rm", "-r", str(work)], check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
