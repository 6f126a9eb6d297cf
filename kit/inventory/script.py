"""A POSIX shell script that records the same answers on a machine without kit."""

import shlex

from kit.inventory.asking import PLACES, QUESTIONS
from kit.model.evidence import Command, Each, File, Question, file_name

_HEAD = """\
#!/bin/sh
# Records what this machine is into a folder, for `kit inventory --from FOLDER` elsewhere.
# Usage: sh inventory.sh [FOLDER]      Root sees more: memory modules, firmware, all processes.
# It only reads; every command has a time limit.
folder=${{1:-inventory-$(hostname)-$(date +%Y%m%d-%H%M%S)}}
mkdir -p "$folder" && cd "$folder" || exit 1
PATH="$PATH:{places}"
LC_ALL=C LANG=C hanging=
export PATH LC_ALL LANG
# A session of its own, so that a tool which hangs ends with all it started.
session=$(command -v setsid)

mask() {{
{mask}
}}

# answer SECONDS FILE COMMAND…
answer() {{
    limit=$1 file=$2
    shift 2
    case " $hanging " in *" $1 "*)
        echo "($1 gave no answer before and was not asked again)" >"$file"
        return ;;
    esac
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "($1 is not installed)" >"$file"
        return
    fi
    rm -f .code
    # Waited for is a shell of its own: a tool that hangs in its driver cannot be killed.
    (
        $session "$@" >.out 2>.err </dev/null &
        echo $! >.pid
        wait $!
        echo $? >.code
    ) 2>/dev/null &
    running=$!
    # The watcher takes its own sleep with it when it is not needed.
    (
        trap 'kill "$pause" 2>/dev/null; exit' TERM
        sleep "$limit" &
        pause=$!
        wait "$pause"
        : >.late
        [ -z "$session" ] || kill -9 "-$(cat .pid)"
        kill -9 "$(cat .pid)" "$running"
    ) >/dev/null 2>&1 &
    watching=$!
    wait "$running" 2>/dev/null
    code=$(cat .code 2>/dev/null)
    kill "$watching" 2>/dev/null
    wait "$watching" 2>/dev/null
    if [ -e .late ]; then
        rm -f .late
        hanging="$hanging $1"
        echo "($1 gave no answer in $limit s)" >"$file"
    elif grep -q '[^[:space:]]' .out; then
        mask "$file" <.out >"$file"
    else
        echo "($1 ended with code $code: $(tr -s '[:space:]' ' ' <.err | cut -c 1-200))" >"$file"
    fi
}}

# keep FILE PATH
keep() {{
    if cat "$2" >.out 2>.err; then
        mask "$1" <.out >"$1"
    else
        echo "($2: $(sed -n '1s/.*: //p' .err))" >"$1"
    fi
}}

# name KEY: the file for an answer, as kit names it
name() {{
    printf '%s' "$1" | tr -cs 'A-Za-z0-9._=-' '_' | sed 's/^_*//; s/_*$//' | cut -c 1-180
}}

"""
# A version of four numbers looks like an address: lines that speak of one are left alone.
_MASK = r"""    case $1 in
    *_serial.txt|*_uuid.txt|*_address.txt) sed 's/..*/***/' ;;
    *version.info.txt|*version.cfg.txt|*install.info.txt) cat ;;
    *) sed -e 's/\(^[^:=]*[Ss]erial[^:=]*[:=][[:blank:]]*\)[^",[:blank:]][^",]*/\1***/' \
        -e 's/\(^[^:=]*\(UUID\|Uuid\|Asset Tag\|[VN]Die ID\|Unique ID\)"*[[:blank:]]*[:=][[:blank:]]*\)[^",[:blank:]][^",]*/\1***/' \
        -e 's/"\([^"]*\([Ss]erial\|UUID\|Unique ID\)[^"]*\)"[[:blank:]]*:[[:blank:]]*"[^"]*"/"\1": "***"/g' \
        -e 's/[0-9a-fA-F]\{8\}\(-[0-9a-fA-F]\{4\}\)\{3\}-[0-9a-fA-F]\{12\}/***/g' \
        -e 's/\([0-9a-fA-F]\{2\}:\)\{5\}[0-9a-fA-F]\{2\}/***/g' \
        -e 's/\([0-9a-fA-F]\{1,4\}:\)\{7\}[0-9a-fA-F]\{1,4\}/***/g' \
        -e 's/[0-9a-fA-F]\{1,4\}\(:[0-9a-fA-F]\{1,4\}\)*::\([0-9a-fA-F]\{1,4\}\(:[0-9a-fA-F]\{1,4\}\)*\)*/***/g' \
        -e 's/\(password\|passwd\|secret\|token\)=[^[:blank:]]*/\1=***/g' \
        -e 's/0\.0\.0\.0/0-0-0-0/g; s/127\.0\.0\.1/127-0-0-1/g' \
        -e '/[Vv]ersion\|VERSION\|[Rr]elease\|[Ff]irmware\|BIOS\|PRETTY_NAME/!s/\(^\|[^0-9A-Za-z._-]\)[0-9]\{1,3\}\(\.[0-9]\{1,3\}\)\{3\}\($\|[^0-9A-Za-z._-]\)/\1***\3/g' \
        -e 's/127-0-0-1/127.0.0.1/g; s/0-0-0-0/0.0.0.0/g' ;;
    esac"""
_END = """
rm -f .out .err .late .pid .code
echo "recorded in $PWD" >&2
"""


def script(*, unmasked: bool) -> str:
    """The script. Serial numbers and addresses are struck out where it runs, unless `unmasked`."""
    lines = [_HEAD.format(places=":".join(PLACES), mask="    cat" if unmasked else _MASK)]
    plain = [question for question in QUESTIONS if not isinstance(question, Each)]
    lines += [_line(question) for question in plain]
    for each in QUESTIONS:
        if isinstance(each, Each):
            lines.append(f"for one in $({each.shell}); do")
            lines += [f"    {_each(question)}" for question in each.questions]
            lines.append("done 2>/dev/null")
    return "\n".join(lines) + _END


def _line(question: Question) -> str:
    if isinstance(question, Command):
        return f"answer {question.limit_s:g} {file_name(question.key)} {shlex.join(question.argv)}"
    assert isinstance(question, File)
    return f"keep {file_name(question.key)} {shlex.quote(question.path)}"


def _each(question: Command | File) -> str:
    def word(text: str) -> str:
        return '"' + text.replace("{}", "$one") + '"'

    file = f'"$(name {word(question.key)}).txt"'
    if isinstance(question, Command):
        return f"answer {question.limit_s:g} {file} {' '.join(map(word, question.argv))}"
    return f"keep {file} {word(question.path)}"
