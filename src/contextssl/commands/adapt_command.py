"""``contextssl adapt``: a model with a context inside, as one file."""

from __future__ import annotations

from pathlib import Path

from contextssl.commands.used_model import used_context, used_model
from contextssl.config.use_settings import AdaptSettings
from contextssl.errors import SettingsError
from contextssl.models.adapted import AGREE, BATCHES, EXPORTED, ONNX
from contextssl.models.model_file import SUFFIX, write_model
from contextssl.system.files import readable_bytes


def run_adapt(settings: AdaptSettings) -> int:
    out = Path(settings.out)
    if out.suffix not in (ONNX, EXPORTED, SUFFIX):
        raise SettingsError(f"out={out}: an adapted model is written as {ONNX}, {EXPORTED} or {SUFFIX}; name it so")
    model = used_model(settings)
    context = used_context(model, settings)
    if out.suffix == SUFFIX:
        write_model(model, out, context, half=False)
        checked = "contextssl.load and model.load_context read it"
    else:
        model.adapt(context).save(out)
        checked = f"compared with PyTorch in batches of {' and '.join(map(str, BATCHES))}: equal within {AGREE:g}"
    print(f"{out}: {readable_bytes(out.stat().st_size)}; {checked}")
    return 0
