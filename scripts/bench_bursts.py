#!/usr/bin/env python3
"""Bursts of 10 to 30 minutes in the demo's record, whose truth is known, as one method after the other takes them out.

    python3 scripts/bench_bursts.py SEISMIX RUN [--methods local,wiener,scattering] [-o FOLDER]

RUN is a folder that `seismix demo -o RUN` wrote. Its background and bursts make the record (its pulses do not: they are taken out first, by
another method; `--pulses` leaves them in). The bursts' times are told (`--windows`), nothing else is. A row a method: SNR of the background
inside the bursts' windows, in and out, dB, how it was expected, how many samples lie inside the band of 90 %, and the seam: the power
of the error's second differences within 8 samples of the places where pieces begin or end, over that elsewhere in the window (median; 1: none
shows). Needs NumPy and ObsPy.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from obspy import Stream, Trace, UTCDateTime, read

COMPONENTS = "UVW"


def record(folder, component, span=None):
    """One component of a tree as one array, and the time of its first sample; over `span` = (start, n), zeros where it has none."""
    files = sorted(path for path in Path(folder).rglob(f"*.BH{component}.D.*") if path.is_file())
    stream = sum((read(str(path)) for path in files[1:]), read(str(files[0])))
    start, n = span or (min(t.stats.starttime for t in stream), None)
    rate = stream[0].stats.sampling_rate
    if n is None:
        n = round((max(t.stats.endtime for t in stream) - start) * rate) + 1
    out = np.zeros(n)
    for trace in stream:
        at = round((trace.stats.starttime - start) * rate)
        a, b = max(at, 0), min(n, at + trace.stats.npts)
        out[a:b] = trace.data[a - at : b - at]
    return out, start, rate


def db(a, b):
    """Ratio of two energies."""
    return 10 * np.log10((np.sum(a**2) + 1e-9) / (np.sum(b**2) + 1e-9))


def main():
    """A row a method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("run", type=Path)
    parser.add_argument("--methods", default="local,wiener,scattering")
    parser.add_argument("--pulses", action="store_true", help="leave the demo's pulses in the record")
    parser.add_argument("--more", default="", help="further options of `seismix separate`")
    parser.add_argument("-o", "--output", type=Path, default=Path("bursts"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    bursts = [r for r in csv.DictReader(open(options.run / "truth/states.csv", encoding="utf-8")) if r["source"] == "burst"]
    table = options.output / "bursts.csv"
    with open(table, "w", encoding="utf-8") as out:
        print("starttime,endtime", file=out)
        for burst in bursts:
            print(f"{burst['starttime']},{burst['endtime']}", file=out)
    x, truth = {}, {}
    for c in COMPONENTS:
        x[c], start, rate = record(options.run / "archive", c)
        truth[c], _, _ = record(options.run / "truth/bursts", c, (start, len(x[c])))
        if not options.pulses:
            x[c] = truth[c] + record(options.run / "truth/background", c, (start, len(x[c])))[0]
            header = {"network": "XX", "station": "DEMO", "location": "00", "channel": f"BH{c}", "starttime": start, "sampling_rate": rate}
            trace = Trace(np.rint(x[c]).astype(np.int32), header)
            (options.output / "in").mkdir(exist_ok=True)
            Stream([trace]).write(str(options.output / "in" / f"{trace.id}.mseed"), format="MSEED", encoding="STEIM2")
    records = options.run / "archive" if options.pulses else options.output / "in"
    parts = [(round((UTCDateTime(b["starttime"]) - start) * rate), round((UTCDateTime(b["endtime"]) - start) * rate) + 1) for b in bursts]
    print("| method | SNR in | out | gain, median (10th percentile, worst) | steady | modulated | left | expected less reached, within 3 dB"
          " | in the band | seam | changed outside | s |\n" + "|---" * 12 + "|")
    for method in options.methods.split(","):
        folder = options.output / method
        began = time.monotonic()
        command = [options.binary, "separate", str(records), "--windows", str(table), "-o", str(folder), "--method", method,
                   "--max-targets", "1000", "--quiet", "--fresh", *options.more.split()]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        told = json.loads((folder / "separation.json").read_text())
        expected, borders = {}, {}
        for target in told["targets"]:
            at = UTCDateTime(ns=target["start_ns"]) if "start_ns" in target else UTCDateTime(target["starttime"])
            own = round((at - start) * rate)
            n, length = round((target["end_ns"] - target["start_ns"]) / 1e9 * rate) + 1, target["snippet_samples"]
            for channel in target["channels"]:
                firsts = [round((UTCDateTime(w["starttime"]) - start) * rate) for w in channel["windows"]]
                if len(firsts) == 1:  # cut by the method, into pieces that share half
                    count = -(-max(0, n + length // 4 - length) // (length // 2)) or 1
                    firsts = [firsts[0] + k * (n + length // 4 - length) // count for k in range(count + 1)]
                borders[own] = firsts + [f + length for f in firsts]
                for window in channel["windows"]:
                    value = window.get("expected_snr_db")
                    if value is not None:
                        expected[round((at - start) * rate), channel.get("id", channel.get("channel"))[-1]] = value
        before, after, kinds, missed, covered, left, seams, outside = [], [], [], [], [], 0, [], 0
        for c in COMPONENTS:
            found, _, _ = record(folder / "source", c, (start, len(x[c])))
            deviation = None
            if (folder / "deviation").exists():
                deviation, _, _ = record(folder / "deviation", c, (start, len(x[c])))
            inside = np.zeros(len(found), bool)
            error = found - truth[c]
            bend = np.zeros(len(error))
            bend[1:-1] = np.diff(error, 2) ** 2
            for (a, b), burst in zip(parts, bursts):
                inside[a - 1 : b + 1] = True
                background = (x[c] - truth[c])[a:b]
                background = background - background.mean()
                before.append(db(background, truth[c][a:b]))
                after.append(db(background, error[a:b]))
                kinds.append(burst["class"])
                left += not np.any(found[a:b])
                for key, value in expected.items():
                    if key[1] == c and abs(key[0] - a) < 40:
                        missed.append(value - after[-1])
                if deviation is not None and np.any(found[a:b]):
                    covered.append(np.mean(np.abs(error[a:b]) <= 1.645 * deviation[a:b] + 0.5))
                near = np.zeros(b - a, bool)
                for border in borders.get(a, []):
                    near[max(0, border - 8 - a) : max(0, border + 8 - a)] = True
                near[:8] = near[-8:] = False
                if near.any():
                    seams.append(bend[a:b][near].mean() / np.median([bend[a:b][~near][i : i + 16].mean() for i in range(0, (~near).sum() - 16, 16)]))
            outside += np.count_nonzero(found[~inside])
        gains = np.subtract(after, before)
        of = lambda kind: f"{np.median(gains[np.array(kinds) == kind]):.1f}"
        promise = f"{np.mean(missed):.1f}, {np.mean(np.abs(missed) < 3):.0%}" if missed else "not told"
        band = f"{np.mean(covered):.0%}" if covered else "not told"
        print(f"| {method} | {np.median(before):.1f} | {np.median(after):.1f} | {np.median(gains):.1f} ({np.percentile(gains, 10):.1f}, {gains.min():.1f}) | "
              f"{of('steady')} | {of('modulated')} | {left} of {len(gains)} | {promise} | {band} | {np.median(seams):.2f} | {outside} | {seconds:.0f} |",
              flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
