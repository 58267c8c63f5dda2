"""Baseline methods: each a list of terms over the features of one encoder, with the heads that the terms need.

A term is a module that turns a batch's features into named, weighted losses, and may say what the method's embeddings and predictions are.
Which terms make which method say the files of :mod:`contextssl.methods`.
"""
