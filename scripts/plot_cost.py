#!/usr/bin/env python3
"""Draws what the separation's loss costs: plot_cost.py COST.csv OUT.png, where

cargo run --release -p seismix-separate --example cost -- all > COST.csv
"""

import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

with open(sys.argv[1], encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for axis, along, fixed, name in (
    (axes[0], "snippets", ("samples", "2048"), "snippets R (T = 2048)"),
    (axes[1], "samples", ("snippets", "20"), "samples T (R = 20)"),
):
    for grids, mark in (("exact", "o-"), ("8 times", "^-"), ("4 times", "s-")):
        picked = [r for r in rows if r["grids"] == grids and r[fixed[0]] == fixed[1]]
        points = sorted({(int(r[along]), float(r["evaluation_ms"])) for r in picked})
        axis.loglog(*zip(*points), mark, label=grids)
    ends = [points[0][0], points[-1][0]]
    axis.loglog(ends, [points[0][1], points[0][1] * ends[1] / ends[0]], "k:", label="linear")
    axis.set_xlabel(name)
    axis.set_ylabel("one loss and gradient, CPU ms")
    axis.grid(True, which="both", alpha=0.2)
axes[0].legend(frameon=False)
figure.savefig(sys.argv[2], dpi=130)
