#!/usr/bin/env python3
"""Samples of a model as prior of a source without shape, beside windows of data.

    python3 scripts/bench_sample_prior.py SEISMIX [--kinds turb,band] [--seeds 10] [-o FOLDER]

A record of 300 windows of background and 300 of source (shapeless_mixtures.py, other seeds than those scored) is turned into features;
a model is trained on it; its clusters are told apart by the truth. From the source's cluster the model draws covariances (`synth -m`), and
signals made from these are the source snippets of `unmix --method local`, in place of 30 windows of data. SNR of the background at 0 dB.
Needs numpy and obspy.
"""

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from shapeless_mixtures import R, T, mixture

FIRST, SEEDS, UNIT = 1000, 10, 1000.0
START = UTCDateTime(2022, 1, 1)


def run(*command):
    """A command that must succeed."""
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)


def main():
    """A row a kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--kinds", default="turb,band")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("-o", "--output", type=Path, default=Path("prior"))
    options = parser.parse_args()
    print("| kind | purity | no source snippets | samples of the model | windows of data |\n|---|---|---|---|---|")
    for kind in options.kinds.split(","):
        folder = options.output / kind
        folder.mkdir(parents=True, exist_ok=True)
        parts = [mixture(kind, FIRST + i, 0.0, None)[3:5] for i in range(SEEDS)]
        background, source = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        # Blocks of thirty windows in turns, so that training and validation both hold both.
        blocks = [b for pair in zip(background.reshape(SEEDS, R * T), source.reshape(SEEDS, R * T)) for b in pair]
        samples = np.rint(UNIT * np.concatenate(blocks)).astype(np.int32)
        header = {"network": "XX", "station": "PRIOR", "channel": "BHZ", "sampling_rate": 20.0, "starttime": START}
        Stream([Trace(samples, header)]).write(str(folder / "record.mseed"), format="MSEED", encoding="STEIM2")
        run(options.binary, "features", folder / "record.mseed", "-o", folder / "features", "--scales", T, "--stride", T, "--octaves", 8, "--quiet")
        run(options.binary, "train", folder / "features", "-o", folder / "model", "--clusters", 2, "--quiet")
        run(options.binary, "cluster", folder / "features", "-m", folder / "model", "-o", folder / "clusters.csv", "--quiet")
        rows = list(csv.DictReader(open(folder / "clusters.csv", encoding="utf-8")))
        truth = np.array([int((UTCDateTime(r["starttime"]) - START) * 20.0 // (R * T)) % 2 for r in rows])
        own = np.array([int(r["cluster"]) for r in rows])
        chosen = max((0, 1), key=lambda k: np.mean(truth[own == k]) if np.any(own == k) else -1)
        purity = np.mean((own == chosen) == (truth == 1))
        run(options.binary, "synth", "-m", folder / "model", "--cluster", f"{T}:{chosen}", "-n", R, "--samples", T, "-o", folder / "samples.npz",
            "--max-iter", 300, "--tolerance", 0.03, "--quiet")
        signals = np.load(folder / "samples.npz")["signals"].reshape(R, T) / UNIT
        scores = {"none": [], "samples": [], "data": []}
        for seed in range(options.seeds):
            x, n, _, snippets, sources = mixture(kind, seed, 0.0, None)[:5]
            np.save(folder / "x.npy", x)
            np.save(folder / "nk.npy", snippets)
            for row, given in (("none", None), ("samples", signals), ("data", sources)):
                more = ["--method", "wiener"]
                if given is not None:
                    np.save(folder / "sk.npy", given)
                    more = ["--method", "local", "--source-snippets", folder / "sk.npy"]
                run(options.binary, "unmix", "--mixture", folder / "x.npy", "--background", folder / "nk.npy", "-o", folder / "out.npz",
                    "--octaves", 8, "--quiet", *more)
                found = np.load(folder / "out.npz")["background"].ravel()
                scores[row].append(10 * np.log10(np.sum(n**2) / np.sum((found - n) ** 2)))
        print(f"| {kind} | {purity:.0%} | " + " | ".join(f"{np.mean(v):.1f}" for v in scores.values()) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
