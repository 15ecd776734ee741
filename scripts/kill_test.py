#!/usr/bin/env python3
"""Kills `seismix run` at random moments of each stage and checks that the same command ends with the same bytes.

    python3 scripts/kill_test.py SEISMIX [--rounds 3] [--seed 1] [--keep FOLDER]

SEISMIX is the binary. Takes one to three minutes on two cores. Needs numpy, obspy and h5py.

A small synthetic archive (one station, three channels, three days) goes through an undisturbed run. Then, for each
stage and round, a run into a new folder is killed (SIGKILL) at a random moment of that stage, the same command is run
again to its end, and the data sets and attributes of the feature files, the model, clusters.csv, the separated records,
separation.json and the report are compared byte for byte with the undisturbed run's; no unfinished file may stay. At last one folder
takes many kills in a row, and runs with other numbers of threads are compared as well. Ends with 1 if anything differs.
"""

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from obspy import Stream, Trace, UTCDateTime

OPTIONS = "--scales 64,256,1024 --octaves 4 --epochs 12 --max-targets 24 --max-iter 30".split()
DAYS, SAMPLES, RATE = 3, 40_000, 20.0


def make_archive(folder):
    """Coloured noise with pulses."""
    rng = np.random.default_rng(7)
    for day in range(DAYS):
        pulses = rng.integers(500, SAMPLES - 500, 40)
        for channel in ("BHU", "BHV", "BHW"):
            noise = rng.normal(size=SAMPLES)
            for i in range(1, SAMPLES):
                noise[i] += 0.9 * noise[i - 1]
            for at in pulses:
                noise[at : at + 120] += 60 * rng.uniform(0.5, 2) * np.exp(-np.arange(120) / 20)
            trace = Trace((noise * 20).astype(np.int32))
            trace.stats.update(
                {"network": "XX", "station": "KILL", "location": "00", "channel": channel, "sampling_rate": RATE}
            )
            trace.stats.starttime = UTCDateTime(2020, 1, 2 + day)
            Stream([trace]).write(str(folder / f"{channel}.{day}.mseed"), format="MSEED")


def contents(run):
    """What must be the same: a hash for each file; of HDF5 files, of what is in them."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if not path.is_file() or ".seismix" in path.parts:
            continue
        digest = hashlib.sha256()
        if path.suffix == ".h5":
            with h5py.File(path) as h5:
                add = lambda item: digest.update(
                    repr(item.name).encode()
                    + (item[()].tobytes() if isinstance(item, h5py.Dataset) and item.dtype.kind != "O" else b"")
                    + (repr(list(item[()])).encode() if isinstance(item, h5py.Dataset) and item.dtype.kind == "O" else b"")
                    + repr(sorted((key, str(value)) for key, value in item.attrs.items())).encode()
                )
                add(h5)
                h5.visititems(lambda _, item: add(item))
        else:
            digest.update(path.read_bytes())
        found[name] = digest.hexdigest()
    return found


def stage(run):
    """The stage that a run is in, by the files it has made."""
    separated = run / "separated"
    if (separated / "separation.json").exists():
        return "report"
    if (separated / "background").exists():
        return "records"
    if (run / "transients.json").exists():
        return "separate"
    if (run / "model.safetensors").exists():
        return "cluster"
    if len(list((run / "features").glob("*.h5"))) == DAYS:
        return "train"
    return "features"


class Tester:
    """Runs the binary on one archive."""

    def __init__(self, binary, work):
        self.binary, self.work = binary, work
        self.records = work / "archive"
        self.records.mkdir()
        make_archive(self.records)

    def command(self, run, *more):
        """The command line."""
        return [self.binary, "run", str(self.records), "-o", str(run), "--quiet", *OPTIONS, *more]

    def finish(self, run, *more):
        """Runs to the end; what it made."""
        subprocess.run(self.command(run, *more), check=True, stdout=subprocess.DEVNULL)
        return contents(run)

    def timeline(self, run):
        """Runs to the end and notes when each stage began, in seconds."""
        began = time.monotonic()
        process = subprocess.Popen(self.command(run), stdout=subprocess.DEVNULL)
        times = {}
        while process.poll() is None:
            times.setdefault(stage(run), time.monotonic() - began)
            time.sleep(0.005)
        if process.returncode:
            sys.exit(f"the undisturbed run ended with {process.returncode}")
        return times, time.monotonic() - began

    def kill(self, run, where, delay):
        """Kills a run `delay` seconds after a stage began; the stage it was in."""
        process = subprocess.Popen(self.command(run), stdout=subprocess.DEVNULL)
        while process.poll() is None and where is not None and stage(run) != where:
            time.sleep(0.002)
        try:
            process.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            pass
        last = stage(run)
        process.kill()
        return last, process.wait() != 0


def differences(wanted, found):
    """Names that differ."""
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def main():
    """All rounds."""
    parser = argparse.ArgumentParser(description="Kills `seismix run` in each stage and compares what it ends with.")
    parser.add_argument("binary")
    parser.add_argument("--rounds", type=int, default=3, help="kills in each stage [3]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work here, and keep everything")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    work = options.keep or Path(tempfile.mkdtemp(prefix="seismix-kill-"))
    work.mkdir(parents=True, exist_ok=True)
    tester = Tester(str(Path(options.binary).resolve()), work)
    times, total = tester.timeline(work / "whole")
    wanted = contents(work / "whole")
    print(f"undisturbed: {total:.1f} s, {len(wanted)} files;", ", ".join(f"{k} from {v:.2f} s" for k, v in times.items()))
    bounds = list(times.values()) + [total]
    failed = 0

    def compare(name, told, more=()):
        nonlocal failed
        found = tester.finish(work / name, *more)
        # Options are told in these.
        off = [file for file in differences(wanted, found) if not more or not file.startswith(("run.json", "report."))]
        failed += bool(off)
        print(f"{'FAIL' if off else 'ok  '} {told}", *off, sep="\n       " if off else "")
        if not options.keep:
            shutil.rmtree(work / name)

    for number, (where, began) in enumerate(times.items()):
        for turn in range(options.rounds):
            name = f"{where}-{turn}"
            delay = draw.uniform(0, bounds[number + 1] - began)
            last, killed = tester.kill(work / name, where, delay)
            compare(name, f"killed in {last}, {delay:.2f} s into {where}" if killed else f"ended before the kill in {where}")
    kills = []
    for _ in range(4 * options.rounds):
        last, killed = tester.kill(work / "many", None, draw.uniform(0.05, total / 2))
        kills += [last] if killed else []
    compare("many", f"killed {len(kills)} times in a row: {' '.join(kills)}")
    for threads in ("1", "3"):
        compare(f"threads-{threads}", f"--threads {threads}", ("--threads", threads))
    if not options.keep:
        shutil.rmtree(work)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
