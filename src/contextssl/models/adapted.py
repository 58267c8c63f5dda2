"""A model adapted by a context, as one module from images to embeddings, to be used and exported where contextssl is not."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.errors import InputError
from contextssl.models.predictor import Context
from contextssl.system.checksum_file import checksummed_path
from contextssl.system.torch_files import torch_writing

if TYPE_CHECKING:
    from contextssl.models.contextssl import ContextSSL

# How far an exported model may be from this one, as a share of the largest number that it gives.
AGREE = 1e-4
# Batch sizes that are compared.
BATCHES = (1, 64)
ONNX, EXPORTED = ".onnx", ".pt2"


class Adapted(nn.Module):
    """Images → embeddings, with the normalisation and a context inside: (n, C, H, W) uint8 → (n, D), equal to ``model.embed(images, context)``.

    Args:
        model: its weights are shared, not copied; it is put into evaluation mode.
        context: None for embeddings without one.

    Raises:
        InputError: for another model's context, and a model that takes floats as they are.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, model: ContextSSL, context: Context | None = None) -> None:
        super().__init__()
        model.check_context(context)
        if model.image_mean is None or model.view_shape is None:
            raise InputError("this model is not one of images with a known size and normalisation: only such can be adapted to a module")
        self.model = model.eval()
        self.view_shape = tuple(model.view_shape)
        nothing = torch.zeros(0, 0, 0, 0, device=model.device)
        self.environment, self.held = (None, 1) if context is None else (context.environment, context.held)
        self.register_buffer("keys", nothing if context is None else context.keys)
        self.register_buffer("values", nothing if context is None else context.values)

    def forward(self, images: Tensor) -> Float[Tensor, "n D"]:
        """Embeddings of uint8 images (n, C, H, W) of the model's size."""
        model = self.model
        features = model.encoder(model.normalise(images))
        actions = features.new_zeros(features.shape[0], model.factors.width if model.reads_actions else 0)
        return model._query(features, actions, Context(self.keys, self.values, self.environment, self.held))

    def example(self, count: int) -> Tensor:
        """Images of noise, of the model's size."""
        generator = torch.Generator().manual_seed(count)
        return torch.randint(0, 256, (count, *self.view_shape), dtype=torch.uint8, generator=generator)

    def exported(self) -> torch.export.ExportedProgram:
        """The module as :func:`torch.export.export` gives it, for any number of images."""
        # A batch of one would be taken for a constant.
        with torch.no_grad():
            made = torch.export.export(self, (self.example(2).to(self.keys.device),), dynamic_shapes={"images": {0: torch.export.Dim("n")}})
        for node in made.graph.nodes:
            # Where the code lies on the machine that made it.
            node.meta.pop("stack_trace", None)
        return made

    def save(self, path: str | Path) -> None:
        """Writes the module, and compares what the file gives with what this gives, at batches of 1 and 64. Beside it is its SHA-256, since those who
        load it look for no damage: ``sha256sum --check NAME.sha256``.

        Args:
            path: ending in ``.onnx`` (for any runtime of ONNX; needs ``pip install 'contextssl[onnx]'``) or ``.pt2`` (:func:`torch.export.load`).

        Raises:
            InputError: for another ending, or a library that is not installed, or where the file would give something else.
            DataError: where it cannot be written.
        """
        path = Path(path)
        if path.suffix not in (ONNX, EXPORTED):
            raise InputError(f"{path} ends in neither {ONNX} nor {EXPORTED}: name it so")
        with checksummed_path(path) as temporary:
            if path.suffix == ONNX:
                self._write_onnx(temporary)
            else:
                program = self.exported()
                with torch_writing(path):
                    torch.export.save(program, temporary)
            check_agreement(self, temporary)

    def _write_onnx(self, path: Path) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise InputError(f"a file of ONNX needs {error.name}: pip install 'contextssl[onnx]'") from error
        with warnings.catch_warnings():
            # The exporter's own, about its own parts.
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                self.exported(),
                dynamo=True,
                input_names=["images"],
                output_names=["embeddings"],
                verbose=False,
            )
        # Weights within the file, not beside it.
        program.save(str(path), external_data=False)


def check_agreement(adapted: Adapted, path: Path, batches: Sequence[int] = BATCHES) -> None:
    """Raises InputError where what a file gives differs from what the module gives by more than :data:`AGREE` of its largest number."""
    for count in batches:
        images = adapted.example(count)
        with torch.no_grad():
            wanted = adapted(images.to(adapted.keys.device)).float().cpu()
        apart = float((_run(path, images) - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))
        if not apart <= AGREE:
            raise InputError(f"the exported model differs by {apart:.1e} from this one in a batch of {count}: it was not written")


def _run(path: Path, images: Tensor) -> Tensor:
    """What a file gives for images."""
    if path.suffix == ONNX:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    program = torch.export.load(path).module()
    device = next((tensor.device for tensor in program.state_dict().values()), torch.device("cpu"))
    with torch.no_grad():
        return program(images.to(device)).float().cpu()
