"""Opens what the binary wrote with the tools its users have: h5py, NumPy, ObsPy.

    python scripts/open_outputs.py BINARY FOLDER

FOLDER holds RUN, made by `seismix demo -o FOLDER/RUN`.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import obspy


def check_features(run: Path) -> None:
    files = sorted((run / "features").glob("*.h5"))
    assert files, "no feature file"
    for path in files:
        with h5py.File(path, "r") as file:
            (block,) = file["coefficients"].keys()
            coefficients = file["coefficients"][block]
            n_blocks, n_channels, n_coefficients, parts = coefficients.shape
            assert coefficients.dtype == np.float32 and parts == 2, path
            assert n_blocks > 0 and n_channels == 3, path
            assert np.isfinite(coefficients[...]).all(), path
            time = file["time"][...]
            assert time.dtype == np.int64 and time.shape == (n_blocks,), path
            assert (np.diff(time) > 0).all(), path
            for name in ["kind", "j1_left", "j1_right", "j2", "real"]:
                assert file["index"][name].shape == (n_coefficients,), (path, name)
            json.loads(file.attrs["meta"])
            json.loads(file.attrs["provenance"])
    print(f"h5py: {len(files)} feature files")


def check_clusters(run: Path) -> None:
    with open(run / "clusters.csv", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert rows, "no cluster"
    for row in rows:
        start, end = obspy.UTCDateTime(row["starttime"]), obspy.UTCDateTime(row["endtime"])
        assert start < end, row
        total = sum(float(v) for k, v in row.items() if k[0] == "p" and k[1:].isdigit())
        assert abs(total - 1) < 1e-3, row
        assert float(row["probability"]) == float(row[f"p{row['cluster']}"]), row
    print(f"csv: {len(rows)} rows of clusters")


def check_separated(run: Path) -> None:
    separated = run / "separated"
    originals = [p for p in sorted((run / "archive").rglob("*")) if p.is_file()]
    compared = changed = 0
    for path in originals:
        parts = {}
        for kind in ["background", "source"]:
            (found,) = (separated / kind).rglob(path.name)
            parts[kind] = obspy.read(found)
        for trace in obspy.read(path):
            matching = {}
            for kind, stream in parts.items():
                (matching[kind],) = [
                    t for t in stream if t.id == trace.id and t.stats.starttime == trace.stats.starttime
                ]
                assert matching[kind].stats.npts == trace.stats.npts, (path, kind)
            total = matching["background"].data.astype(float) + matching["source"].data
            assert (total == trace.data).all(), path
            changed += int((matching["source"].data != 0).sum())
            compared += 1
    assert compared > 0 and changed > 0
    print(f"ObsPy: {compared} traces, background + source is the input; {changed} samples hold a source")


def check_scatter(binary: str, folder: Path) -> None:
    signals = np.random.default_rng(0).standard_normal((2, 3, 1024)).astype(np.float32)
    np.save(folder / "in.npy", signals)
    command = [binary, "scatter", folder / "in.npy", "-o", folder / "out.npz", "--octaves", "5", "--pool", "256"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with np.load(folder / "out.npz", allow_pickle=False) as out:
        coefficients = out["coefficients"]
        assert coefficients.shape == (2, 3 * 77, 4, 2), coefficients.shape
        kinds = out["kind_names"][out["kind"]]
        assert set(kinds) == {"spars", "mean", "scat", "ps", "phaseenv", "envelope"}, set(kinds)
        # The low-pass is even and keeps the mean, and so does the reflection; pooled blocks average to it.
        mean = coefficients[..., 0][:, kinds == "mean"].mean(axis=-1)
        expected = signals.mean(axis=-1, dtype=np.float64)
        assert np.allclose(mean, expected, rtol=0, atol=1e-12), (mean, expected)
        assert json.loads(bytes(out["provenance"]))["command"] == "scatter"
    print("NumPy: coefficients and their index")


def main() -> None:
    binary, folder = sys.argv[1], Path(sys.argv[2])
    run = folder / "RUN"
    check_scatter(binary, folder)
    check_features(run)
    check_clusters(run)
    check_separated(run)


if __name__ == "__main__":
    main()
