"""A linear map, trained by Adam."""

from contextssl.head import Head

HEAD = Head("linear", "fresh linear probe", "linear", "a linear map", hidden=(), trains=True, place=3)
