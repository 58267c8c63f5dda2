"""What the codes and names of MIMIC-III stand for, in a few groups: diagnoses, procedures, drugs, ethnicity, marital status.

Each function takes one distinct value; a column of millions of rows has a few thousand of them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

# Chapters of ICD-9-CM diagnoses by the first three digits of their first category.
_NUMBERED = (
    *((1, "infection"), (140, "neoplasm"), (240, "endocrine"), (280, "blood"), (290, "mental"), (320, "nervous"), (390, "circulatory")),
    *((460, "respiratory"), (520, "digestive"), (580, "genitourinary"), (630, "pregnancy"), (680, "skin"), (710, "musculoskeletal")),
    *((740, "congenital"), (760, "perinatal"), (780, "symptom"), (800, "injury")),
)
CHAPTERS = (*(name for _, name in _NUMBERED), "external_cause", "health_factor")

# Chapters of ICD-9-CM procedures by the two digits of their first category.
_OPERATIONS = (
    (0, "other"),
    (1, "nervous"),
    (6, "other"),  # endocrine, eye, ear, nose, mouth
    (30, "respiratory"),
    (35, "cardiovascular"),
    (40, "other"),  # blood and lymph
    (42, "digestive"),
    (55, "urogenital"),  # urinary, male, female, obstetric
    (76, "musculoskeletal"),  # with skin and breast
    (87, "bedside"),  # diagnostic and therapeutic without an operation: ventilation, dialysis, transfusion, imaging
)

# In this order: the first whose pattern is found in the lower-case name. What is given locally is other, and what only carries a drug is nothing.
_LOCAL = re.compile(r"ophth|\boint|cream|lidocaine|nasal|\botic\b|eye drop")
_CARRIER = re.compile(r"^(bag|vial|syringe.*|soln\.?|solution|amp|sw|sterile (water|diluent).*|epidural bag)$")
_DRUGS = {
    "fluid_electrolyte": r"flush|\block\b",  # heparin that keeps a line open is no anticoagulation
    "antibiotic": (
        r"cillin|\bcef|ceph|penem|floxacin|(?<!bleo)(?<!mito)(?<!rapa)mycin|micin|vancomy|metronidaz|flagyl|sulfameth|bactrim|linezolid|aztreonam|cycline|colisti"
        r"|nitrofurant|amikacin|unasyn|zosyn|rifampin|rifaximin|isoniazid|ethambutol|pyrazinamide|dapsone|quinupristin|piperacillin"
    ),
    "anticoagulant": r"heparin|enoxaparin|lovenox|warfarin|coumadin|fondaparinux|argatroban|bivalirudin|lepirudin|dalteparin|dabigatran",
    "opioid": r"morphin|morphone|fentanyl|codone|codeine|methadone|meperidine|tramadol|propoxyphene|\bopium|remifentanil|buprenorphine",
    "sedative": r"propofol|zolam\b|zepam|dexmedetomid|precedex|etomidate|ketamine|barbital|zolpidem|chlordiazepox",
    "vasopressor": r"epinephrine|phenylephrine|\bvasopressin|dopamine|dobutamine|milrinone|midodrine|(?<!pseudo)ephedrine|isoproterenol",
    "insulin": r"insulin|humalog|humulin|novolog|lantus|glargine",
    "diuretic": (
        r"furosemide|lasix|bumetanide|torsemide|thiazide|metolazone|spironolactone|acetazolamide|chlorthalidone|ethacryn|mannitol|triamterene"
        r"|eplerenone"
    ),
    "beta_blocker": r"metoprolol|atenolol|labetalol|carvedilol|esmolol|propranolol|nadolol|bisoprolol|acebutolol|pindolol|nebivolol",
    "corticosteroid": r"predniso|cortiso(ne|l)|methylpred|dexamethasone|budesonide|solu-?medrol",
    "statin": r"vastatin|lipitor|zocor",
    "acid_suppression": r"prazole(?<!aripiprazole)|famotidine|ranitidine|cimetidine|sucralfate|protonix|nizatidine",
    "antiarrhythmic": r"amiodarone|digoxin|diltiazem|verapamil|sotalol|adenosine|procainamide|quinidine|dofetilide|ibutilide|flecainide|propafenone",
    "bronchodilator": r"albuterol|ipratropium|tiotropium|salmeterol|xopenex|combivent|theophylline|aminophylline|formoterol|terbutaline",
    "antipsychotic": r"haloperidol|haldol|quetiapine|olanzapine|risperidone|ziprasidone|aripiprazole|chlorpromazine|clozapine|thioridazine",
}
_FLUID = re.compile(
    r"\bns\b|1/2 ?ns|\bd5|\blr\b|ringer|dextrose|sodium (chlor|bic|acetate|phos)|potassium (chl|phos|acetate)|magnesium sulf|calcium (gluc|chlor)"
    r"|albumin|neutra-?phos|hespan|hetastarch|prismasate|normocarb|plasma-?lyte|iso-?osmotic"
)
DRUG_GROUPS = (*sorted(_DRUGS), "other")


def diagnosis_chapter(code: str) -> str | None:
    """The chapter of an ICD-9-CM diagnosis, with or without its dot; None for what is no code.

    Example:
        >>> diagnosis_chapter("4280"), diagnosis_chapter("V4581"), diagnosis_chapter("038.9")
        ('circulatory', 'health_factor', 'infection')
    """
    head = code.strip().upper()[:3]
    if head[:1] in ("V", "E"):
        return "health_factor" if head[0] == "V" else "external_cause"
    if len(head) < 3 or not head.isdecimal() or head == "000":
        return None
    return _NUMBERED[bisect_right(_NUMBERED, int(head), key=lambda chapter: chapter[0]) - 1][1]


def procedure_group(code: str) -> str | None:
    """The group of an ICD-9-CM procedure, one of ``_OPERATIONS``; None for what is no code.

    Puncture of a vessel (38.9, the lines of intensive care) counts as bedside; angioplasty, stents and pacing of chapter 00 (00.4 to 00.6) as
    cardiovascular. A code of one or two digits has lost its leading zeros and is read as 00.dd.

    Example:
        >>> procedure_group("9671"), procedure_group("36.12"), procedure_group("0066"), procedure_group("0331")
        ('bedside', 'cardiovascular', 'cardiovascular', 'nervous')
    """
    code = code.strip().replace(".", "")
    if not code.isdecimal() or len(code) > 4:
        return None
    code = code if len(code) > 2 else code.zfill(4)
    if code.startswith("389"):
        return "bedside"
    if code[:3] in ("004", "005", "006"):
        return "cardiovascular"
    return _OPERATIONS[bisect_right(_OPERATIONS, int(code[:2]), key=lambda chapter: chapter[0]) - 1][1]


def lost_zeros(codes: Iterable[str]) -> bool:
    """Whether a spreadsheet or the like has taken the leading zeros of ICD-9 codes away: none has fewer than three digits."""
    return any(code.strip().isdecimal() and len(code.strip()) < 3 for code in codes)


def drug_group(name: str) -> str | None:
    """The group of a drug by its name, one of ``DRUG_GROUPS``; None for what only carries one (a bag, sterile water).

    Example:
        >>> drug_group("CefePIME"), drug_group("Heparin Flush (10 units/ml)"), drug_group("Vial")
        ('antibiotic', 'fluid_electrolyte', None)
    """
    name = name.strip().lower()
    if not name or _CARRIER.search(name):
        return None
    if _LOCAL.search(name):
        return "other"
    found = next((group for group, pattern in _DRUGS.items() if re.search(pattern, name)), None)
    return found or ("fluid_electrolyte" if _FLUID.search(name) else "other")


def ethnic_group(name: str) -> str:
    """White, black, hispanic, asian, other or unknown, of the forty that are written."""
    name = name.strip().upper()
    for group in ("white", "black", "hispanic", "asian"):
        if name.startswith(group.upper()):
            return group
    if name.startswith("CARIBBEAN"):
        return "black"
    return "unknown" if not name or re.match(r"UNKNOWN|UNABLE|PATIENT DECLINED", name) else "other"


def marital_group(name: str) -> str:
    """Married, single, separated, widowed or unknown."""
    groups = {"MARRIED": "married", "LIFE PARTNER": "married", "SINGLE": "single", "WIDOWED": "widowed"}
    return {**groups, "DIVORCED": "separated", "SEPARATED": "separated"}.get(name.strip().upper(), "unknown")


def service_group(name: str) -> str:
    """The service as it is written, but for obstetrics and gynaecology, which say the gender outright and are read as other."""
    name = name.strip().upper()
    return "OTHER" if name in ("OBS", "GYN") else name
