"""Makes src/deglitch/bundled/insight-vbb.json: the template and calibration that come with the program.

    python3 scripts/bundle_template.py SEISMIX RECORDS...

SEISMIX: the binary. RECORDS: days of InSight's VBB at 20 samples a second (XB.ELYSE.02.BHU, BHV, BHW). Numbers are
rounded to six digits, which is far below the template's own error.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

OUTPUT = pathlib.Path(__file__).parent.parent / "src/deglitch/bundled/insight-vbb.json"


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return value


def main():
    seismix, *records = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        command = [seismix, "deglitch", *records, "-o", folder, "--no-bundled", "--quiet"]
        subprocess.run(command, check=True)
        (found,) = pathlib.Path(folder, "templates").glob("*.json")
        template = rounded(json.loads(found.read_text()))
    OUTPUT.write_text(json.dumps(template, separators=(",", ":")) + "\n")
    print(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes, learned from {template['learned_from']}")


if __name__ == "__main__":
    main()
