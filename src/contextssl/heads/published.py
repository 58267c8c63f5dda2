"""The paper's probes: :mod:`contextssl.evaluation.published_probes`."""

from contextssl.head import Head

HEAD = Head(
    "published",
    "the paper's probe",
    "paper",
    "the paper's probes: an MLP 1024-1024 for rotations, else linear, of predictions too; with the paper's inputs, pairs and environments",
    "the paper's probes: features unnormalised; embeddings and predictions at unit length, except for the class; a new random pair of "
    "each training item per epoch; an MLP for rotations, else a linear map",
    trains=True,
    place=1,
)
