"""Training: the loss of a batch and the learning rate, which a loop of one's own can use; a run by Lightning is ``contextssl.train``."""

from contextssl.training.loss import Losses, Objective, contextssl_loss
from contextssl.training.schedule import warmup_cosine

__all__ = ["Losses", "Objective", "contextssl_loss", "warmup_cosine"]
