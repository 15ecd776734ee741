#!/usr/bin/env python3
"""The guide's pictures of separations: plot_separation.py BINARY FOLDER [DATA]. Needs matplotlib.

Sources without shape are toys, seed 0, at 0 dB. Those that share a shape are added to InSight's records, seed 6 of
bench_deglitch.py; without DATA (../shared/data), which holds these, their picture stays as it is.
"""

import os
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from bench_shapeless import Case, PLAIN, snr_db
from shapeless_mixtures import mixture


def waves(binary, folder):
    """Mixture, truth and estimates of a burst of turbulence and of a band of noise."""
    figure, axes = plt.subplots(4, 2, figsize=(11, 7), sharex=True, constrained_layout=True)
    for column, kind in zip(axes.T, ("turb", "band")):
        with tempfile.TemporaryDirectory() as scratch:
            case = Case(binary, scratch, mixture(kind, 0, 0))
            x, n, s, *_ = case.arrays
            ours = case.unmix(["--method", "auto", "--realisation"])
            paper = case.unmix(["--objective", "paper", "--max-iter", "60"])["background"]
        wiener = PLAIN["wiener cluster"](*case.arrays)
        title = "a burst of turbulence" if kind == "turb" else "a band of noise"
        at = slice(600, 1500)
        t = np.arange(len(x))[at]
        column[0].plot(t, x[at], color="0.6", lw=0.7)
        column[0].plot(t, s[at], color="C3", lw=0.8)
        column[0].set_title(f"{title}: mixture (grey), source (red)", fontsize=9)
        rows = ((wiener, "Wiener filter, both spectra"), (paper, "published objective, run out"), (ours["waveform"], "local model"))
        for axis, (estimate, name) in zip(column[1:], rows):
            axis.plot(t, n[at], color="0.6", lw=0.7)
            axis.plot(t, (estimate - n)[at], color="C3", lw=0.7)
            if name == "local model":
                band = 1.645 * ours["sd"]
                axis.fill_between(t, -band[at], band[at], color="C0", alpha=0.3, lw=0)
                mean, spread = ours["expected_snr"][0][:2]
                name += f", 90 % band; expected {mean:.1f} ± {spread:.1f} dB"
            axis.set_title(f"{name}: {snr_db(n, estimate):.1f} dB", fontsize=9)
        for axis in column:
            axis.set_yticks([])
    figure.savefig(folder / "separation_waves.png", dpi=90)


def energies(binary, folder):
    """Energy by octave: the best waveform lacks some, a realisation does not."""
    figure, axis = plt.subplots(figsize=(6, 3.2), constrained_layout=True)
    with tempfile.TemporaryDirectory() as scratch:
        case = Case(binary, scratch, mixture("turb", 0, -10))
        x, n, *_ = case.arrays
        ours = case.unmix(["--method", "auto", "--realisation", "--draws", "1"])
    frequency = np.fft.rfftfreq(len(n))
    edges = 0.5 / 2.0 ** np.arange(9)
    octave = lambda v: [(np.abs(np.fft.rfft(v)) ** 2)[(frequency > b / 2) & (frequency <= b)].mean() for b in edges]
    truth = np.array(octave(n))
    for name, v in (("mixture", x), ("best waveform", ours["waveform"]), ("realisation", ours["realisation"]), ("posterior draw", ours["draws"][0])):
        axis.semilogx(edges, 10 * np.log10(octave(v) / truth), "o-", ms=3, label=f"{name}, {snr_db(n, v):.1f} dB")
    axis.axhline(0, color="0.6", lw=0.8)
    axis.set(xlabel="upper edge of the octave, cycles a sample", ylabel="energy over the truth's, dB", ylim=(-15, 20))
    axis.legend(fontsize=8)
    figure.savefig(folder / "separation_energy.png", dpi=90)


def shapes(binary, folder, data):
    """One glitch and two that overlap: straight lines, least squares with the known shape, and the learned family."""
    import bench_deglitch as deglitch

    case = deglitch.Case("model-quiet", data, 6, "model", False)
    with tempfile.TemporaryDirectory() as scratch:
        case.write(Path(scratch))
        found, deviation, *_ = deglitch.ours(case, Path(binary), Path(scratch), [])
    rows = (
        (deglitch.interpolated(case), "a straight line over the window"),
        (deglitch.least_squares(case, deglitch.instruments(data)), "least squares, the instrument's shape known"),
        (found, "family, learned from the windows; 90 % band"),
    )
    figure, axes = plt.subplots(4, 2, figsize=(11, 7), sharex="col", constrained_layout=True)
    for column, kind in zip(axes.T, ("isolated", "overlapping")):
        record, first, last, component = strong_window(case, kind)
        background, source = (x[component] for x in case.truth[record])
        at = slice(first - 100, last + 200)
        t = (np.arange(len(background))[at] - first) / deglitch.RATE
        column[0].plot(t, (background - background[at].mean() + source)[at], color="0.6", lw=0.7)
        column[0].plot(t, source[at], color="C3", lw=0.8)
        title = "one glitch" if kind == "isolated" else "two that overlap"
        column[0].set_title(f"{title} on BH{deglitch.COMPONENTS[component]}: mixture (grey), source (red)", fontsize=9)
        for axis, (estimate, name) in zip(column[1:], rows):
            error = source - estimate[record][component]
            part = slice(first, last)
            gain = 10 * np.log10((source[part] ** 2).sum() / (error[part] ** 2).sum())
            axis.plot(t, (background - background[part].mean())[at], color="0.6", lw=0.7)
            inside = (t >= 0) & (t < (last - first) / deglitch.RATE)
            axis.plot(t[inside], error[at][inside], color="C3", lw=0.8)
            if estimate is found:
                band = 1.645 * deviation[record][component][at][inside]
                axis.fill_between(t[inside], -band, band, color="C0", alpha=0.3, lw=0)
            axis.set_ylim(-4 * background[at].std(), 4 * background[at].std())
            axis.set_title(f"{name}: gain {gain:.1f} dB", fontsize=9)
        column[-1].set_xlabel("s after the window's start")
        for axis in column:
            axis.set_yticks([])
    figure.savefig(folder / "separation_shapes.png", dpi=90)


def strong_window(case, kind):
    """The first window of a kind with precursors and 15 to 60 times the background's deviation: record, ends, component."""
    for record, first, last, found, glitches in case.windows:
        background, source = case.truth[record]
        ratios = np.abs(source[:, first:last]).max(axis=1) / np.diff(background).std(axis=1)
        component = int(np.argmax(ratios))
        if found == kind and 15 < ratios[component] < 60 and all(g["precursor"] for g in glitches):
            return record, first, last, component
    raise SystemExit(f"no window with {kind} glitches of middle strength")


if __name__ == "__main__":
    target = Path(sys.argv[2])
    records = Path(sys.argv[3] if len(sys.argv) > 3 else "../shared/data")
    if (records / "insight").exists():
        shapes(os.path.abspath(sys.argv[1]), target, records)
    waves(os.path.abspath(sys.argv[1]), target)
    energies(os.path.abspath(sys.argv[1]), target)
