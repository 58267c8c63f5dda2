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
from contextssl.data.tables import mimic3_codes
from contextssl.data.tables.mimic3_codes import CHAPTERS, DRUG_GROUPS
from contextssl.data.tables.mimic3_files import TableFile, find_tables, read_table_file
from contextssl.data.tables.records_table import SPLITS, Table
from contextssl.errors import DataError, SettingsError, nearest

DIAGNOSES = ("earlier", "admission")
YOUNGEST, OLDEST = 15, 90
# Under so many admissions a note says what numbers are worth.
FEW_ADMISSIONS = 1000


@dataclass(frozen=True)
class Stays:
    """All admissions, one per row, in the order of their file, and where other tables' rows belong."""

    admissions: pd.DataFrame  # the columns that are read, with the patient's gender and date of birth
    kept: Bool[np.ndarray, " n"]  # which are rows of the table; the others only say what came before

    def places(self, ids: pd.Series, table: TableFile) -> Int64[np.ndarray, " rows"]:
        """Of each row of another table, which has these ``hadm_id``, the admission's row, -1 for none; raises DataError where all have none."""
        places = pd.Index(self.admissions["hadm_id"].to_numpy(np.int64)).get_indexer(ids.fillna(-1).to_numpy(np.int64))
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
    files = find_tables(Path(data_dir))

    def read(name: str) -> pd.DataFrame:
        say(f"reading {files[name].path.name}")
        return read_table_file(files[name])

    stays, notes = _stays(read("ADMISSIONS"), read("PATIENTS"), files)

    def placed(name: str) -> pd.DataFrame:
        rows = read(name)
        rows["place"] = stays.places(rows["hadm_id"], files[name])
        return rows

    frame = _admission_columns(stays)
    frame["first_service"] = _first_early(stays, placed("SERVICES"), "transfertime", "curr_service", mimic3_codes.service_group)
    frame["first_careunit"] = _first_early(stays, placed("ICUSTAYS"), "intime", "first_careunit", str.strip)
    coded, procedures = placed("DIAGNOSES_ICD"), placed("PROCEDURES_ICD")
    frame = frame.join([_diagnosis_columns(stays, coded, diagnoses), _drug_columns(stays, placed("PRESCRIPTIONS"))])
    targets = _targets(stays, procedures, files["PROCEDURES_ICD"])
    for name, codes in (("DIAGNOSES_ICD", coded), ("PROCEDURES_ICD", procedures)):
        if mimic3_codes.lost_zeros(map(str, codes["icd9_code"].cat.categories)):
            notes.append(f"{files[name].path.name} has codes without their leading zeros, so some are read as of another group")

    frame, targets = (rows[stays.kept].reset_index(drop=True) for rows in (frame, targets))
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
            "path": str(Path(data_dir).resolve()),
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
    frame["marital_status"] = pd.Categorical(_words(admissions["marital_status"], mimic3_codes.marital_group, "unknown"))
    frame["ethnicity"] = pd.Categorical(_words(admissions["ethnicity"], mimic3_codes.ethnic_group, "unknown"))
    return frame


def _first(stays: Stays, places: Int64[np.ndarray, " rows"], order: pd.Series, words: np.ndarray) -> Shaped[np.ndarray, " n"]:
    """Of each admission the word of its first row in that order, ``"none"`` where it has none; rows without a word are passed over."""
    rows = pd.DataFrame({"place": places, "order": order, "word": words})
    rows = rows[(places >= 0) & rows["word"].notna()].sort_values("order", kind="stable").drop_duplicates("place")
    first = np.full(len(stays.admissions), "none", dtype=object)
    first[rows["place"].to_numpy()] = rows["word"].to_numpy()
    return first


def _early_places(stays: Stays, rows: pd.DataFrame, time: str) -> Int64[np.ndarray, " rows"]:
    """The places of rows that are dated on the day of their admission or before; -1 of the others."""
    places = rows["place"].to_numpy()
    day = stays.admissions["admittime"].dt.normalize().take(np.maximum(places, 0)).reset_index(drop=True)
    return np.where((rows[time].dt.normalize() <= day).to_numpy(), places, -1)


def _first_early(stays: Stays, rows: pd.DataFrame, time: str, column: str, group: Callable[[str], str | None]) -> pd.Categorical:
    """What came first for each admission, up to the end of its first day."""
    return pd.Categorical(_first(stays, _early_places(stays, rows, time), rows[time], _words(rows[column], group)))


def _flags(stays: Stays, places: np.ndarray, words: np.ndarray, groups: tuple[str, ...]) -> Bool[np.ndarray, "n groups"]:
    """For each admission which of the groups its rows are of; rows of no group or no admission count for nothing."""
    numbers = pd.Index(groups).get_indexer(pd.Index(words, dtype=object))
    flags = np.zeros((len(stays.admissions), len(groups)), bool)
    there = (places >= 0) & (numbers >= 0)
    flags[places[there], numbers[there]] = True
    return flags


def _yes_no(flags: Bool[np.ndarray, "n groups"], what: str, groups: tuple[str, ...]) -> pd.DataFrame:
    answers, codes = pd.Index(["no", "yes"]), flags.T.astype(np.int8)
    return pd.DataFrame({f"{what}_{group}": pd.Categorical.from_codes(own, answers) for group, own in zip(groups, codes, strict=True)})


def _diagnosis_columns(stays: Stays, coded: pd.DataFrame, diagnoses: str) -> pd.DataFrame:
    flags = _flags(stays, coded["place"].to_numpy(), _words(coded["icd9_code"], mimic3_codes.diagnosis_chapter), CHAPTERS)
    before, after = earlier_pairs(stays.admissions)
    counts = np.bincount(after, minlength=len(flags))
    if diagnoses == "admission":
        columns = _yes_no(flags, "diagnosis", CHAPTERS)
    else:
        past = np.zeros_like(flags)
        np.logical_or.at(past, after, flags[before])
        columns = _yes_no(past, "earlier", CHAPTERS)
    columns.insert(0, "earlier_admissions", counts.astype(np.int64))
    return columns


def earlier_pairs(admissions: pd.DataFrame) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Rows of two admissions of one patient, the first of which was over when the second began: (pairs,) of each."""
    times = admissions[["subject_id", "admittime", "dischtime"]].assign(row=np.arange(len(admissions)))
    pairs = times.merge(times, on="subject_id", suffixes=("_before", "_after"))
    over = (pairs["dischtime_before"] <= pairs["admittime_after"]) & (pairs["admittime_before"] < pairs["admittime_after"])
    return pairs.loc[over, "row_before"].to_numpy(np.int64), pairs.loc[over, "row_after"].to_numpy(np.int64)


def _drug_columns(stays: Stays, prescribed: pd.DataFrame) -> pd.DataFrame:
    places = _early_places(stays, prescribed, "startdate")
    return _yes_no(_flags(stays, places, _words(prescribed["drug"], mimic3_codes.drug_group), DRUG_GROUPS), "drug", DRUG_GROUPS)


def _targets(stays: Stays, procedures: pd.DataFrame, table: TableFile) -> pd.DataFrame:
    times = stays.admissions
    days = (times["dischtime"] - times["admittime"]).dt.total_seconds().to_numpy() / 86400
    bins = np.select([days < 3, days <= 7, days <= 14], ["<3 d", "3-7 d", "7-14 d"], ">14 d")
    if letters := [str(code) for code in procedures["icd9_code"].cat.categories if str(code)[:1].upper() in ("V", "E")]:
        raise DataError(
            f"{table.path} holds {letters[0]!r}, which is a diagnosis: it is DIAGNOSES_ICD's file; put PROCEDURES_ICD's own there"
        )
    groups = _words(procedures["icd9_code"], mimic3_codes.procedure_group)
    treatment = _first(stays, procedures["place"].to_numpy(), procedures["seq_num"], groups)
    return pd.DataFrame({"long_stay": np.where(days > 7, "> 7 d", "<= 7 d"), "length_of_stay": bins, "treatment": treatment})
