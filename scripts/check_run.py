#!/usr/bin/env python3
"""Checks a finished run against its inputs, with readers that share no code with seismix.

    python3 scripts/check_run.py RUN INPUT... [--json]

RUN is the folder of `seismix run`, INPUT the files or folders it read (miniSEED 2). Needs numpy, obspy and h5py.

It checks that
- the feature files open in h5py with the data sets and attributes of the format, and every gap-free window of
  every day is there, counted from the record headers: a record continues the one before if its start is within half
  a sample of that one's end; full-scale samples and samples that are not finite end a stretch;
- clusters.csv has a row for each of these windows and scale, with probabilities that add up to 1;
- the separated records open in ObsPy with the ids, start times and sample counts of the input, background + source
  is the input exactly (integers) or to the last bit (floats), and nothing differs outside the targets;
- the report is one page that loads nothing from elsewhere.

Prints a line a check and ends with 1 if any failed.
"""

import argparse
import csv
import json
import re
import struct
import sys
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path

import h5py
import numpy as np
import obspy

DAY = 86_400_000_000_000
FULL_SCALE = (8_388_607, 2_147_483_647)
OUTCOMES = []


def check(name, good, told):
    """Notes one check; `told` says what was found."""
    OUTCOMES.append({"check": name, "ok": bool(good), "found": told})


def files_of(paths):
    """Files below paths that hold miniSEED."""
    for path in map(Path, paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not file.name.startswith(".") and file.stat().st_size >= 64:
                with open(file, "rb") as stream:
                    head = stream.read(8)
                if head[:6].strip().isdigit() and head[6:7] in b"DRQM":
                    yield file


def records(path):
    """Headers of a miniSEED 2 file: (id, start in ns, samples, rate), record by record."""
    data = path.read_bytes()
    at = 0
    while at + 48 <= len(data):
        station, location, channel, network = (
            data[at + a : at + b].decode().strip() for a, b in ((8, 13), (13, 15), (15, 18), (18, 20))
        )
        order = ">" if 1900 <= struct.unpack_from(">H", data, at + 20)[0] <= 2100 else "<"
        year, day, hour, minute, second, _, ticks = struct.unpack_from(order + "HHBBBBH", data, at + 20)
        npts, factor, multiplier = struct.unpack_from(order + "Hhh", data, at + 30)
        flags = data[at + 36]
        (correction,) = struct.unpack_from(order + "i", data, at + 40)
        midnight = int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) + (day - 1) * 86_400
        start = (midnight + hour * 3600 + minute * 60 + second) * 10**9 + ticks * 100_000
        if not flags & 2:
            start += correction * 100_000
        length = 4096
        (next_blockette,) = struct.unpack_from(order + "H", data, at + 46)
        while next_blockette:
            kind, after = struct.unpack_from(order + "HH", data, at + next_blockette)
            if kind == 1000:
                length = 1 << data[at + next_blockette + 6]
            elif kind == 1001:
                start += 1000 * struct.unpack_from("b", data, at + next_blockette + 5)[0]
            next_blockette = after
        rate = (factor if factor > 0 else -1 / factor) * (multiplier if multiplier > 0 else -1 / multiplier)
        if npts:
            yield f"{network}.{station}.{location}.{channel}", start, npts, rate
        at += length


class Stream:
    """All samples of one id, in order of time, with the time of each by its own record."""

    def __init__(self):
        self.pieces = []
        self.rate = None

    def finish(self):
        """Sorts and joins what was added."""
        self.pieces.sort(key=lambda piece: piece[0][0])
        self.times = np.concatenate([times for times, _, _ in self.pieces])
        self.samples = np.concatenate([samples for _, samples, _ in self.pieces])
        # Where records overlap, the earlier counts.
        latest = np.maximum.accumulate(np.concatenate([[np.iinfo(np.int64).min // 2], self.times[:-1]]))
        self.first_copy = self.times > latest + np.int64(0.5e9 / self.rate)
        self.traces = sorted(trace for _, _, traces in self.pieces for trace in traces)


def read_streams(paths):
    """Streams by id."""
    streams = defaultdict(Stream)
    for file in files_of(paths):
        times = defaultdict(list)
        for name, start, npts, rate in records(file):
            times[name].append(start + np.rint(np.arange(npts) * (1e9 / rate)).astype(np.int64))
            streams[name].rate = rate
        by_id = defaultdict(list)
        for trace in obspy.read(str(file), format="MSEED"):
            by_id[trace.id].append(trace)
        for name, traces in by_id.items():
            samples = np.concatenate([trace.data for trace in traces])
            starts = [(trace.stats.starttime.ns, trace.stats.npts) for trace in traces]
            streams[name].pieces.append((np.concatenate(times[name]), samples, starts))
    for stream in streams.values():
        stream.finish()
    return dict(streams)


def stretches(streams):
    """Gap-free stretches that all channels of a station have in common, as arrays of times."""
    half = 0.5e9 / streams[0].rate
    common = streams[0].times[streams[0].first_copy]
    good = np.ones(common.size, bool)
    for stream in streams:
        times, samples = stream.times[stream.first_copy], stream.samples[stream.first_copy]
        usable = np.isfinite(samples) & ~np.isin(np.abs(samples.astype(float)), FULL_SCALE)
        place = np.searchsorted(times, common - half)
        inside = place < times.size
        place = np.minimum(place, times.size - 1)
        good &= inside & (np.abs(times[place] - common) <= half) & usable[place]
    index = np.flatnonzero(good)
    if index.size == 0:
        return []
    step = np.diff(common[index])
    breaks = np.flatnonzero((np.diff(index) > 1) | (np.abs(step - 2 * half) > half))
    return np.split(common[index], breaks + 1)


def expected_windows(parts, day_start, scale, stride):
    """Windows of `scale` samples that end on a day, stretch by stretch: every `stride` samples from the day's first on."""
    counts = []
    for times in parts:
        first, last = np.searchsorted(times, [day_start, day_start + DAY])
        if last > first:
            ends = np.arange((first + scale) % stride, last + 1, stride)
            counts.append(int(np.count_nonzero((ends > first) & (ends >= scale))))
    return [count for count in counts if count]


def check_features(run, streams):
    """Feature files against the records; the number of windows in all of them."""
    stations = defaultdict(list)
    for name in sorted(streams):
        stations[name[:-1]].append(streams[name])
    parts = {}
    total = 0
    for file in sorted((run / "features").glob("*.h5")):
        with h5py.File(file) as h5:
            attributes = dict(h5.attrs)
            scales = [int(scale) for scale in attributes["scales"]]
            block, stride = int(attributes["block_samples"]), int(attributes["stride_samples"])
            coefficients = h5[f"coefficients/{block}"]
            times, segments = h5["time"][:], h5["segment"][:]
            values = coefficients[:]
            index = {name: h5[f"index/{name}"][:] for name in ("kind", "j1_left", "j1_right", "j2", "real")}
            layout = (
                coefficients.dtype == np.float32
                and coefficients.shape[0] == times.size == segments.size
                and coefficients.shape[1] == len(attributes["channels"])
                and coefficients.shape[2] == len(index["kind"])
                and coefficients.shape[3] == 2
                and times.dtype == np.int64
                and coefficients.chunks is not None
                and coefficients.compression is not None
                and {"provenance", "sampling_rate", "network", "station"} <= set(attributes)
            )
        check(f"{file.name}: layout", layout, f"{values.shape} {values.dtype}")
        check(f"{file.name}: values are finite", np.isfinite(values).all(), f"{values.size} values")
        real = index["real"].astype(bool)
        check(f"{file.name}: real rows have no imaginary part", not values[:, :, real, 1].any(), f"{real.sum()} rows")
        found = [(int(np.count_nonzero(segments == s)) * block - scales[-1]) // stride + 1 for s in np.unique(segments)]
        station = ".".join(attributes[key] for key in ("network", "station", "location"))
        key = f"{station}.{attributes['channels'][0][:-1]}"
        if key not in parts:
            parts[key] = stretches(stations[key])
        day = int(datetime.fromisoformat(str(attributes["day"])).replace(tzinfo=timezone.utc).timestamp()) * 10**9
        wanted = expected_windows(parts[key], day, scales[-1], stride)
        check(f"{file.name}: windows of each gap-free stretch", found == wanted, f"{found}, expected {wanted}")
        total += sum(found)
    return total


def check_clusters(run, n_windows):
    """The cluster table."""
    rows = defaultdict(int)
    worst, wrong = 0.0, 0
    with open(run / "clusters.csv", newline="") as stream:
        for row in csv.DictReader(stream):
            p = np.array([float(value) for name, value in row.items() if re.fullmatch(r"p\d+", name)])
            rows[int(row["scale"])] += 1
            worst = max(worst, abs(p.sum() - 1))
            wrong += int(row["cluster"]) != p.argmax() or abs(float(row["probability"]) - p.max()) > 1e-6
    check("clusters.csv: a row a window and scale", set(rows.values()) == {n_windows}, f"{dict(rows)}, {n_windows} windows")
    check("clusters.csv: probabilities add up to 1", worst < 1e-4, f"{worst:.1e} off at most")
    check("clusters.csv: the cluster is the most probable", wrong == 0, f"{wrong} rows are not")


def check_separated(run, streams):
    """The separated records against the input."""
    folder = run / "separated"
    separation = json.loads((folder / "separation.json").read_text())
    background, source = (read_streams([folder / kind]) for kind in ("background", "source"))
    same = set(streams) == set(background) == set(source)
    check("separated: ids", same, f"{len(streams)} in, {len(background)} and {len(source)} out")
    changed_samples = 0
    for name, stream in sorted(streams.items()):
        if name not in background or name not in source:
            continue
        b, s = background[name], source[name]
        traces = stream.traces == b.traces == s.traces
        check(
            f"{name}: start times and sample counts in ObsPy",
            traces,
            f"{len(stream.traces)} traces, {stream.samples.size} samples; "
            f"out {len(b.traces)}, {b.samples.size} and {len(s.traces)}, {s.samples.size}",
        )
        if not stream.samples.size == b.samples.size == s.samples.size:
            continue
        check(f"{name}: sample times", np.array_equal(stream.times, b.times), f"{np.abs(stream.times - b.times).max()} ns off")
        if stream.samples.dtype.kind == "i":
            total = b.samples.astype(np.int64) + s.samples
            off = int(np.count_nonzero(total != stream.samples))
            check(f"{name}: background + source == input", off == 0, f"{off} samples differ")
        else:
            good = np.isfinite(stream.samples)
            total = (b.samples + s.samples)[good]
            limit = np.spacing(np.maximum(np.abs(b.samples), np.abs(s.samples)))[good]
            off = int(np.count_nonzero(np.abs(total - stream.samples[good]) > limit))
            check(f"{name}: background + source is the input to the last bit", off == 0, f"{off} samples differ")
        view = f"u{stream.samples.dtype.itemsize}"
        changed = (stream.samples.view(view) != b.samples.view(view)) | (s.samples != 0)
        half = 0.5e9 / stream.rate
        inside = np.zeros(stream.samples.size, bool)
        for target in separation["targets"]:
            if target["id"] == name[: len(target["id"])]:
                inside |= (stream.times >= target["start_ns"] - half) & (stream.times <= target["end_ns"] + half)
        outside = int(np.count_nonzero(changed & ~inside))
        check(f"{name}: outside the targets bit-identical", outside == 0, f"{outside} samples differ")
        changed_samples += int(np.count_nonzero(changed & inside))
    targets = separation["targets"]
    channels = [channel for target in targets for channel in target["channels"]]
    separated = [channel for channel in channels if channel["outcome"] == "Separated" or channel["outcome"] == "separated"]
    left = sum(target["left"] is not None for target in targets)
    check(
        "separation.json: every target ended",
        all(target["channels"] or target["left"] for target in targets),
        f"{len(targets)} targets, {len(separated)} of {len(channels)} channels separated, {left} left for a reason; "
        f"{changed_samples} samples changed",
    )


def check_report(run):
    """The page loads nothing."""
    page = (run / "report.html").read_text()
    loads = re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//[^"']+|@import[^;]+|url\(\s*["']?https?:[^)]*""", page)
    check("report.html: loads nothing from elsewhere", not loads, f"{len(page) / 1e6:.1f} MB, {len(loads)} references")


def main():
    """Runs all checks."""
    parser = argparse.ArgumentParser(description="Checks a finished run against its inputs.")
    parser.add_argument("run", type=Path)
    parser.add_argument("inputs", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args()
    streams = read_streams(options.inputs)
    check_clusters(options.run, check_features(options.run, streams))
    check_separated(options.run, streams)
    check_report(options.run)
    for outcome in OUTCOMES:
        line = json.dumps(outcome) if options.json else f"{'ok  ' if outcome['ok'] else 'FAIL'} {outcome['check']}: {outcome['found']}"
        print(line)
    failed = sum(not outcome["ok"] for outcome in OUTCOMES)
    print(f"{len(OUTCOMES) - failed} of {len(OUTCOMES)} checks passed", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
