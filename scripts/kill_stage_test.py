#!/usr/bin/env python3
"""Kills `seismix train`, or `seismix separate`, at random moments and checks that the same command ends with the same bytes.

    python3 scripts/kill_stage_test.py SEISMIX train|separate|broken|all [--kills 10] [--seed 1]

SEISMIX is the binary. Some minutes on two cores. Needs numpy, obspy and h5py. The archive is that of kill_test.py.

train: one training is killed (SIGKILL) --kills times in a row and then left to end; so is one after the other, --kills times
with one kill each. Models and histories must be those of an undisturbed training, byte for byte, and so must be those of the same
seed a second time, with one thread and with three; every epoch is in the history once.
separate: likewise, with separated records and separation.json, once as --method auto chooses and once with --method local.
broken: a feature file with a NaN or an infinity in one coefficient is refused with the time of its block.
Ends with 1 if anything differs.
"""

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from kill_test import contents, make_archive

TRANSFORM = "--scales 64,256,1024 --octaves 4".split()


class Stage:
    """One command, run to its end or killed."""

    def __init__(self, name, command, seconds=None):
        self.name, self.command, self.seconds = name, command, seconds

    def finish(self, out, *more):
        """To the end; what it made."""
        began = time.monotonic()
        subprocess.run(self.command(out) + list(more), check=True, stdout=subprocess.DEVNULL)
        self.seconds = self.seconds or time.monotonic() - began
        return contents(out)

    def kill(self, out, delay):
        """Whether it still ran after `delay` seconds, when it was killed."""
        process = subprocess.Popen(self.command(out), stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True
        return False


def check_stage(stage, work, kills, draw):
    """All kills of one stage; how many comparisons failed."""
    failed = 0
    wanted = stage.finish(work / f"{stage.name}-whole")
    print(f"{stage.name}: {stage.seconds:.1f} s undisturbed, {len(wanted)} files", flush=True)

    def compare(out, told, *more):
        nonlocal failed
        found = stage.finish(out, *more)
        off = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        failed += bool(off)
        print(f"{'FAIL' if off else 'ok  '} {stage.name} {told}", *off, flush=True)
        shutil.rmtree(out)

    for turn in range(kills):
        out = work / f"{stage.name}-{turn}"
        delay = draw.uniform(0, stage.seconds)
        killed = stage.kill(out, delay)
        compare(out, f"killed after {delay:.2f} s" if killed else "ended before the kill")
    out = work / f"{stage.name}-row"
    # Short enough that the work cannot be done before the last kill.
    n = sum(stage.kill(out, draw.uniform(0.1, 0.25) * stage.seconds) for _ in range(kills))
    compare(out, f"killed {n} times in a row")
    compare(work / f"{stage.name}-again", "the same seed again")
    for threads in ("1", "3"):
        compare(work / f"{stage.name}-threads", f"--threads {threads}", "--threads", threads)
    return failed


def check_history(path, epochs):
    """Every epoch once, with its terms; 1 if not."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    good = [line["epoch"] for line in lines] == list(range(epochs)) and all(
        len(line["train"]["scales"]) == len(line["entropy"]) == len(line["cluster_sizes"]) == 3 for line in lines
    )
    print("ok   every epoch is told once" if good else "FAIL history", flush=True)
    return not good


def check_broken(binary, features, work):
    """Feature files with what is no number; how many were not refused rightly."""
    failed = 0
    for wrong in (np.nan, np.inf):
        broken = work / "broken"
        shutil.copytree(features, broken)
        path = sorted(broken.glob("*.h5"))[1]
        with h5py.File(path, "r+") as h5:
            # A name of its own for each length of block.
            group = h5["coefficients"]
            data = group[sorted(group)[0]] if isinstance(group, h5py.Group) else group
            data[100, 1, 20, 1] = wrong
            # As from a program that went wrong, not as from a disk: the hash is that of the values.
            data.attrs["sha256"] = hashlib.sha256(data[()].astype("<f4").tobytes()).hexdigest()
            block_ns = int(h5["time"][100])
        wanted = str(np.datetime64(block_ns, "ns"))[:22]
        done = subprocess.run(
            [binary, "train", str(broken), "-o", str(work / "none.safetensors"), "--epochs", "1"],
            capture_output=True,
            text=True,
        )
        good = done.returncode == 1 and wanted in done.stderr and path.name in done.stderr
        failed += not good
        print("ok  " if good else "FAIL", f"{wrong} is refused:", done.stderr.strip().splitlines()[-2:], flush=True)
        shutil.rmtree(broken)
    return failed


def main():
    """All stages asked for."""
    parser = argparse.ArgumentParser(description="Kills one stage at random moments and compares what it ends with.")
    parser.add_argument("binary")
    parser.add_argument("stage", choices=["train", "separate", "broken", "all"])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    binary = str(Path(options.binary).resolve())
    work = Path(tempfile.mkdtemp(prefix="seismix-kill-"))
    records, features = work / "archive", work / "features"
    records.mkdir()
    make_archive(records)
    run = lambda *command: subprocess.run([binary, *map(str, command), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    run("features", records, "-o", features, *TRANSFORM)
    model, table = work / "model" / "model.safetensors", work / "clusters.csv"
    failed = 0

    def train(out):
        out.mkdir(exist_ok=True)
        return [binary, "train", str(features), "-o", str(out / "model.safetensors"), "--epochs", "8", "--quiet"]

    if options.stage in ("train", "all"):
        failed += check_stage(Stage("train", train), work, options.kills, draw)
        failed += check_history(work / "train-whole" / "model.safetensors.history.jsonl", 8)
    if options.stage in ("separate", "all"):
        subprocess.run(train(model.parent), check=True, stdout=subprocess.DEVNULL)
        run("cluster", features, "-m", model, "-o", table)
        # The rarest cluster of the finest scale, which the pulses are in.
        counts = {}
        for line in table.read_text().splitlines()[1:]:
            _, _, scale, cluster = line.split(",")[:4]
            counts[cluster] = counts.get(cluster, 0) + (scale == "64")
        target = min((n, cluster) for cluster, n in counts.items() if n)[1]
        for method in ("auto", "local"):
            separate = lambda out: [
                binary, "separate", str(records), "-c", str(table), "--target", f"64:{target}", "--octaves", "4",
                "--max-targets", "24", "--max-iter", "30", "--method", method, "-o", str(out), "--quiet",
            ]  # fmt: skip
            failed += check_stage(Stage(f"separate-{method}", separate), work, options.kills, draw)
    if options.stage in ("broken", "all"):
        failed += check_broken(binary, features, work)
    shutil.rmtree(work)
    print("all as it should be" if not failed else f"{failed} failures")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
