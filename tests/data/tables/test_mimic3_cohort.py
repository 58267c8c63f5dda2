from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contextssl.data.tables.mimic3_codes import (
    diagnosis_chapter,
    drug_group,
    ethnic_group,
    lost_zeros,
    marital_group,
    procedure_group,
    service_group,
)
from contextssl.data.tables.mimic3_cohort import read_mimic3
from contextssl.data.tables.records_table import Table
from contextssl.errors import DataError, SettingsError

DEMO = Path(__file__).parents[3].parent / "shared" / "data" / "mimic3_demo"
needs_demo = pytest.mark.skipif(not DEMO.is_dir(), reason=f"MIMIC-III's demo is not in {DEMO}")

ADMISSIONS = (
    "row_id,subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admission_location,discharge_location,"
    "insurance,marital_status,ethnicity,hospital_expire_flag"
)
# Six patients. Of the first: three stays, the second overlapping the third's beginning, so not over when that begins.
TABLES = {
    "PATIENTS": """row_id,subject_id,gender,dob,dod
1,1,F,2080-06-15 00:00:00,2131-01-01 00:00:00
2,2,M,1820-03-01 00:00:00,
3,3,M,2100-01-01 00:00:00,
4,4,F,2120-01-10 00:00:00,
5,5,F,2070-01-01 00:00:00,
6,6,M,2060-01-01 00:00:00,
""",
    "ADMISSIONS": f"""{ADMISSIONS}
1,1,10,2130-06-14 10:00:00,2130-06-17 09:59:59,,EMERGENCY,EMERGENCY ROOM ADMIT,HOME,Medicare,MARRIED,WHITE - RUSSIAN,0
2,1,11,2130-07-01 10:00:00,2130-07-08 10:00:00,,URGENT,EMERGENCY ROOM ADMIT,HOME,Medicare,DIVORCED,WHITE - RUSSIAN,0
3,1,12,2130-07-08 09:00:00,2130-07-15 09:00:01,2130-07-15 09:00:01,ELECTIVE,EMERGENCY ROOM ADMIT,DEAD/EXPIRED,Medicare,,WHITE,1
4,2,20,2120-04-01 23:50:00,2120-04-15 23:50:00,,EMERGENCY,CLINIC REFERRAL/PREMATURE,SNF,Private,SINGLE,UNABLE TO OBTAIN,0
5,3,30,2130-01-01 00:00:00,2130-01-04 00:00:00,,EMERGENCY,,HOME,Private,WIDOWED,HISPANIC OR LATINO,0
6,4,40,2120-01-10 05:00:00,2120-01-12 05:00:00,,NEWBORN,CLINIC REFERRAL/PREMATURE,HOME,Private,,ASIAN,0
7,5,50,2130-01-05 00:00:00,2130-01-04 00:00:00,,EMERGENCY,,HOME,Private,,OTHER,0
8,6,60,2130-01-01 00:00:00,2130-02-01 00:00:00,,ELECTIVE,,HOME,Private,LIFE PARTNER,BLACK/HAITIAN,0
""",
    "ICUSTAYS": """row_id,subject_id,hadm_id,icustay_id,first_careunit,last_careunit,intime,outtime,los
1,1,10,100,SICU,SICU,2130-06-14 20:00:00,2130-06-15 20:00:00,1
2,1,10,101,MICU,MICU,2130-06-14 11:00:00,2130-06-14 15:00:00,0.1
3,1,11,102,CCU,CCU,2130-07-02 00:00:00,2130-07-03 20:00:00,1
4,2,20,103,CSRU,MICU,2120-04-01 23:59:59,2120-04-10 00:00:00,9
5,9,99,104,NICU,NICU,2120-04-01 23:59:59,2120-04-10 00:00:00,9
""",
    "SERVICES": """row_id,subject_id,hadm_id,transfertime,prev_service,curr_service
1,1,10,2130-06-14 12:00:00,MED,SURG
2,1,10,2130-06-14 10:05:00,,MED
3,1,11,2130-07-01 10:05:00,,GYN
4,2,20,2120-04-02 00:00:00,,CMED
5,6,60,2130-01-01 00:00:00,,NSURG
""",
    "DIAGNOSES_ICD": """row_id,subject_id,hadm_id,seq_num,icd9_code
1,1,10,1,4280
2,1,10,2,0389
3,1,11,1,V4581
4,1,12,1,E8788
5,2,20,1,64201
6,3,30,,
""",
    "PROCEDURES_ICD": """row_id,subject_id,hadm_id,seq_num,icd9_code
1,1,10,2,9671
2,1,10,1,3612
3,1,11,1,3893
4,2,20,1,0331
5,6,60,1,4701
""",
    "PRESCRIPTIONS": """row_id,subject_id,hadm_id,startdate,enddate,drug_type,drug
1,1,10,2130-06-14 00:00:00,2130-06-15 00:00:00,MAIN,CefePIME
2,1,10,2130-06-15 00:00:00,2130-06-16 00:00:00,MAIN,Furosemide
3,1,11,2130-06-30 00:00:00,2130-07-16 00:00:00,MAIN,Insulin
4,1,12,,2130-07-16 00:00:00,MAIN,Warfarin
5,2,20,2120-04-01 00:00:00,2120-04-05 00:00:00,BASE,Vial
6,2,20,2120-04-01 00:00:00,2120-04-05 00:00:00,MAIN,"Aspirin, chewable"
""",
}


def write(folder: Path, **changed: str | None) -> Path:
    """The database, with some tables' text in place of theirs, or None to leave them out."""
    folder.mkdir(exist_ok=True)
    for name, text in {**TABLES, **changed}.items():
        if text is not None:
            (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return read_mimic3(write(tmp_path / "mimic"), val_fraction=0.5, test_fraction=0.0, seed=SEED)


SEED = 1  # leaves two rows at least in training and validation


# The rows that are left: stays 10, 11, 12, 20, 30, 60.
def column(table: Table, name: str) -> list[object]:
    return list(table.frame[name])


def test_only_adults_who_were_discharged_after_admission_are_rows_and_notes_count_the_rest(table: Table) -> None:
    assert len(table) == 6
    left, young, few = table.notes
    assert left.startswith("1 of 8 admissions are dropped") and "discharge comes first" in left
    assert young.startswith("1 of 8 admissions are dropped: newborns")
    assert few == "6 admissions show that the program runs, no more: numbers from so few rows mean nothing"


def test_ages_are_whole_years_and_90_where_the_birth_was_shifted(table: Table) -> None:
    assert column(table, "age") == [49, 50, 50, 90, 30, 70]


def test_what_is_known_at_admission(table: Table) -> None:
    assert column(table, "gender") == ["F", "F", "F", "M", "M", "M"]
    assert column(table, "ethnicity") == ["white", "white", "white", "unknown", "hispanic", "black"]
    assert column(table, "marital_status") == ["married", "separated", "unknown", "single", "widowed", "married"]
    assert column(table, "admission_type") == ["EMERGENCY", "URGENT", "ELECTIVE", "EMERGENCY", "EMERGENCY", "ELECTIVE"]
    assert table.frame["admission_location"].isna().tolist() == [False, False, False, False, True, True]


def test_the_first_service_and_care_unit_go_by_time_and_by_the_day_of_admission(table: Table) -> None:
    # 10: MED and MICU came first. 11: intensive care on the next day, by a second of midnight. 20: the service on the next day.
    assert column(table, "first_service") == ["MED", "OTHER", "none", "none", "none", "NSURG"]
    assert column(table, "first_careunit") == ["MICU", "none", "none", "CSRU", "none", "none"]


def test_drugs_count_up_to_the_day_of_admission(table: Table) -> None:
    assert column(table, "drug_antibiotic") == ["yes", "no", "no", "no", "no", "no"]
    assert column(table, "drug_diuretic") == ["no"] * 6
    assert column(table, "drug_insulin") == ["no", "yes", "no", "no", "no", "no"]
    assert column(table, "drug_anticoagulant") == ["no"] * 6
    assert column(table, "drug_other") == ["no", "no", "no", "yes", "no", "no"]


def test_diagnoses_are_of_stays_that_were_over(table: Table) -> None:
    # 12 began an hour before 11 ended: it knows of 10 alone.
    assert column(table, "earlier_admissions") == [0, 1, 1, 0, 0, 0]
    for chapter in ("circulatory", "infection"):
        assert column(table, f"earlier_{chapter}") == ["no", "yes", "yes", "no", "no", "no"]
    assert column(table, "earlier_health_factor") == ["no"] * 6
    assert dict(table.proxies) == {"earlier_pregnancy": "gender"}


def test_diagnoses_of_the_stay_itself_come_on_request_with_a_note(tmp_path: Path) -> None:
    table = read_mimic3(write(tmp_path / "mimic"), val_fraction=0.5, test_fraction=0.0, seed=SEED, diagnoses="admission")
    assert column(table, "diagnosis_circulatory") == ["yes", "no", "no", "no", "no", "no"]
    assert column(table, "diagnosis_health_factor") == ["no", "yes", "no", "no", "no", "no"]
    assert column(table, "diagnosis_external_cause") == ["no", "no", "yes", "no", "no", "no"]
    assert column(table, "earlier_admissions") == [0, 1, 1, 0, 0, 0]
    assert not [name for name in table.frame if str(name).startswith("earlier_") and name != "earlier_admissions"]
    assert any("known at its discharge alone" in note for note in table.notes)
    assert dict(table.proxies) == {"diagnosis_pregnancy": "gender"}
    assert table.description["diagnoses"] == "admission"


def test_targets_at_the_edges_of_their_bins(table: Table) -> None:
    # A second less than 3 days, 7 days, a second more than that, 14 days, 3 days, 31 days.
    assert list(table.targets) == ["long_stay", "length_of_stay", "treatment"]
    assert list(table.targets["length_of_stay"]) == ["<3 d", "3-7 d", "7-14 d", "7-14 d", "3-7 d", ">14 d"]
    assert list(table.targets["long_stay"]) == ["<= 7 d", "<= 7 d", "> 7 d", "> 7 d", "<= 7 d", "> 7 d"]
    assert list(table.targets["treatment"]) == ["cardiovascular", "bedside", "none", "nervous", "none", "digestive"]


def test_a_treatment_that_all_share_is_no_target(tmp_path: Path) -> None:
    procedures = "row_id,subject_id,hadm_id,seq_num,icd9_code\n1,4,40,1,9671\n"
    table = read_mimic3(write(tmp_path / "mimic", PROCEDURES_ICD=procedures), val_fraction=0.5, test_fraction=0.0, seed=SEED)
    assert "treatment" not in table.targets
    assert "treatment is dropped: it is none in all rows" in table.notes


def test_codes_without_leading_zeros_are_noted(tmp_path: Path) -> None:
    procedures = TABLES["PROCEDURES_ICD"] + "9,3,30,1,66\n"
    table = read_mimic3(write(tmp_path / "mimic", PROCEDURES_ICD=procedures), val_fraction=0.5, test_fraction=0.0, seed=SEED)
    assert table.targets["treatment"][4] == "cardiovascular"
    assert any("PROCEDURES_ICD.csv has codes without their leading zeros" in note for note in table.notes)


def same(first: Table, second: Table) -> None:
    pd.testing.assert_frame_equal(first.frame, second.frame)
    pd.testing.assert_frame_equal(first.targets, second.targets)
    assert (first.splits == second.splits).all()


def test_names_and_headers_in_either_case_plain_or_compressed(tmp_path: Path, table: Table) -> None:
    shouted = tmp_path / "shouted"
    shouted.mkdir()
    for i, (name, text) in enumerate(TABLES.items()):
        header, _, rows = text.partition("\n")
        body = f"\ufeff{header.upper()}\r\n{rows}"
        if i % 2:
            (shouted / f"{name.lower()}.CSV.GZ").write_bytes(gzip.compress(body.encode()))
        else:
            (shouted / f"{name.lower()}.csv").write_text(body)
    same(table, read_mimic3(shouted, val_fraction=0.5, test_fraction=0.0, seed=SEED))


def test_what_is_read_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    read_mimic3(write(tmp_path / "mimic"), val_fraction=0.5, test_fraction=0.0, seed=SEED, say=said.append)
    assert sorted(said) == sorted(f"reading {name}.csv" for name in TABLES)


LATER: tuple[tuple[str, str], ...] = (
    ("dod", "2199-01-01 00:00:00"),
    ("deathtime", "2199-01-01 00:00:00"),
    ("discharge_location", "SNF"),
    ("hospital_expire_flag", "1"),
)
LATER += (("outtime", "2199-01-01 00:00:00"), ("los", "55"), ("enddate", "2199-01-01 00:00:00"), ("last_careunit", "X"))


def changed_afterwards(source: Path, folder: Path, lasting: float) -> Path:
    """The database with shorter stays (so that what was over stays over), other deaths, and other entries after the day of admission."""
    folder.mkdir()
    read = {path.name.partition(".")[0]: pd.read_csv(path, dtype=str) for path in source.glob("*.csv")}
    admissions = read["ADMISSIONS"]
    admitted, left = (pd.to_datetime(admissions[name]) for name in ("admittime", "dischtime"))
    admissions["dischtime"] = (admitted + (left - admitted) * lasting).dt.strftime("%Y-%m-%d %H:%M:%S")
    day = pd.Series(admitted.dt.normalize().to_numpy(), index=admissions["hadm_id"])
    for name, frame in read.items():
        for column, value in LATER:
            if column in frame:
                frame[column] = value
        for time, what in (("transfertime", "curr_service"), ("intime", "first_careunit"), ("startdate", "drug")):
            if time in frame:
                later = pd.to_datetime(frame[time]).dt.normalize() > frame["hadm_id"].map(day)
                frame.loc[later, what] = "Heparin"
        if name == "PROCEDURES_ICD":
            frame["icd9_code"] = "4701"
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_nothing_that_is_known_later_is_in_the_columns(tmp_path: Path, table: Table) -> None:
    # Half an hour less of a week: the second stay still overlaps the third.
    changed = read_mimic3(
        changed_afterwards(write(tmp_path / "mimic"), tmp_path / "after", 0.997), val_fraction=0.5, test_fraction=0.0, seed=SEED
    )
    pd.testing.assert_frame_equal(table.frame, changed.frame)
    assert not table.targets["length_of_stay"].equals(changed.targets["length_of_stay"])


# What the last stay of a patient is coded for says nothing of any stay.
def test_diagnoses_of_the_last_stay_are_in_no_column(tmp_path: Path, table: Table) -> None:
    codes = TABLES["DIAGNOSES_ICD"].replace("1,12,1,E8788", "1,12,1,4280").replace("64201", "0389")
    changed = read_mimic3(write(tmp_path / "other", DIAGNOSES_ICD=codes), val_fraction=0.5, test_fraction=0.0, seed=SEED)
    pd.testing.assert_frame_equal(table.frame, changed.frame)


def test_nobody_is_in_two_splits(table: Table) -> None:
    assert len(set(table.splits[:3])) == 1  # the three stays of one patient
    assert {"train", "val"} == set(table.splits)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict.fromkeys(("PATIENTS", "SERVICES")), "no PATIENTS.csv, SERVICES.csv in .*put MIMIC-III's files there"),
        ({"PATIENTS": TABLES["PATIENTS"].replace("dob", "born")}, "PATIENTS.csv has no column dob.*row_id, subject_id, gender, born"),
        ({"PATIENTS": TABLES["ADMISSIONS"]}, "PATIENTS.csv holds the columns of ADMISSIONS, not of PATIENTS"),
        ({"SERVICES": TABLES["PRESCRIPTIONS"]}, "SERVICES.csv holds the columns of PRESCRIPTIONS"),
        ({"PROCEDURES_ICD": TABLES["DIAGNOSES_ICD"]}, "PROCEDURES_ICD.csv holds '[EV]\\d+', which is a diagnosis"),
        ({"SERVICES": ""}, "SERVICES.csv is empty"),
        ({"SERVICES": TABLES["SERVICES"].partition("\n")[0] + "\n"}, "SERVICES.csv has a header and no rows"),
        ({"SERVICES": TABLES["SERVICES"].replace(",", ";")}, "SERVICES.csv has one column.*split by ';'; save it with commas"),
        ({"SERVICES": TABLES["SERVICES"].replace(",", "\t")}, "SERVICES.csv has one column.*split by"),
        ({"SERVICES": TABLES["SERVICES"].replace("row_id", "HADM_ID")}, "SERVICES.csv has the column 'hadm_id' twice"),
        ({"SERVICES": TABLES["SERVICES"] + "6,6,60\n"}, "SERVICES.csv cannot be read: line 7 has 3 fields where there should be 6"),
        ({"SERVICES": TABLES["SERVICES"] + "6,6,60,2130-01-01 00:00:00,,MED,\n"}, "line 7 has 7 fields where there should be 6"),
        ({"SERVICES": TABLES["SERVICES"].replace(",20,", ",2x,")}, "the column hadm_id.* holds '2x', which is no whole number"),
        ({"PATIENTS": TABLES["PATIENTS"].replace("2100-01-01", "01/01/2100")}, "PATIENTS.csv has '01/01/2100 00:00:00' in the column dob"),
        ({"PRESCRIPTIONS": TABLES["PRESCRIPTIONS"].replace("2130-06-30 00:00:00", "soon")}, "'soon' in the column startdate"),
        ({"SERVICES": re.sub(r",(\d0|11),", r",9\1,", TABLES["SERVICES"])}, "SERVICES.csv and ADMISSIONS have no hadm_id in common"),
        ({"PATIENTS": "subject_id,gender,dob\n77,F,2100-01-01 00:00:00\n"}, "PATIENTS.csv and ADMISSIONS have no subject_id in common"),
        ({"PATIENTS": TABLES["PATIENTS"] + "7,6,M,2060-01-01 00:00:00,\n"}, "PATIENTS.csv has the subject_id 6 twice"),
        ({"ADMISSIONS": TABLES["ADMISSIONS"].replace("8,6,60", "8,6,50")}, "ADMISSIONS.csv has the hadm_id 50 twice"),
        ({"ADMISSIONS": TABLES["ADMISSIONS"].replace("8,6,60", "8,6,")}, "ADMISSIONS.csv has a row without hadm_id"),
        ({"PATIENTS": re.sub("([MF]),....", r"\1,2140", TABLES["PATIENTS"])}, "no admission in .* can be used: .*patients under 15"),
    ],
)  # fmt: skip
def test_bad_files_are_named_with_the_fix(tmp_path: Path, changed: dict[str, str | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_mimic3(write(tmp_path / "mimic", **changed))


def damaged(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("damage", [damaged, lambda data: b"no gzip" + data, lambda data: b""])
def test_a_damaged_archive(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    folder = write(tmp_path / "mimic", SERVICES=None)
    noise = np.random.default_rng(0).integers(0, 10**9, 20_000)
    rows = "".join(f"{i},6,60,2130-01-01 00:00:00,,{word}\n" for i, word in enumerate(noise.tolist()))
    text = TABLES["SERVICES"] + rows
    (folder / "SERVICES.csv.gz").write_bytes(damage(gzip.compress(text.encode())))
    with pytest.raises(DataError, match="SERVICES.csv.gz (cannot be decompressed|is empty).*download it again"):
        read_mimic3(folder)


@pytest.mark.parametrize("before", [0, 2_000])
def test_text_that_is_not_utf8(tmp_path: Path, before: int) -> None:
    folder = write(tmp_path / "mimic")
    rows = "9,6,60,2130-01-01 00:00:00,,MED\n" * before + "9,6,60,2130-01-01 00:00:00,,M\xc9D\n"
    (folder / "SERVICES.csv").write_bytes((TABLES["SERVICES"] + rows).encode("latin-1"))
    with pytest.raises(DataError, match=r"SERVICES.csv (is no text of|cannot be read: .*) ?UTF-?8.*copy or download it again"):
        read_mimic3(folder)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing: give data_dir=DIR"):
        read_mimic3(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is not a folder"):
        read_mimic3(tmp_path / "file")


def test_settings_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unknown diagnoses='later': did you mean|known: admission, earlier"):
        read_mimic3(tmp_path, diagnoses="later")
    with pytest.raises(SettingsError, match="test_fraction=1.5"):
        read_mimic3(write(tmp_path / "mimic"), test_fraction=1.5)


@pytest.mark.parametrize(
    ("code", "chapter"),
    [
        ("0010", "infection"),
        ("1398", "infection"),
        ("1400", "neoplasm"),
        ("3899", "nervous"),
        ("390", "circulatory"),
        ("038.9", "infection"),
        ("7999", "symptom"),
        ("9999", "injury"),
        ("e8788", "external_cause"),
        ("V4581", "health_factor"),
        ("12", None),
        ("x", None),
        ("", None),
    ],
)
def test_chapters_of_diagnoses(code: str, chapter: str | None) -> None:
    assert diagnosis_chapter(code) == chapter


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("0012", "other"),
        ("0066", "cardiovascular"),
        ("0159", "nervous"),
        ("046", "nervous"),
        ("0852", "other"),
        ("311", "respiratory"),
        ("387", "cardiovascular"),
        ("3893", "bedside"),
        ("403", "other"),
        ("458", "digestive"),
        ("5551", "urogenital"),
        ("741", "urogenital"),
        ("8151", "musculoskeletal"),
        ("966", "bedside"),
        ("96.71", "bedside"),
        ("66", "cardiovascular"),
        ("x", None),
        ("", None),
    ],
)
def test_groups_of_procedures(code: str, group: str | None) -> None:
    assert procedure_group(code) == group


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Vancomycin HCl", "antibiotic"),
        ("Penicillin G Potassium", "antibiotic"),
        ("Mitomycin", "other"),
        ("Heparin Sodium", "anticoagulant"),
        ("Heparin Flush CVL  (100 units/ml)", "fluid_electrolyte"),
        ("HYDROmorphone (Dilaudid)", "opioid"),
        ("Midazolam HCl", "sedative"),
        ("AcetaZOLamide", "diuretic"),
        ("NORepinephrine", "vasopressor"),
        ("Pseudoephedrine HCl", "other"),
        ("Insulin", "insulin"),
        ("Metoprolol XL", "beta_blocker"),
        ("PredniSONE", "corticosteroid"),
        ("PrednisoLONE Acetate 1% Ophth. Susp.", "other"),
        ("Atorvastatin", "statin"),
        ("Nystatin", "other"),
        ("Pantoprazole", "acid_suppression"),
        ("Aripiprazole", "antipsychotic"),
        ("Amiodarone HCl", "antiarrhythmic"),
        ("Albuterol-Ipratropium", "bronchodilator"),
        ("Rosuvastatin Calcium", "statin"),
        ("NS (Mini Bag Plus)", "fluid_electrolyte"),
        ("Losartan Potassium", "other"),
        ("Potassium Chloride", "fluid_electrolyte"),
        ("Timolol Maleate 0.5%", "other"),
        ("Bag", None),
        ("Sterile Water", None),
        ("  ", None),
    ],
)
def test_groups_of_drugs(name: str, group: str | None) -> None:
    assert drug_group(name) == group


def test_groups_of_people_and_services() -> None:
    ethnicities = {"WHITE - BRAZILIAN": "white", "BLACK/CAPE VERDEAN": "black", "CARIBBEAN ISLAND": "black", "ASIAN - CHINESE": "asian"}
    ethnicities |= {"HISPANIC/LATINO - CUBAN": "hispanic", "PORTUGUESE": "other", "PATIENT DECLINED TO ANSWER": "unknown", "": "unknown"}
    assert {name: ethnic_group(name) for name in ethnicities} == ethnicities
    assert [marital_group(name) for name in ("SEPARATED", "UNKNOWN (DEFAULT)", "")] == ["separated", "unknown", "unknown"]
    assert [service_group(name) for name in ("OBS", "gyn", " CMED")] == ["OTHER", "OTHER", "CMED"]
    assert lost_zeros(["3893", "66"]) and not lost_zeros(["3893", "046", "V1"])


@needs_demo
def test_the_demo() -> None:
    table = read_mimic3(DEMO)
    counts = dict(zip(*np.unique(table.splits, return_counts=True), strict=True))
    assert counts == table.description["rows"] and min(counts.values()) >= 2
    assert len(table) == sum(counts.values()) == 129
    assert table.notes[-1].startswith("129 admissions show that the program runs")
    assert table.frame["age"].between(15, 90).all()
    assert table.targets["treatment"].nunique() <= 9
    people = pd.read_csv(DEMO / "ADMISSIONS.csv")["subject_id"].to_numpy()
    assert all(len(set(table.splits[people == person])) == 1 for person in np.unique(people))
    assert not np.array_equal(table.splits, read_mimic3(DEMO, seed=1).splits)


@needs_demo
def test_nothing_that_is_known_later_is_in_the_columns_of_the_demo(tmp_path: Path) -> None:
    changed = read_mimic3(changed_afterwards(DEMO, tmp_path / "after", 0.5))
    pd.testing.assert_frame_equal(read_mimic3(DEMO).frame, changed.frame)
