"""Objects rendered under 3DIEBench's protocol: built-in parametric classes or a folder of meshes, on a CPU."""

from contextssl.data.shapes.classes import CLASSES, shape_mesh
from contextssl.data.shapes.render import render_views
from contextssl.data.shapes.rendered_items import ShapesSource
from contextssl.data.shapes.scene import normalise

__all__ = ["CLASSES", "ShapesSource", "normalise", "render_views", "shape_mesh"]
