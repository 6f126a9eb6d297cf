"""Run inside an image while it is built: remove what is never used, and compile what is.

    python -B finish.py ENVIRONMENT TOOLS

`TOOLS/drop.txt` holds patterns of paths below ENVIRONMENT; `TOOLS/bytecode.txt` holds modules, which are imported, and
then compiled with all that came along. That bytecode is taken as it is: nobody can change the modules afterwards.
"""

import fnmatch
import importlib
import os
import py_compile
import sys


def drop(environment, patterns):
    """Remove every file that a pattern matches, and the directories that are then empty."""
    removed = 0
    for directory, _, names in os.walk(environment, topdown=False):
        for name in names:
            path = os.path.join(directory, name)
            if any(fnmatch.fnmatchcase(os.path.relpath(path, environment), pattern) for pattern in patterns):
                removed += os.lstat(path).st_size
                os.remove(path)
        if not os.listdir(directory):
            os.rmdir(directory)
    return removed


def compile_all(environment, modules):
    """Compile what importing these modules reads below the environment."""
    for module in modules:
        importlib.import_module(module)
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    inside = sorted(file for file in files if file and file.startswith(environment + os.sep) and file.endswith(".py"))
    for file in inside:
        py_compile.compile(file, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    return len(inside)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split()


def main():
    environment, tools = sys.argv[1:]
    removed = drop(environment, lines(os.path.join(tools, "drop.txt")))
    compiled = compile_all(environment, lines(os.path.join(tools, "bytecode.txt")))
    sys.stdout.write(f"kit: {removed / 1e6:.0f} MB removed, {compiled} modules compiled\n")


if __name__ == "__main__":
    main()
