"""The data sets, one file each, with its ``DATA_SET``; :mod:`contextssl.data` reads their files."""
