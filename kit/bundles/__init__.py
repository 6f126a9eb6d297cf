"""Bundles: all that repeating a run on another machine takes, in one file that is the same whenever it is made again.

A bundle is a plain tar: its manifest first, then each file that the manifest names, in that order and under that name.
"""
