"""Glitches found and removed by `seismix deglitch`, told nothing, beside `seismix separate` with the windows told.

    python scripts/bench_blind.py target/release/seismix --data ../shared/data --seeds 2,3 -o /tmp/blind

The cases are those of bench_deglitch.py: known sources added to stretches of real days. Needs numpy, scipy, pandas and
ObsPy. Prints for each case the gain of the background by size of the source (median and 10th percentile, dB), the recall by
size, and the share of removals that are no source:

- strict: every removal without an added source near its onset is false (3 s, 10 s for real glitches);
- listed: removals near an entry of data/background_finds.csv are real glitches of the background. The list is the finds
  of score 60 or more in the untouched days, frozen on 2026-12-01 before this benchmark was first run.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import obspy
import pandas as pd
from scipy import signal

import bench_deglitch as told

BINS = ((0, 1), (1, 3), (3, 10), (10, 30), (30, 100), (100, np.inf))
#: Largest distance of an onset from a true one, s: real glitches are cut by a band-passed threshold, which comes before
#: the onset.
NEAR = {"model": 3.0, "real": 10.0}
LIST = Path(__file__).parent / "data/background_finds.csv"


def blind(case, binary, folder, arguments):
    """Runs the command; returns the removed samples by stretch, the table, and the seconds it took."""
    out = folder / "blind"
    began = time.time()
    command = [str(binary), "deglitch", str(folder / "records.mseed"), "-o", str(out), "--quiet", "--fresh", "--no-bundled"]
    subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - began
    stream = obspy.read(str(out / "source/records.mseed"))
    arrays = []
    for record, start in zip(case.records, case.starts):
        rows = np.zeros_like(record)
        for c, component in enumerate(told.COMPONENTS):
            for trace in stream.select(channel=f"BH{component}"):
                at = int(round((trace.stats.starttime - start) * told.RATE))
                a, b = max(0, at), min(record.shape[1], at + trace.stats.npts)
                if a < b:
                    rows[c, a:b] = trace.data[a - at : b - at]
        arrays.append(rows)
    return arrays, pd.read_csv(out / "glitches.csv"), seconds


def true_onsets(case):
    """Time in s since 1970 and size of each added source: its largest peak over the local deviation."""
    found = []
    for index, _, _, _, glitches in case.windows:
        background, _ = case.truth[index]
        for glitch in glitches:
            at = int(glitch["onset"] * told.RATE)
            rms = signal.detrend(background[:, max(0, at - 1200) : at + 1200], axis=1).std(axis=1)
            size = (np.abs(glitch["wave"]).max(axis=1) / rms).max()
            found.append((case.starts[index].timestamp + glitch["onset"], size))
    return np.array(found)


def detection(case, table, listed):
    """Counts: found and all by size; removals, false ones by the strict and by the listed reading."""
    truth = true_onsets(case)
    removed = table[table.removed]
    onsets = pd.to_datetime(removed.onset).dt.tz_localize(None).to_numpy("datetime64[ns]").astype("int64") / 1e9
    distance = np.abs(onsets[:, None] - truth[None, :, 0]) if len(onsets) else np.zeros((0, len(truth)))
    near = NEAR[case.name.split("-")[0]]
    hit = distance <= near
    false = ~hit.any(axis=1)
    known = np.abs(onsets[:, None] - listed[None, :]).min(axis=1) <= NEAR["model"] if len(onsets) else false
    counts = {"removed": len(onsets), "strict": int(false.sum()), "listed": int((false & ~known).sum())}
    for low, high in BINS:
        inside = (truth[:, 1] >= low) & (truth[:, 1] < high)
        counts[f"{low}-{high}"] = (int(hit.any(axis=0)[inside].sum()) if len(onsets) else 0, int(inside.sum()))
    return counts


def add(total, counts):
    """Adds counts, also those that are pairs."""
    for key, value in counts.items():
        before = total.get(key, (0, 0) if isinstance(value, tuple) else 0)
        total[key] = tuple(np.add(before, value).tolist()) if isinstance(value, tuple) else before + value


def show(name, rows, counts):
    """Lines of a case."""
    for kind, of_kind in rows.items():
        told.show(kind, told.summary(of_kind))
    recall = ", ".join(f"{key}x {a}/{b}" for key, (a, b) in ((k, v) for k, v in counts.items() if isinstance(v, tuple)))
    n = max(counts["removed"], 1)
    print(f"{name}: recall {recall}; {counts['removed']} removed, not added {counts['strict'] / n:.1%} strict, "
          f"{counts['listed'] / n:.1%} beside the list")


def main():
    """Runs the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", default="2,3")
    parser.add_argument("--cases", default=",".join(told.CASES))
    parser.add_argument("--extra", default="", help="further arguments of `seismix deglitch`")
    parser.add_argument("--no-told", action="store_true", help="leave out the separation with told windows")
    parser.add_argument("-o", "--output", type=Path, default=Path("blind"))
    options = parser.parse_args()
    if not (options.data / "insight").exists():
        print(f"skipped: {options.data} is absent")
        return 0
    listed = pd.to_datetime(pd.read_csv(LIST).onset).dt.tz_localize(None).to_numpy("datetime64[ns]").astype("int64") / 1e9
    results = {}
    for name in options.cases.split(","):
        rows, counts = {}, {}
        for seed in map(int, options.seeds.split(",")):
            case = told.Case(name, options.data, seed, *told.CASES[name])
            folder = options.output / f"{name}-{seed}"
            case.write(folder)
            found, table, seconds = blind(case, options.binary, folder, options.extra.split())
            print(f"# {name} seed {seed}: {seconds:.0f} s", flush=True)
            rows.setdefault("blind", []).extend(told.scores(case, found))
            add(counts, detection(case, table, listed))
            if not options.no_told:
                found, deviation, expected, _ = told.ours(case, options.binary, folder, [])
                rows.setdefault("told", []).extend(told.scores(case, found, deviation, expected))
        print(f"\n## {name}, seeds {options.seeds}")
        show(name, rows, counts)
        sys.stdout.flush()
        results[name] = {"counts": counts, **{kind: told.summary(of_kind) for kind, of_kind in rows.items()}}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.json").write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
