"""Seconds and memory of reading MIMIC-III whole: ``python benchmarks/mimic3_scale.py [--scale 1.0] [--write]``.

The database may not be passed on, so tables of its size (58,976 admissions, 4.2 million prescriptions) are made up: the official columns with
plausible values, which mean nothing. They take about 1 GiB in a temporary folder. Reading is timed in a process of its own, with its imports.
With ``--write`` the numbers also go to ``benchmarks/results/mimic3_scale.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from contextssl.system.machine import processor

RESULTS = Path(__file__).parent / "results" / "mimic3_scale.json"
# Rows of MIMIC-III v1.4.
ROWS = {
    "PATIENTS": 46_520,
    "ADMISSIONS": 58_976,
    "ICUSTAYS": 61_532,
    "DIAGNOSES_ICD": 651_047,
    "PROCEDURES_ICD": 240_095,
    "PRESCRIPTIONS": 4_156_450,
    "SERVICES": 73_343,
}
DRUGS = 4_500
STEMS = (
    *("Potassium Chloride", "D5W", "0.9% Sodium Chloride", "NS", "Furosemide", "Insulin", "Morphine Sulfate", "Heparin", "Metoprolol"),
    *("Vancomycin", "Lorazepam", "CefePIME", "Norepinephrine", "PredniSONE", "Atorvastatin", "Pantoprazole", "Amiodarone", "Haloperidol"),
    *("Albuterol 0.083% Neb Soln", "Aspirin", "Senna", "Docusate Sodium", "Acetaminophen", "Gabapentin", "Levothyroxine Sodium"),
)

READ = """
import json, resource, time
start = time.perf_counter()
from contextssl.data.tables.mimic3_cohort import read_mimic3
imported = time.perf_counter() - start
table = read_mimic3({folder!r})
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux
size = dict(rows=len(table), columns=len(table.frame.columns))
print(json.dumps(dict(seconds=round(seconds, 1), imports=round(imported, 1), peak_rss_mib=peak // 1024) | size))
"""


def write_tables(folder: Path, scale: float, seed: int) -> None:
    """The seven tables, ``scale`` times the database's rows."""
    random = np.random.default_rng(seed)
    count = {name: max(int(rows * scale), 10) for name, rows in ROWS.items()}
    patients, stays = count["PATIENTS"], count["ADMISSIONS"]
    second = np.timedelta64(1, "s")

    def choice(words: Sequence[str], rows: int, shares: Sequence[float] | None = None) -> pa.Array:
        return pa.DictionaryArray.from_arrays(random.choice(len(words), rows, p=shares).astype(np.int32), list(words)).cast(pa.string())

    def text(times: np.ndarray) -> pa.Array:
        return pa.array(times.astype("datetime64[s]"))

    def save(name: str, columns: dict[str, object]) -> None:
        table = pa.table({"ROW_ID": np.arange(1, count[name] + 1), **columns})
        arrow_csv.write_csv(table, folder / f"{name}.csv", arrow_csv.WriteOptions(quoting_style="needed"))

    subject = np.arange(2, patients + 2)
    owner = np.concatenate([np.arange(min(patients, stays)), random.integers(patients, size=max(stays - patients, 0))])
    admitted = np.datetime64("2100-01-01", "s") + random.integers(0, 100 * 365 * 86400, stays) * second
    stayed = (random.lognormal(1.9, 0.8, stays) * 86400).astype(np.int64)
    left = admitted + stayed * second
    years = np.where(random.random(patients) < 0.16, 0, random.integers(18, 95, patients))
    years = np.where(years > 89, 300, years)
    first = np.full(patients, np.datetime64("2200-01-01", "s"))
    np.minimum.at(first, owner, admitted)
    born = (first - years * np.int64(31_557_600) * second).astype("datetime64[D]")
    newborn = years[owner] == 0
    hadm = 100_000 + random.permutation(stays)
    dead = random.random(stays) < 0.1
    nothing = pa.nulls(stays, pa.string())
    kinds = np.where(newborn, "NEWBORN", random.choice(["EMERGENCY", "ELECTIVE", "URGENT"], stays, p=[0.83, 0.15, 0.02]))
    dead_at = pa.array(left.astype("datetime64[s]"), mask=~dead)
    save(
        "PATIENTS",
        {"SUBJECT_ID": subject, "GENDER": choice("MF", patients), "DOB": text(born)}
        | {name: pa.nulls(patients, pa.string()) for name in ("DOD", "DOD_HOSP", "DOD_SSN")}
        | {"EXPIRE_FLAG": random.integers(0, 2, patients)},
    )
    save(
        "ADMISSIONS",
        {
            "SUBJECT_ID": subject[owner],
            "HADM_ID": hadm,
            "ADMITTIME": text(admitted),
            "DISCHTIME": text(left),
            "DEATHTIME": dead_at,
            "ADMISSION_TYPE": kinds.astype(str),
            "ADMISSION_LOCATION": choice(["EMERGENCY ROOM ADMIT", "PHYS REFERRAL/NORMAL DELI", "CLINIC REFERRAL/PREMATURE"], stays),
            "DISCHARGE_LOCATION": choice(["HOME", "SNF", "DEAD/EXPIRED", "HOME HEALTH CARE"], stays),
            "INSURANCE": choice(["Medicare", "Private", "Medicaid", "Government", "Self Pay"], stays),
            "LANGUAGE": choice(["ENGL", "SPAN", ""], stays),
            "RELIGION": choice(["CATHOLIC", "NOT SPECIFIED", "JEWISH"], stays),
            "MARITAL_STATUS": choice(["MARRIED", "SINGLE", "WIDOWED", "DIVORCED", ""], stays),
            "ETHNICITY": choice(["WHITE", "BLACK/AFRICAN AMERICAN", "HISPANIC OR LATINO", "ASIAN", "UNKNOWN/NOT SPECIFIED"], stays),
            "EDREGTIME": nothing,
            "EDOUTTIME": nothing,
            "DIAGNOSIS": choice(["SEPSIS", "PNEUMONIA", "CORONARY ARTERY DISEASE\\CORONARY ARTERY BYPASS GRAFT /SDA"], stays),
            "HOSPITAL_EXPIRE_FLAG": dead.astype(np.int64),
            "HAS_CHARTEVENTS_DATA": np.ones(stays, np.int64),
        },
    )

    def at(name: str) -> tuple[np.ndarray, dict[str, object]]:
        """Which stay each row of a table is of, most stays first, and the two identifiers."""
        rows = count[name]
        of = np.concatenate([np.arange(min(stays, rows)), random.integers(stays, size=max(rows - stays, 0))])
        return of, {"SUBJECT_ID": subject[owner[of]], "HADM_ID": hadm[of]}

    of, identifiers = at("ICUSTAYS")
    rows = len(of)
    into = admitted[of] + random.integers(0, 2 * 86400, rows) * second
    units = ["MICU", "SICU", "CCU", "CSRU", "TSICU", "NICU"]
    save(
        "ICUSTAYS",
        identifiers
        | {"ICUSTAY_ID": 200_000 + np.arange(rows), "DBSOURCE": choice(["carevue", "metavision"], rows)}
        | {"FIRST_CAREUNIT": choice(units, rows), "LAST_CAREUNIT": choice(units, rows)}
        | {"FIRST_WARDID": random.integers(7, 60, rows), "LAST_WARDID": random.integers(7, 60, rows)}
        | {"INTIME": text(into), "OUTTIME": text(into + 200_000 * second), "LOS": np.full(rows, 2.3148)},
    )
    diagnoses = np.char.zfill(random.integers(1, 99_999, 6_985).astype(str), 5)
    for name, codes in (
        ("DIAGNOSES_ICD", [*diagnoses, "V4581", "E8788"]),
        ("PROCEDURES_ICD", np.char.zfill(random.integers(1, 9_999, 2_009).astype(str), 4)),
    ):
        of, identifiers = at(name)
        save(name, identifiers | {"SEQ_NUM": random.integers(1, 20, len(of)), "ICD9_CODE": choice(list(codes), len(of))})
    of, identifiers = at("SERVICES")
    services = ["MED", "CMED", "SURG", "CSURG", "NSURG", "NB", "GYN"]
    save(
        "SERVICES",
        identifiers
        | {"TRANSFERTIME": text(admitted[of] + random.integers(0, 7200, len(of)) * second)}
        | {"PREV_SERVICE": choice(["", *services], len(of)), "CURR_SERVICE": choice(services, len(of))},
    )
    of, identifiers = at("PRESCRIPTIONS")
    rows = len(of)
    began = (admitted[of] + (random.random(rows) * stayed[of]).astype(np.int64) * second).astype("datetime64[D]")
    drugs = [f"{STEMS[i % len(STEMS)]} {i // len(STEMS) or ''}".strip() for i in range(DRUGS)]
    rank = 1 / np.arange(1, DRUGS + 1)
    drug = choice(drugs, rows, (rank / rank.sum()).tolist())
    save(
        "PRESCRIPTIONS",
        identifiers
        | {"ICUSTAY_ID": 200_000 + of, "STARTDATE": text(began), "ENDDATE": text(began + np.timedelta64(1, "D"))}
        | {"DRUG_TYPE": choice(["MAIN", "BASE", "ADDITIVE"], rows, [0.75, 0.22, 0.03])}
        | {"DRUG": drug, "DRUG_NAME_POE": drug, "DRUG_NAME_GENERIC": drug}
        | {"FORMULARY_DRUG_CD": choice(["FURO40I", "NACLFLUSH", "KCL20P"], rows), "GSN": choice(["008205", "001275"], rows)}
        | {"NDC": choice(["00517570425", "00338004938"], rows), "PROD_STRENGTH": choice(["40mg/4mL Vial", "100 mL Bag"], rows)}
        | {"DOSE_VAL_RX": random.integers(1, 500, rows), "DOSE_UNIT_RX": choice(["mg", "mL", "UNIT"], rows)}
        | {"FORM_VAL_DISP": random.integers(1, 4, rows), "FORM_UNIT_DISP": choice(["VIAL", "BAG", "TAB"], rows)}
        | {"ROUTE": choice(["IV", "PO", "SC"], rows)},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="rows, as a share of the database's")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(RESULTS.parents[2])}")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="mimic3_scale_") as name:
        folder = Path(name)
        start = time.perf_counter()
        write_tables(folder, arguments.scale, arguments.seed)
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"wrote {size / 2**20:,.0f} MiB in {time.perf_counter() - start:.0f} s", flush=True)
        run = {
            "benchmark": "mimic3_scale",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{processor()}, {os.cpu_count()} processors",
            "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
            "python": platform.python_version(),
            "seed": arguments.seed,
            "scale": arguments.scale,
            "files_mib": round(size / 2**20),
        }
        print(", ".join(f"{name} {value}" for name, value in run.items()), flush=True)
        done = subprocess.run([sys.executable, "-c", READ.format(folder=str(folder))], check=True, capture_output=True, text=True)
    row = json.loads(done.stdout)
    print(", ".join(f"{name} {value:,}" for name, value in row.items()))
    if arguments.write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps({"run": run, "rows": [row]}, indent=2) + "\n")
        print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
