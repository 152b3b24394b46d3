"""What the shims share: how cfg is called, and what is written down about a call for the scoreboard."""
import json
import os
import pathlib
import re
import subprocess
import sys

CFG = os.environ.get("CFG_PROGRAM", "/usr/local/bin/cfg")
# No exit code of Ansible: what a shim cannot translate.
REFUSED = 66


def truthy(name):
    """Whether a variable of the environment is set to yes."""
    return os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on", "y", "t")


def note(argv, why="", errors=""):
    """Writes down why a call went wrong, for the scoreboard. Calls inside of calls are not counted."""
    place = os.environ.get("CONF_CALLS")
    if not place:
        return
    folder = pathlib.Path(place)
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("*.json"))) + 1
    command = re.sub(r"[\n\t]", " ", " ".join([pathlib.Path(argv[0]).name, *argv[1:]]))
    (folder / f"{number}.json").write_text(json.dumps({"command": command, "why": why, "errors": errors[-4000:]}))


def refuse(argv, what):
    """Ends where arguments cannot be translated."""
    message = f"shim: cannot translate {what}"
    note(argv, message)
    print(message, file=sys.stderr)
    sys.exit(REFUSED)


def first_error(text):
    """The first thing cfg complains about, with its place."""
    found = re.search(r"^error.*?(?=^\s*\|?\s*$|\Z)", text, re.S | re.M)
    return " ".join(found[0].split())[:300] if found else ""


def cfg(arguments, **kw):
    """Calls cfg; its diagnostics go where they belong at once."""
    environment = dict(os.environ, NO_COLOR="1")
    return subprocess.run([CFG, *arguments], env=environment, **kw)


def worded(errors):
    """Diagnostics begin as Ansible's do."""
    errors = re.sub(r"^error(\[CFG\d+\])?: ", "[ERROR]: ", errors, flags=re.M)
    return re.sub(r"^warning(\[CFG\d+\])?: ", "[WARNING]: ", errors, flags=re.M)


def pass_on(argv, arguments, translate=None):
    """Calls cfg and hands its output on."""
    done = cfg(arguments, stdout=subprocess.PIPE if translate else None, stderr=subprocess.PIPE)
    errors = done.stderr.decode(errors="replace")
    if translate:
        sys.stdout.write(translate(done.stdout.decode(errors="replace")))
        sys.stdout.flush()
    sys.stderr.write(worded(errors))
    note(argv, first_error(errors), errors)
    return done.returncode
