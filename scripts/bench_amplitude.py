#!/usr/bin/env python3
"""What `--amplitude` changes: agreement with the demo's sources, and clusters by the hour of a real record.

    python3 scripts/bench_amplitude.py SEISMIX [--demo RUN]... [--records ARCHIVE] [--weights 0,0.5,1] [-- TRAIN OPTIONS]

RUN: a folder that `seismix demo` wrote; its features are trained on again with each weight. Adjusted Rand index of the largest scale with
the kind of background (windows with three quarters of one kind), of the middle scales with bursts, and F1 of windows that hold a
pulse's peak of 3 times the background or more, by the best union of finest clusters. ARCHIVE: records; for each scale the
information, in bits, that the hour of the UTC day gives about the cluster, and the cluster's share in the hour where it is most frequent.
Needs numpy.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def seismix(binary, *arguments):
    """Runs a command."""
    subprocess.run([binary, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def read_clusters(path):
    """By scale: start, end (datetime64), cluster."""
    found = {}
    with open(path, encoding="utf-8") as table:
        for row in csv.DictReader(table):
            times = [np.datetime64(row[name].rstrip("Z")) for name in ("starttime", "endtime")]
            found.setdefault(int(row["scale"]), []).append((*times, int(row["cluster"])))
    return {scale: [np.array(column) for column in zip(*rows)] for scale, rows in sorted(found.items())}


def rand(a, b):
    """Adjusted Rand index."""
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    pairs = lambda n: (n * (n - 1) / 2).sum()
    both, left, right, all_pairs = pairs(table), pairs(table.sum(1)), pairs(table.sum(0)), pairs(np.array([len(a)]))
    expected = left * right / all_pairs
    return (both - expected) / max((left + right) / 2 - expected, 1e-12)


def shares(starts, ends, intervals):
    """Share of each window in each class of the intervals."""
    classes = sorted({name for name, _, _ in intervals})
    found = np.zeros((len(starts), len(classes)))
    for name, begin, end in intervals:
        overlap = (np.minimum(ends, end) - np.maximum(starts, begin)) / np.timedelta64(1, "ns")
        found[:, classes.index(name)] += np.clip(overlap, 0, None)
    return found / ((ends - starts) / np.timedelta64(1, "ns"))[:, None]


def demo_scores(run, clusters):
    """ARI at each scale above the finest, and F1 at the finest."""
    intervals = {"background": [], "burst": []}
    with open(run / "truth" / "states.csv", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            times = [np.datetime64(row[name].rstrip("Z")) for name in ("starttime", "endtime")]
            intervals["background" if row["source"] == "background" else "burst"].append((row["class"], *times))
    with open(run / "truth" / "pulses.csv", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if float(row["local_ratio"]) >= 3]
    peaks = np.sort(np.array([np.datetime64(row["peak"].rstrip("Z")) for row in rows]))
    told = []
    for number, (scale, (starts, ends, labels)) in enumerate(reversed(clusters.items())):
        if number + 1 == len(clusters):
            holds = np.searchsorted(peaks, ends) > np.searchsorted(peaks, starts)
            counts = [(holds[labels == k].mean(), k) for k in np.unique(labels)]
            best, chosen = 0, np.zeros(len(labels), bool)
            for _, k in sorted(counts, reverse=True):
                chosen |= labels == k
                best = max(best, 2 * (chosen & holds).sum() / (chosen.sum() + holds.sum()))
            told.append(f"{scale}: F1 {best:.2f}")
            continue
        part = shares(starts, ends, intervals["background" if number == 0 else "burst"])
        if number:
            part = np.column_stack([1 - part.sum(1), part])
        sure = part.max(1) >= 0.75
        told.append(f"{scale}: ARI {rand(labels[sure], part.argmax(1)[sure]):.2f}")
    return ", ".join(told)


def hours(clusters):
    """Bits that the hour tells of the cluster, and the largest share of a cluster in any hour, by scale."""
    told = []
    for scale, (starts, ends, labels) in reversed(clusters.items()):
        middle = starts + (ends - starts) / 2
        hour = ((middle - middle.astype("datetime64[D]")) / np.timedelta64(1, "h")).astype(int)
        table = np.zeros((labels.max() + 1, 24))
        np.add.at(table, (labels, hour), 1)
        joint = table / table.sum()
        independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
        bits = (joint[joint > 0] * np.log2(joint[joint > 0] / independent[joint > 0])).sum()
        told.append(f"{scale}: {bits:.2f} bits")
        print(f"    {scale}, windows of each cluster by hour of the UTC day:")
        for k, row in enumerate(table.astype(int)):
            print(f"      {k}:", " ".join(f"{n:4d}" for n in row))
    return ", ".join(told)


def main():
    """Everything asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--demo", type=Path, action="append", default=[])
    parser.add_argument("--records", type=Path)
    parser.add_argument("--weights", default="0,0.5,1")
    parser.add_argument("more", nargs="*", help="options for train, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seismix-amplitude-") as folder:
        work = Path(folder)
        cases = [(run.name, run / "features", run) for run in options.demo]
        if options.records:
            seismix(options.binary, "features", options.records, "-o", work / "features")
            cases.append((options.records.name, work / "features", None))
        for name, features, run in cases:
            for weight in options.weights.split(","):
                model, table = work / "model", work / "clusters.csv"
                seismix(options.binary, "train", features, "-o", model, "--amplitude", weight, "--fresh", *options.more)
                seismix(options.binary, "cluster", features, "-m", model, "-o", table)
                clusters = read_clusters(table)
                told = demo_scores(run, clusters) if run else hours(clusters)
                print(f"{name}, weight {weight}: {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
