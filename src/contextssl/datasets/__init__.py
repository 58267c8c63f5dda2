"""The data sets, one file each: what :class:`contextssl.data_set.DataSet` asks of it. How files are read is in :mod:`contextssl.data`."""
