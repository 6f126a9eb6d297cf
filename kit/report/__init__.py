"""The report as a value: what a run directory says, read once, in the words and tables that the renderers turn into files."""
