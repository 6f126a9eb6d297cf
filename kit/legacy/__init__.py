"""Reading what was written before kit: tables of the original script, baselines, and reports made by hand.

Everything here comes from outside: sizes are bounded, and what is not understood is told with its place, never guessed.
"""
