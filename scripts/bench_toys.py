#!/usr/bin/env python3
"""The toy experiments over many seeds: the published objective run out, and ours with its own stop.

bench_toys.py EXAMPLE [--kinds K,..] [--seeds N] [--first N] [--source G.npy]... [-- OPTION...]: what follows `--` goes to
the example. EXAMPLE is target/release/examples/unmix_toy (cargo build --release --example unmix_toy). For each kind the SNR of the background
before, at the end of the published objective (200 iterations), and ours; the gain of ours over the published end.
Exit code 1 if the median gain of a kind is below 3 dB or a case loses more than 0.5 dB.
"""

import argparse
import json
import os
import subprocess
import sys
from statistics import mean, median

KINDS = "exp-glitch,square-glitch,turbulence,wave-packets"


def unmix(binary, toy, seed, objective, iterations, more):
    """SNR before and after, outcome and iterations of one toy."""
    command = [binary, toy, "--seed", str(seed), "--objective", objective, "--max-iter", str(iterations), *more]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(out.splitlines()[-1])
    return found["snr_db"][0], found["snr_db"][1], found["outcome"], found["iterations"]


def main():
    """All kinds and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--kinds", default=KINDS, help=f"[{KINDS}]")
    parser.add_argument("--source", action="append", default=[], help="a waveform of one's own, as a kind of its own")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="first seed [1]")
    parser.add_argument("--cases", help="file for one JSON line a case")
    own, more = sys.argv[1:], []
    if "--" in own:
        own, more = own[: own.index("--")], own[own.index("--") + 1 :]
    options = parser.parse_args(own)
    binary = os.path.abspath(options.binary)
    cases = open(options.cases, "w", encoding="utf-8") if options.cases else None
    failed = False
    print("| source | SNR in | published, run out | ours | median gain | worst gain | best gain | left as it was |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in [k for k in options.kinds.split(",") if k] + options.source:
        rows = []
        for seed in range(options.first, options.first + options.seeds):
            before, paper, _, _ = unmix(binary, kind, seed, "paper", 200, more)
            _, ours, outcome, iterations = unmix(binary, kind, seed, "seismix", 500, more)
            rows.append((before, paper, ours, outcome))
            if cases:
                case = dict(kind=kind, seed=seed, snr_in=before, paper=paper, ours=ours, outcome=outcome, n=iterations)
                print(json.dumps(case), file=cases, flush=True)
        gains = [ours - paper for _, paper, ours, _ in rows]
        failed |= median(gains) < 3 or min(gains) < -0.5
        left = sum(outcome != "Separated" for *_, outcome in rows)
        print(
            f"| {kind} | {mean(r[0] for r in rows):.2f} | {mean(r[1] for r in rows):.2f} | {mean(r[2] for r in rows):.2f} "
            f"| {median(gains):.2f} | {min(gains):.2f} | {max(gains):.2f} | {left} |",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
