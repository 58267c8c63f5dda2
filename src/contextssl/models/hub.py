"""Models on the Hugging Face Hub, and in folders as the hub has them, by the hub's own mixin."""

from __future__ import annotations

import json
import socket
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import contextssl
from contextssl.errors import CheckpointError
from contextssl.models.model_file import shareable, write_model
from contextssl.models.view_encoder import ViewEncoder
from contextssl.system.files import write_json, write_text

with warnings.catch_warnings():
    # Of its progress bars, in a notebook without their widgets.
    warnings.filterwarnings("ignore", "IProgress not found")
    from huggingface_hub import ModelHubMixin, hf_hub_download
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

# What the hub calls a model's file, its plain values and its card.
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
Model = TypeVar("Model", bound="OnTheHub")


class OnTheHub(
    ModelHubMixin,
    library_name="contextssl",
    license="mit",
    tags=["self-supervised-learning", "in-context-learning", "equivariance"],
    paper_url="https://arxiv.org/abs/2405.18193",
):
    """``save_pretrained``, ``from_pretrained`` and ``push_to_hub`` of a model that was loaded; the file is that of
    :func:`~contextssl.models.model_file.write_model`.
    """

    # The text of its model card, where it came with one.
    card: str | None = None

    def _save_pretrained(self, save_directory: Path) -> None:
        model: Any = self
        write_files(model, save_directory, self.card)

    @classmethod
    def from_pretrained(cls: type[Model], pretrained_model_name_or_path: str | Path, **given: Any) -> Model:
        """A model of the hub, or of a folder that ``save_pretrained`` wrote. Arguments as of the hub's mixin; those that it does not know are
        :func:`contextssl.load`'s. Raises CheckpointError where it cannot be had, such as without a network, or is no model of ours.
        """
        name = str(pretrained_model_name_or_path)
        if not Path(name).is_dir() and not reachable():
            given["local_files_only"] = True
        try:
            return super().from_pretrained(name, **given)
        except LocalEntryNotFoundError as error:
            raise CheckpointError(
                f"{name} is no folder here, and the hub cannot be reached: check the path or the network, or give a folder that save_pretrained wrote"
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{CONFIG} of {name} is damaged ({error}): get it again, or use contextssl.load") from error
        except (HfHubHTTPError, HFValidationError) as error:
            raise CheckpointError(
                f"{name} is no folder here and no model of the hub ({str(error).splitlines()[0]}): check the name"
            ) from error

    @classmethod
    def _from_pretrained(
        cls: type[Model],
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **given: Any,
    ) -> Model:
        # The hub's client before 1.0 names these two, always.
        for name in ("proxies", "resume_download"):
            given.pop(name, None)
        if Path(model_id).is_dir():
            path = str(Path(model_id) / WEIGHTS)
        else:
            path = hf_hub_download(
                model_id,
                WEIGHTS,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )
        # The package's own door, which knows every kind of model.
        model = contextssl.load(path, **given)
        if not isinstance(model, cls):
            raise CheckpointError(f"{model_id} holds a {type(model).__name__}, not a {cls.__name__}: use contextssl.load")
        return model


def write_files(model: ViewEncoder, folder: Path, card: str | None = None, *, half: bool = True) -> None:
    """The weights, plain values and card of a model that was loaded. Arguments and errors as of
    :func:`~contextssl.models.model_file.write_model`.
    """
    write_model(model, folder / WEIGHTS, half=half)
    assert model.recipe is not None
    # Under a name of its own: the mixin takes what it knows at the top for arguments of the constructor.
    write_json(folder / CONFIG, {"contextssl": shareable(model.recipe)})
    write_text(folder / CARD, card or plain_card(model.recipe))


def reachable() -> bool:
    """Whether the hub's host has an address here. Without a network it has none, which is known at once, where the hub's own client tries again for
    half a minute. A proxy may know it all the same.
    """
    if getproxies():
        return True
    with suppress(OSError):
        return bool(socket.getaddrinfo(urlsplit(ENDPOINT).hostname, None))
    return False


def plain_card(recipe: Mapping[str, Any]) -> str:
    """A model card of what is known of a model that came without one."""
    settings, data = recipe["settings"], recipe["data"]
    factors = ", ".join(factor["name"] for factor in recipe["factors"])
    return f"""---
library_name: contextssl
tags: [self-supervised-learning, in-context-learning, equivariance]
---

# A model of contextssl

Trained by `contextssl train method={settings["method"]} context={settings["context"]}` (version {recipe["version"]}) on {data["kind"]},
with the factors {factors}.

```python
import contextssl

model = contextssl.ContextSSL.from_pretrained("this folder, or the id of this repository")
z = model.embed("path/to/images", model.context("pairs.csv"))
```

All settings are in `config.json`. Nothing is said here of how good it is: evaluate it by `contextssl evaluate all {WEIGHTS}`.
"""
