"""MIMIC-III (Johnson et al., 2016): one row per adult admission, joined from the official CSV files.

What is predicted, the length of the stay and its treatment, is predicted at the end of the day of admission, and a row holds nothing that is
only known later:

- Of services, intensive care and prescriptions only what is dated up to that day is read. A ward that a patient enters on the sixth day would
  say that the stay lasts six days, and a drug that it was prescribed. Prescriptions have days and no hours, hence the end of the day.
- Diagnoses are coded for billing after discharge, so the groups of ICD-9 are those of the patient's earlier admissions, discharged before this
  one begins. ``diagnoses="admission"`` gives those of the stay itself, as much of the literature does, and a note says so.
- Discharge (but for the targets), death, the length and end of stays in intensive care are read into no column. Nor is the free text of the
  admission's diagnosis.

Stays that end in death, or on the day of admission, count as they lasted. Procedures have no dates in these files: a treatment may have begun on
the day of admission, and drugs of that day (sedatives, say) may belong to it.

Over 89 years dates of birth are shifted by the publishers, which gives ages about 300: these are 90 here. Newborns and children (under 15)
are dropped: the bound is MIMIC-Extract's (Wang et al., 2020); the paper of the database counts adults from 16, Harutyunyan et al. (2019) from
18. Obstetrics and gynaecology are read as another service, since they say the gender outright.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64, Shaped

from contextssl.data.splits import split_rows
from contextssl.data.tables.mimic3_codes import (
    CHAPTERS,
    DRUG_GROUPS,
    diagnosis_chapter,
    drug_group,
    ethnic_group,
    lost_zeros,
    marital_group,
    procedure_group,
    service_group,
)
from contextssl.data.tables.mimic3_files import TableFile, find_tables, read_table_file
from contextssl.data.tables.records_table import SPLITS, Table
from contextssl.errors import DataError, SettingsError, nearest

DIAGNOSES = ("earlier", "admission")
YOUNGEST, OLDEST = 15, 90
# Under so many admissions a note says what numbers are worth.
FEW_ADMISSIONS = 1000


@dataclass(frozen=True)
class Stays:
    """All admissions, one per row, in the order of their file, and where other tables' rows belong.

    Args:
        admissions: the columns that are read, with the patient's gender and date of birth.
        kept: which are rows of the table; the others only say what came before.
    """

    admissions: pd.DataFrame
    kept: Bool[np.ndarray, " n"]

    def day(self) -> pd.Series:
        """Of admission: midnight at its beginning."""
        return self.admissions["admittime"].dt.normalize()

    def place(self, other: pd.DataFrame, table: TableFile) -> Int64[np.ndarray, " rows"]:
        """Of each row of another table the admission's row, -1 for none.

        Raises:
            DataError: where no row belongs to any.
        """
        places = pd.Index(self.admissions["hadm_id"].to_numpy(np.int64)).get_indexer(other["hadm_id"].fillna(-1).to_numpy(np.int64))
        if (places < 0).all():
            raise DataError(
                f"{table.path} and ADMISSIONS have no hadm_id in common: they are not of one download; put the files of one version in the folder"
            )
        return places.astype(np.int64)


def read_mimic3(
    data_dir: str | Path,
    *,
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
    diagnoses: str = "earlier",
    say: Callable[[str], None] = lambda what: None,
) -> Table:
    """The table: is a stay longer than seven days (``long_stay``), how long (``length_of_stay``), and how is it treated (``treatment``).

    ``length_of_stay`` is from admission to discharge, in days: ``<3 d``, ``3-7 d`` (3 and 7 are in it), ``7-14 d`` (14 is), ``>14 d``.
    ``treatment`` is the group of the first procedure in the order of coding (``seq_num``) by the chapters of ICD-9-CM: nervous (01-05),
    respiratory (30-34), cardiovascular (35-39, 00.4-00.6), digestive (42-54), urogenital (55-75), musculoskeletal with the skin (76-86), bedside
    (87-99, and punctures of vessels, 38.9), other; ``none`` where there is none.

    Args:
        data_dir: the folder of the files, ``.csv`` or ``.csv.gz``, of the whole database or its demo.
        val_fraction: of the patients that are not in the test split.
        test_fraction: of the patients; 0 for no test split. Nobody is in two splits.
        seed: of the splits.
        diagnoses: ``"earlier"`` for the ICD-9 groups of earlier admissions; ``"admission"`` for those of this one, known at discharge alone.
        say: called with the name of what is being read.

    Raises:
        DataError: where a file is missing, damaged, or not what it should be, naming it.
        SettingsError: for an unknown ``diagnoses`` or a share out of range.
    """
    if diagnoses not in DIAGNOSES:
        raise SettingsError(f"unknown diagnoses={diagnoses!r}: {nearest(diagnoses, DIAGNOSES)}")
    folder = Path(data_dir)
    files = find_tables(folder)

    def read(name: str) -> pd.DataFrame:
        say(f"reading {files[name].path.name}")
        return read_table_file(files[name])

    stays, notes = _stays(read("ADMISSIONS"), read("PATIENTS"), files)
    frame = _admission_columns(stays)
    frame["first_service"] = _first(stays, read("SERVICES"), files["SERVICES"], "transfertime", "curr_service", service_group)
    frame["first_careunit"] = _first(stays, read("ICUSTAYS"), files["ICUSTAYS"], "intime", "first_careunit", str.strip)
    coded, procedures = read("DIAGNOSES_ICD"), read("PROCEDURES_ICD")
    frame = frame.join(_diagnosis_columns(stays, coded, files["DIAGNOSES_ICD"], diagnoses))
    frame = frame.join(_drug_columns(stays, read("PRESCRIPTIONS"), files["PRESCRIPTIONS"]))
    targets = _targets(stays, procedures, files["PROCEDURES_ICD"])
    for name, codes in (("DIAGNOSES_ICD", coded), ("PROCEDURES_ICD", procedures)):
        if lost_zeros(map(str, codes["icd9_code"].cat.categories)):
            notes.append(f"{files[name].path.name} has codes without their leading zeros, so some are read as of another group")

    frame = frame[stays.kept].reset_index(drop=True)
    targets = targets[stays.kept].reset_index(drop=True)
    if targets["treatment"].nunique() < 2:
        notes.append(f"treatment is dropped: it is {targets['treatment'].iloc[0]} in all rows")
        targets = targets.drop(columns="treatment")
    if diagnoses == "admission":
        notes.append(
            "the diagnosis columns are of the stay itself and known at its discharge alone: no model can have them when it predicts"
        )
    if len(frame) < FEW_ADMISSIONS:
        notes.append(f"{len(frame)} admissions show that the program runs, no more: numbers from so few rows mean nothing")
    people = stays.admissions["subject_id"].to_numpy(np.int64)[stays.kept]
    splits = split_rows(np.zeros(len(frame), np.int64), people, val_fraction, test_fraction, seed)
    return Table(
        frame=frame,
        factors={"gender": "gender"},
        targets=targets,
        splits=splits,
        proxies={name: "gender" for name in map(str, frame) if name.endswith("_pregnancy")},
        description={
            "kind": "mimic3",
            "path": str(folder.resolve()),
            "admissions": len(stays.admissions),
            "patients": len(np.unique(people)),
            "rows": {split: int((splits == split).sum()) for split in SPLITS},
            "diagnoses": diagnoses,
            "val_fraction": val_fraction,
            "test_fraction": test_fraction,
            "seed": seed,
        },
        notes=tuple(notes),
        people=people,
    )


def _stays(admissions: pd.DataFrame, patients: pd.DataFrame, files: dict[str, TableFile]) -> tuple[Stays, list[str]]:
    """All admissions, and notes on those that are no rows of the table."""
    for frame, key, name, once in (
        (admissions, "hadm_id", "ADMISSIONS", True),
        (admissions, "subject_id", "ADMISSIONS", False),
        (patients, "subject_id", "PATIENTS", True),
    ):
        if bool(frame[key].isna().any()):
            raise DataError(f"{files[name].path} has a row without {key}: use the file as it is published")
        if once and bool((again := frame[key].duplicated()).any()):
            raise DataError(
                f"{files[name].path} has the {key} {frame.loc[again, key].iloc[0]} twice: use the file as it is published, once"
            )
    joined = admissions.merge(patients, on="subject_id", how="left", validate="many_to_one", indicator=True)
    stranger = (joined.pop("_merge") == "left_only").to_numpy()
    if stranger.all():
        raise DataError(
            f"{files['PATIENTS'].path} and ADMISSIONS have no subject_id in common: they are not of one download; "
            "put the files of one version in the folder"
        )
    joined["age"] = ages(joined["dob"], joined["admittime"])
    newborn = joined["admission_type"].astype(object).eq("NEWBORN").to_numpy()
    unlasting = ~(joined["dischtime"] >= joined["admittime"]).to_numpy()
    young = ~unlasting & ~stranger & (newborn | ~(joined["age"] >= YOUNGEST).to_numpy())
    notes = [
        f"{int(rows.sum()):,} of {len(joined):,} admissions are dropped: {why}"
        for rows, why in (
            (unlasting, "the time of admission or discharge is missing, or discharge comes first"),
            (stranger & ~unlasting, "PATIENTS does not have the patient"),
            (young, f"newborns and patients under {YOUNGEST}, or of unknown age"),
        )
        if rows.any()
    ]
    kept = ~(unlasting | stranger | young)
    if not kept.any():
        raise DataError(f"no admission in {files['ADMISSIONS'].path} can be used: {'; '.join(notes)}; use the files as they are published")
    return Stays(joined, kept), notes


def ages(born: pd.Series, admitted: pd.Series) -> pd.Series:
    """(n,) whole years at admission, by the calendar: a difference of 300 years in nanoseconds does not fit 64 bits. Over 89 they are 90."""
    before_birthday = (admitted.dt.month * 100 + admitted.dt.day) < (born.dt.month * 100 + born.dt.day)
    years = (admitted.dt.year - born.dt.year - before_birthday).astype(np.float64)
    return years.where(~(years >= OLDEST), float(OLDEST))


def _words(values: pd.Series, group: Callable[[str], str | None], missing: str | None = None) -> Shaped[np.ndarray, " n"]:
    """The group of each value of a categorical column, found once for each distinct one."""
    groups = np.array([*(group(str(value)) or missing for value in values.cat.categories), missing], dtype=object)
    return groups[values.cat.codes.to_numpy()]


def _admission_columns(stays: Stays) -> pd.DataFrame:
    admissions = stays.admissions
    frame = pd.DataFrame({"gender": pd.Categorical(_words(admissions["gender"], str.strip)), "age": admissions["age"]})
    for name in ("admission_type", "admission_location", "insurance"):
        frame[name] = pd.Categorical(_words(admissions[name], str.strip))
    frame["marital_status"] = pd.Categorical(_words(admissions["marital_status"], marital_group, "unknown"))
    frame["ethnicity"] = pd.Categorical(_words(admissions["ethnicity"], ethnic_group, "unknown"))
    return frame


def _first(
    stays: Stays, other: pd.DataFrame, table: TableFile, time: str, column: str, group: Callable[[str], str | None]
) -> pd.Categorical:
    """What came first for each admission, up to the end of its first day; ``"none"`` where nothing did."""
    places = stays.place(other, table)
    first = np.full(len(stays.admissions), "none", dtype=object)
    rows = pd.DataFrame({"place": places, "time": other[time], "word": _words(other[column], group)})
    rows = rows[_by_the_first_day(stays, places, other[time]) & rows["word"].notna()]
    rows = rows.sort_values("time", kind="stable").drop_duplicates("place")
    first[rows["place"].to_numpy()] = rows["word"].to_numpy()
    return pd.Categorical(first)


def _by_the_first_day(stays: Stays, places: np.ndarray, times: pd.Series) -> Bool[np.ndarray, " rows"]:
    """Which rows of another table are dated on the day of their admission, or before."""
    day = stays.day().take(np.maximum(places, 0)).reset_index(drop=True)
    return (places >= 0) & (times.reset_index(drop=True).dt.normalize() <= day).to_numpy()


def _flags(places: np.ndarray, words: np.ndarray, groups: tuple[str, ...], count: int) -> Bool[np.ndarray, "n groups"]:
    """For each admission which of the groups its rows are of; rows of no group or no admission count for nothing."""
    numbers = pd.Index(groups).get_indexer(pd.Index(words, dtype=object))
    flags = np.zeros((count, len(groups)), bool)
    there = (places >= 0) & (numbers >= 0)
    flags[places[there], numbers[there]] = True
    return flags


def _yes_no(flags: Bool[np.ndarray, "n groups"], names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Categorical.from_codes(flags[:, i].astype(np.int8), pd.Index(["no", "yes"])) for i, name in enumerate(names)}
    )


def _diagnosis_columns(stays: Stays, coded: pd.DataFrame, table: TableFile, diagnoses: str) -> pd.DataFrame:
    flags = _flags(stays.place(coded, table), _words(coded["icd9_code"], diagnosis_chapter), CHAPTERS, len(stays.admissions))
    before, after = earlier_pairs(stays.admissions)
    counts = np.bincount(after, minlength=len(flags))
    if diagnoses == "admission":
        columns = _yes_no(flags, [f"diagnosis_{name}" for name in CHAPTERS])
    else:
        past = np.zeros_like(flags)
        np.logical_or.at(past, after, flags[before])
        columns = _yes_no(past, [f"earlier_{name}" for name in CHAPTERS])
    columns.insert(0, "earlier_admissions", counts.astype(np.int64))
    return columns


def earlier_pairs(admissions: pd.DataFrame) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Rows of two admissions of one patient, the first of which was over when the second began: (pairs,) of each."""
    times = admissions[["subject_id", "admittime", "dischtime"]].assign(row=np.arange(len(admissions)))
    pairs = times.merge(times, on="subject_id", suffixes=("_before", "_after"))
    over = (pairs["dischtime_before"] <= pairs["admittime_after"]) & (pairs["admittime_before"] < pairs["admittime_after"])
    return pairs.loc[over, "row_before"].to_numpy(np.int64), pairs.loc[over, "row_after"].to_numpy(np.int64)


def _drug_columns(stays: Stays, prescribed: pd.DataFrame, table: TableFile) -> pd.DataFrame:
    places = stays.place(prescribed, table)
    early = _by_the_first_day(stays, places, prescribed["startdate"])
    flags = _flags(places[early], _words(prescribed["drug"], drug_group)[early], DRUG_GROUPS, len(stays.admissions))
    return _yes_no(flags, [f"drug_{name}" for name in DRUG_GROUPS])


def _targets(stays: Stays, procedures: pd.DataFrame, table: TableFile) -> pd.DataFrame:
    times = stays.admissions
    days = (times["dischtime"] - times["admittime"]).dt.total_seconds().to_numpy() / 86400
    bins = np.select([days < 3, days <= 7, days <= 14], ["<3 d", "3-7 d", "7-14 d"], ">14 d")
    places = stays.place(procedures, table)
    if letters := [str(code) for code in procedures["icd9_code"].cat.categories if str(code)[:1].upper() in ("V", "E")]:
        raise DataError(
            f"{table.path} holds {letters[0]!r}, which is a diagnosis: it is DIAGNOSES_ICD's file; put PROCEDURES_ICD's own there"
        )
    first = pd.DataFrame({"place": places, "order": procedures["seq_num"], "group": _words(procedures["icd9_code"], procedure_group)})
    first = first[(first["place"] >= 0) & first["group"].notna()].sort_values("order", kind="stable").drop_duplicates("place")
    treatment = np.full(len(times), "none", dtype=object)
    treatment[first["place"].to_numpy()] = first["group"].to_numpy()
    return pd.DataFrame({"long_stay": np.where(days > 7, "> 7 d", "<= 7 d"), "length_of_stay": bins, "treatment": treatment})
