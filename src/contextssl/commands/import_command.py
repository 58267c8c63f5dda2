"""``contextssl import``: a published checkpoint becomes a model of contextssl."""

from __future__ import annotations

from pathlib import Path

from contextssl.checkpoints import importing
from contextssl.commands.used_model import needed, used_model
from contextssl.config.use_settings import ImportSettings
from contextssl.errors import SettingsError
from contextssl.models.hub import WEIGHTS


def run_import(settings: ImportSettings) -> int:
    named = Path(needed(settings, "load_model", "the published checkpoint", "import CHECKPOINT.pt [out=DIR]"))
    out = Path(settings.out) if settings.out is not None else named.with_suffix("")
    if (out / WEIGHTS).exists() or out.is_file():
        raise SettingsError(f"{out} is there already: name another folder by out=DIR")
    model = used_model(settings)
    importing.import_published(model, out)
    print(f"{out}: imported; contextssl.load({str(out)!r}) gives the same embeddings, and evaluate, embed and the others take {out}")
    return 0
