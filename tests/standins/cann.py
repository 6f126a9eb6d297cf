"""Stand-ins for CANN's three installers, with the names, places and variables of the releases before and since 8.5."""

from pathlib import Path

from tests.standins import makeself

_INFO = """\
package_name=Ascend-cann-toolkit
version={version}+standin
innerversion=V100R001C00STANDIN
compatible_version=[V100R001C15]
arch={machine}
os=linux
path={home}/{machine}-linux
"""

_SET_ENV = """\
# A stand-in for CANN's own script.
export LD_LIBRARY_PATH=/usr/local/Ascend/driver/lib64/common/:/usr/local/Ascend/driver/lib64/driver/:$LD_LIBRARY_PATH
export ASCEND_TOOLKIT_HOME={latest}
export LD_LIBRARY_PATH=${{ASCEND_TOOLKIT_HOME}}/lib64:${{ASCEND_TOOLKIT_HOME}}/lib64/plugin/opskernel:$LD_LIBRARY_PATH
export PYTHONPATH=${{ASCEND_TOOLKIT_HOME}}/python/site-packages:${{ASCEND_TOOLKIT_HOME}}/opp/built-in/op_impl/ai_core/tbe:$PYTHONPATH
export PATH=${{ASCEND_TOOLKIT_HOME}}/bin:${{ASCEND_TOOLKIT_HOME}}/compiler/ccec_compiler/bin:$PATH
export ASCEND_AICPU_PATH=${{ASCEND_TOOLKIT_HOME}}
export ASCEND_OPP_PATH=${{ASCEND_TOOLKIT_HOME}}/opp
export TOOLCHAIN_HOME=${{ASCEND_TOOLKIT_HOME}}/toolkit
export ASCEND_HOME_PATH=${{ASCEND_TOOLKIT_HOME}}
"""

_TOOLKIT = """\
set -e
home={home}
mkdir -p "$home/{machine}-linux/lib64" "$home/bin" "$home/python/site-packages/acl" "$home/opp" /etc/Ascend
cp info "$home/{machine}-linux/ascend_toolkit_install.info"
ln -s {machine}-linux/lib64 "$home/lib64"
echo "a stand-in" > "$home/lib64/libhccl.so"
echo '__version__ = "{version}+standin"' > "$home/python/site-packages/acl/__init__.py"
mkdir -p /usr/local/Ascend/ascend-toolkit
ln -s "$home" /usr/local/Ascend/ascend-toolkit/latest
cp set_env.sh /usr/local/Ascend/ascend-toolkit/set_env.sh
{more}
echo "Toolkit_InstallPath=/usr/local/Ascend" > /etc/Ascend/ascend_cann_install.info
# The real ones keep a log with the time in it, too.
mkdir -p /var/log/ascend_seclog
date > /var/log/ascend_seclog/ascend_toolkit_install.log
"""

_KERNELS = """\
set -e
if [ ! -d /usr/local/Ascend/ascend-toolkit/latest/opp ]; then
    echo "the toolkit is not installed" >&2
    exit 1
fi
mkdir -p /usr/local/Ascend/ascend-toolkit/latest/opp_kernel
echo "Version={version}+standin" > /usr/local/Ascend/ascend-toolkit/latest/opp_kernel/version.info
"""

_NNAL = """\
set -e
if [ -z "$ASCEND_TOOLKIT_HOME" ]; then
    echo "source the set_env.sh of the toolkit first" >&2
    exit 1
fi
home=/usr/local/Ascend/nnal/atb
mkdir -p "$home/{version}/atb/cxx_abi_0/lib" "$home/{version}/atb/cxx_abi_1/lib"
echo "a stand-in" > "$home/{version}/atb/cxx_abi_0/lib/libatb.so"
echo "a stand-in" > "$home/{version}/atb/cxx_abi_1/lib/libatb.so"
printf '    Ascend-cann-atb : {version}\\n    Ascend-cann-atb Version : {version}+standin\\n' > "$home/{version}/version.info"
ln -s {version} "$home/latest"
cp set_env.sh "$home/set_env.sh"
"""

_ATB = """\
# A stand-in for ATB's own script, which asks the torch that is there how it was compiled.
abi=$(python3 -c 'import torch; print(int(torch.compiled_with_cxx11_abi()))' 2>/dev/null || echo 0)
export ATB_HOME_PATH=/usr/local/Ascend/nnal/atb/latest/atb/cxx_abi_$abi
export LD_LIBRARY_PATH=$ATB_HOME_PATH/lib:$ATB_HOME_PATH/examples:$LD_LIBRARY_PATH
export PATH=$ATB_HOME_PATH/bin:$PATH
export ATB_MATMUL_SHUFFLE_K_ENABLE=1
export ATB_SHARE_MEMORY_NAME_SUFFIX=""
export ATB_STANDIN_ONLY=1
"""


def write(folder: Path, version: str, machine: str) -> tuple[Path, ...]:
    """Write the toolkit, the operators and NNAL, under the names that the vendor gives them in that release."""
    since_8_5 = tuple(int(part) for part in version.split(".")[:2]) >= (8, 5)
    ascend = "/usr/local/Ascend"
    home = f"{ascend}/cann-{version}" if since_8_5 else f"{ascend}/ascend-toolkit/{version}"
    latest = home if since_8_5 else f"{ascend}/ascend-toolkit/latest"
    more = f'ln -s "$home" {ascend}/cann\ncp set_env.sh "$home/set_env.sh"' if since_8_5 else ""
    kernels = f"Ascend-cann-910b-ops_{version}" if since_8_5 else f"Ascend-cann-kernels-910b_{version}"
    toolkit = {
        "install.sh": _TOOLKIT.format(home=home, machine=machine, version=version, more=more),
        "info": _INFO.format(version=version, machine=machine, home=home),
        "set_env.sh": _SET_ENV.format(latest=latest),
    }
    nnal = {"install.sh": _NNAL.format(version=version), "set_env.sh": _ATB}
    label = f"{version}+standin"
    return (
        makeself.write(folder / f"Ascend-cann-toolkit_{version}_linux-{machine}.run", f"toolkit {label}", toolkit),
        makeself.write(
            folder / f"{kernels}_linux-{machine}.run",
            f"kernels {label}",
            {"install.sh": _KERNELS.format(version=version)},
        ),
        makeself.write(folder / f"Ascend-cann-nnal_{version}_linux-{machine}.run", f"nnal {label}", nnal),
    )
