"""Write down, while an image is built, what CANN's `set_env.sh` sets, so that it holds however a program is started.

    python3 environment.py [VERSION]

- `/etc/kit/cann.sh`: the same variables as plain assignments, for the entry point, login shells and `bash -c`;
- `/etc/ld.so.conf.d/kit-cann.conf`: the library directories, for programs that are started with no environment at all;
- `/usr/local/Ascend/nnal/atb/abi`: the one of ATB's two builds that set_env.sh chooses for the torch in this image.

Run again after torch was installed. Fails where CANN is absent or is not VERSION, and where the image's own ENV contradicts
set_env.sh; what ENV lacks is listed. Works with Python 3.8 and newer: openEuler 22.03 has 3.9.
"""

import glob
import os
import re
import shlex
import subprocess
import sys

HOME = "/usr/local/Ascend"
SCRIPT = "/etc/kit/cann.sh"
ENTRY_POINT = "/usr/local/bin/with-cann"
LISTS = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "CMAKE_PREFIX_PATH", "LIBRARY_PATH", "CPATH")
OF_THE_SHELL = ("_", "PWD", "OLDPWD", "SHLVL", "HOME", "BASH_ENV")

FRONT = r"""# Written by environment.py when this image was built: what CANN's set_env.sh sets. A variable that is set already stays.
kit_cann_front() {
    kit_cann_name=$1
    shift
    eval "kit_cann_had=\${$kit_cann_name-}"
    kit_cann_new=
    for kit_cann_path in "$@"; do
        case ":$kit_cann_had:" in
            *":$kit_cann_path:"*) ;;
            *) kit_cann_new="${kit_cann_new:+$kit_cann_new:}$kit_cann_path" ;;
        esac
    done
    if [ -n "$kit_cann_new" ]; then
        kit_cann_new="$kit_cann_new${kit_cann_had:+:$kit_cann_had}"
        export "$kit_cann_name=$kit_cann_new"
    fi
}
"""


def first(*patterns):
    """The first file that one of the patterns names, or None."""
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    return found[0] if found else None


def scripts():
    """The vendor's scripts, in the order in which they are sourced."""
    toolkit = first(HOME + "/ascend-toolkit/set_env.sh", HOME + "/cann/set_env.sh")
    if toolkit is None:
        sys.exit(f"environment.py: there is no set_env.sh of CANN below {HOME}")
    compiler = first(HOME + "/cann-*/share/info/ascendnpu-ir/bin/set_env.sh")
    library = first(HOME + "/nnal/atb/set_env.sh")
    if library is None:
        say("NNAL is not installed: ATB will be missing")
    return [path for path in (toolkit, compiler, library) if path is not None]


def sourced(paths):
    """All variables after sourcing the scripts in a clean shell."""
    own = [part for part in os.environ["PATH"].split(":") if not part.startswith(HOME)]
    clean = {"PATH": ":".join(own), "HOME": "/root", "LC_ALL": "C"}
    text = "".join(f"source {shlex.quote(path)} >&2 || exit 1\n" for path in paths) + "env -0"
    done = subprocess.run(["bash", "--noprofile", "--norc", "-c", text], env=clean, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"environment.py: {' and '.join(paths)} cannot be sourced")
    pairs = [entry.partition("=") for entry in done.stdout.decode().split("\0") if entry]
    return {name: value for name, _, value in pairs if clean.get(name) != value and name not in OF_THE_SHELL}, own


def parts(value, without):
    """The directories of a list; an empty one would mean the current directory and is left out, as is what was there."""
    named = (part.rstrip("/") or part for part in value.split(":"))
    return list(dict.fromkeys(part for part in named if part and part not in without))


def version():
    """The version of the toolkit as its own file says it."""
    path = first(
        HOME + "/ascend-toolkit/latest/*-linux/ascend_toolkit_install.info",
        HOME + "/cann/*-linux/ascend_toolkit_install.info",
        HOME + "/cann-*/*-linux/ascend_toolkit_install.info",
    )
    if path is None:
        return None
    with open(path) as file:
        found = re.search(r"^version=(\S+)", file.read(), re.MULTILINE)
    return found.group(1) if found else None


def require(wanted):
    """End the build where the CANN in this image is another one. What follows a + names who built it."""
    found = version()
    if found is None:
        sys.exit("environment.py: CANN does not say its version: there is no ascend_toolkit_install.info")
    if found.partition("+")[0].lower() != wanted.lower():
        sys.exit(f"environment.py: this image is to have CANN {wanted}, and has CANN {found}")
    say(f"CANN {found}")


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def script(variables, own):
    lines = [FRONT]
    for name, value in sorted(variables.items()):
        if name in LISTS:
            lines.append(f"kit_cann_front {name} {shlex.join(parts(value, own))}\n")
        else:
            lines.append(f'[ -n "${{{name}+set}}" ] || export {name}={shlex.quote(value)}\n')
    lines.append("unset -f kit_cann_front\nunset kit_cann_name kit_cann_had kit_cann_new kit_cann_path\n")
    return "".join(lines)


def compare(variables, own):
    """What this image's ENV says against set_env.sh; the same directory by another path is the same."""
    wrong, lacking = [], []
    for name, value in sorted(variables.items()):
        had = os.environ.get(name)
        if name in LISTS:
            present = {os.path.realpath(part) for part in (had or "").split(":") if part}
            paths = parts(value, own)
            lacking += [f"{name} {path}" for path in paths if os.path.realpath(path) not in present]
        elif had is None:
            lacking.append(f"{name}={value}")
        elif had != value and os.path.realpath(had) != os.path.realpath(value):
            wrong.append(f"{name} is {had} in ENV, and {value} in set_env.sh")
    for line in lacking:
        say(f"by the entry point and in shells only: {line}")
    if wrong:
        sys.exit(f"environment.py: the Dockerfile of this image does not fit this CANN: {'; '.join(wrong)}")


def say(line):
    """Print a line that `kit image build` passes on."""
    sys.stdout.write(f"kit: {line}\n")
    sys.stdout.flush()


def main():
    if len(sys.argv) > 1 and sys.argv[1]:
        require(sys.argv[1])
    variables, own = sourced(scripts())
    if "ATB_HOME_PATH" in variables:
        link = HOME + "/nnal/atb/abi"
        if os.path.islink(link):
            os.unlink(link)
        os.symlink(variables["ATB_HOME_PATH"], link)
    write(SCRIPT, script(variables, own))
    write("/etc/profile.d/kit-cann.sh", f". {SCRIPT}\n")
    write(ENTRY_POINT, f'#!/bin/sh\n. {SCRIPT}\nexec "$@"\n', 0o755)
    libraries = parts(variables.get("LD_LIBRARY_PATH", ""), ())
    write("/etc/ld.so.conf.d/kit-cann.conf", "".join(path + "\n" for path in libraries))
    subprocess.check_call(["/sbin/ldconfig"])
    # It holds times and inode numbers, and serves only to speed up the next ldconfig.
    if os.path.exists("/var/cache/ldconfig/aux-cache"):
        os.unlink("/var/cache/ldconfig/aux-cache")
    compare(variables, own)


if __name__ == "__main__":
    main()
