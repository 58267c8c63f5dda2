"""The paper's probes: :mod:`contextssl.evaluation.published_probes`."""

from contextssl.head import Head

HEAD = Head(
    "published",
    "the paper's probe",
    "paper",
    "the paper's probes with their inputs, pairs and environments: rotations by an MLP 1024-1024, the rest by a linear map, of predictions too",
    "the paper's probes: features as the encoder gives them, embeddings and predictions at unit length but for the class; a new random pair of "
    "each training item in each epoch; rotations by an MLP, the rest by a linear map",
    trains=True,
    place=1,
)
