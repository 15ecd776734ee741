#!/usr/bin/env python3
"""Times the scattering transform beside others, on this machine, in one run.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install numpy 'scipy<1.15' kymatio torch matplotlib
    /tmp/peers/bin/python scripts/bench_scattering.py [--seismix target/release/seismix --records FOLDER] [--write]

Needs cargo. Kymatio does the first half of the work only (no covariance, subsampled, order 2); without torch its NumPy
backend is timed. The published reference is not run: `definition at full rate` (benches/plain) stands in for it, and its
own times, 0.37 CPU seconds for a window of 65,536 samples and about 1 for the pyramid, were taken on another machine.
--records: folder with a day of one 20 Hz channel or more, for the time of `seismix features` from miniSEED to HDF5.
--write: puts the tables into docs/benchmarks.md and the plot into docs/images/scattering_cost.png.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- scattering: begin -->", "<!-- scattering: end -->"
# BASELINES: CPU seconds of the published code, one thread, float32, T = 65,536, J = 8.
REFERENCE_CPU_S = 0.37


def ours(*what, threads):
    env = dict(os.environ, RAYON_NUM_THREADS=str(threads))
    command = ["cargo", "bench", "-q", "-p", "seismix-scattering", "--bench", "cost", "--", *what]
    lines = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]


def kymatio(threads):
    """Seconds a window of 65,536, J = 8, Q = 1, order 2, and the backend; None where kymatio is missing."""
    code = f"""
import json, time, numpy as np
x = np.random.default_rng(0).standard_normal(65536).astype("float32")
try:
    import torch
    torch.set_num_threads({threads})
    from kymatio.torch import Scattering1D
    x, backend = torch.from_numpy(x), "torch"
except ImportError:
    from kymatio.numpy import Scattering1D
    backend = "numpy"
s = Scattering1D(J=8, shape=65536, Q=1, max_order=2)
times = []
for _ in range(12):
    start = time.perf_counter(); s(x); times.append(time.perf_counter() - start)
print(json.dumps([min(times), backend]))
"""
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True)
    if run.returncode != 0:
        print("kymatio: not run:", run.stderr.strip().splitlines()[-1:], file=sys.stderr)
        return None
    return json.loads(run.stdout.splitlines()[-1])


def features(seismix, records, threads, channel, *options):
    """Wall and CPU seconds and peak MB of `seismix features` for one channel of the first day in a folder."""
    with tempfile.TemporaryDirectory() as out:
        env = dict(os.environ, RAYON_NUM_THREADS=str(threads))
        command = [seismix, "features", records, "-o", out, "--channel", channel, "-q", *options]
        best = None
        for _ in range(5):
            start = time.perf_counter()
            process = subprocess.Popen([*command, "--fresh"], env=env, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            if status != 0:
                raise SystemExit(f"{' '.join(command)} failed")
            taken = (time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
            best = min(best or taken, taken)
        size = sum(f.stat().st_size for f in Path(out).glob("*.h5")) / 1e6
        return (*best, size)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def window_table(rows, peers, threads):
    plain = {r["precision"]: r["seconds"] for r in rows if r["measured"] == "window" and r["plan"].startswith("definition")}
    out = []
    for r in rows:
        if r["measured"] != "window":
            continue
        ratio = plain[r["precision"]] / r["seconds"]
        out.append([r["plan"], r["precision"], 1, f"{r['seconds'] * 1e3:.2f}", f"{ratio:.1f}",
                    f"{r['ffts_seconds'] * 1e3:.2f}", f"{r['seconds'] / r['ffts_seconds']:.2f}"])
    for n, peer in peers:
        if peer:
            out.append([f"kymatio ({peer[1]}), order 2 subsampled, no covariance", "f32", n,
                        f"{peer[0] * 1e3:.2f}", f"{plain['f32'] / peer[0]:.1f}", "", ""])
    out.append(["published code, as measured elsewhere (CPU)", "f32", 1, f"{REFERENCE_CPU_S * 1e3:.0f}",
                f"{plain['f32'] / REFERENCE_CPU_S:.2f}", "", ""])
    head = ["plan", "type", "threads", "ms a window", "times the definition's speed", "its FFTs alone, ms", "over its FFTs"]
    text = table(head, out)
    for r in rows:
        if r["measured"] == "batch":
            text += f"\n\nMany windows on {r['threads']} threads, {r['plan']}, f32: {r['seconds'] * 1e3:.2f} ms a window."
    return text


def cost_tables(rows):
    lengths = [r for r in rows if r["measured"] == "length"]
    def per(r):
        return r["seconds"] / (r["samples"] * math.log2(r["samples"])) * 1e9
    text = table(["T", "kind", "ms", "ns a sample and log2 T"],
                 [[f"{r['samples']:,}", r["kind"], f"{r['seconds'] * 1e3:.3f}", f"{per(r):.3f}"] for r in lengths])
    octaves = [r for r in rows if r["measured"] == "octaves"]
    text += "\n\n" + table(["J", "coefficients", "ms at T = 262,144"],
                           [[r["octaves"], r["coefficients"], f"{r['seconds'] * 1e3:.1f}"] for r in octaves])
    return text


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for kind, mark in [("power of two", "o-"), ("other", "s"), ("prime", "^")]:
        points = [(r["samples"], r["seconds"] * 1e3) for r in rows if r["measured"] == "length" and r["kind"] == kind]
        left.loglog(*zip(*points), mark, label=kind)
    left.set_xlabel("samples T (J = 6, f32, one thread)")
    left.set_ylabel("ms")
    left.legend()
    points = [(r["octaves"], r["seconds"] * 1e3) for r in rows if r["measured"] == "octaves"]
    right.plot(*zip(*points), "o-")
    right.set_xlabel("octaves J (T = 262,144, f32, one thread)")
    right.set_ylim(bottom=0)
    figure.suptitle("seismix-scattering: scat+cov of one window")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seismix", help="a release build of the program")
    parser.add_argument("--records", help="folder with a day of miniSEED at 20 Hz")
    parser.add_argument("--channel", default="BHU")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    rows = ours("window", "day", "length", "octaves", threads=1)
    rows = [r for r in rows if r["measured"] != "batch"]
    rows += [r for r in ours("window", threads=cores) if r["measured"] == "batch"]
    peers = [(n, kymatio(n)) for n in sorted({1, cores})]
    parts = [f"One window, T = 65,536, J = 8, `scat+cov`; {cores} cores.", window_table(rows, peers, cores)]
    for r in rows:
        if r["measured"] == "day":
            parts.append(f"A channel-day in memory, {r['plan']} samples, f32, one thread: {r['seconds']:.3f} s, "
                         f"{r['seconds'] / r['ffts_seconds']:.2f} times its FFTs.")
    if arguments.seismix and arguments.records:
        for options in (["--precision", "f32", "--block", "1024"], ["--precision", "f32"], []):
            wall, cpu, peak, size = features(arguments.seismix, arguments.records, 1, arguments.channel, *options,
                                             "--endtime", first_day_end(arguments))
            parts.append(f"`features {' '.join(options)}` of a channel-day, miniSEED to HDF5, one thread: {wall:.2f} s wall, "
                         f"{cpu:.2f} s CPU, {peak:.0f} MB peak, {size:.1f} MB written.")
    parts.append(cost_tables(rows))
    text = "\n\n".join(parts)
    print(text)
    if arguments.write:
        images = ROOT / "docs" / "images"
        images.mkdir(exist_ok=True)
        plot(rows, images / "scattering_cost.png")
        page = ROOT / "docs" / "benchmarks.md"
        content = page.read_text()
        before, after = content.split(BEGIN)[0], content.split(END)[1]
        page.write_text(f"{before}{BEGIN}\n\n{text}\n\n![cost](images/scattering_cost.png)\n\n{END}{after}")


def first_day_end(arguments):
    """Midnight after the first day of the records."""
    run = subprocess.run([arguments.seismix, "info", arguments.records, "--json", "-q"], capture_output=True, text=True)
    first = min(re.findall(r"\d{4}-\d{2}-\d{2}", run.stdout))
    return f"{date.fromisoformat(first) + timedelta(days=1)}T00:00:00Z"


if __name__ == "__main__":
    main()
