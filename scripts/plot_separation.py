#!/usr/bin/env python3
"""The guide's pictures of separations: plot_separation.py BINARY FOLDER. Toys, seed 0, at 0 dB; needs matplotlib."""

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


if __name__ == "__main__":
    target = Path(sys.argv[2])
    waves(os.path.abspath(sys.argv[1]), target)
    energies(os.path.abspath(sys.argv[1]), target)
