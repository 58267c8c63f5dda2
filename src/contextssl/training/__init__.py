"""Training: the loss of a batch, the Lightning module, and a run with its folder."""

from contextssl.training.loss import Losses, Objective, contextssl_loss
from contextssl.training.run import train

__all__ = ["Losses", "Objective", "contextssl_loss", "train"]
