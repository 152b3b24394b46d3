"""Runs `cfg apply` and prints what it says as Ansible would."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

from common import CFG, first_error, note, worded

PENDING = "/var/lib/cfg/pending"
# What Ansible notices while it reads: it ends with 4. What it notices while it runs ends with 2; the rest, with 1.
WHILE_READING = r"CFG01(0[1346]|1[0-4]|19|2[0-2])"
WHILE_RUNNING = r"CFG(0102|011[5-8]|0124|03\d\d|0601|0702)"


def exit_code(status, errors):
    """Ansible's, for cfg's."""
    if status != 1:
        return status
    code = re.search(r"^error\[(CFG\d+)\]", errors, re.M)
    if code and code[1] == "CFG0601" and "this value" not in errors:
        # A file that cannot be decrypted is no failed task.
        return 1
    if code and re.fullmatch(WHILE_READING, code[1]):
        return 4
    return 2 if code and re.fullmatch(WHILE_RUNNING, code[1]) else 1


def plays_in(path):
    """How many plays a playbook has, imported ones included."""
    try:
        import yaml
        class Loader(yaml.SafeLoader):
            pass
        Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
        plays = yaml.load(pathlib.Path(path).read_text(), Loader) or []
    except Exception:  # what cannot be read has been reported by cfg
        return 0
    number = 0
    for play in plays:
        imported = next((play[key] for key in ("import_playbook", "ansible.builtin.import_playbook") if key in play), None)
        number += 1 if imported is None else plays_in(pathlib.Path(path).parent / str(imported).split()[0])
    return number


def run(argv, arguments, callback):
    """Calls cfg, gives its events to the callback; returns its status as Ansible's."""
    # cfg remembers the handlers a failed run owes, by the name of the play; every call is measured without that memory.
    shutil.rmtree(PENDING, ignore_errors=True)
    child = subprocess.Popen([CFG, "apply", *arguments, "--output", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, NO_COLOR="1"))
    errors = []
    reader = threading.Thread(target=lambda: errors.extend(read(child.stderr)))
    reader.start()
    # Time is up: what there is so far is printed.
    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    other = []
    for line in child.stdout:
        text = line.decode(errors="replace")
        if text.startswith('{"event"'):
            callback.event(json.loads(text))
        else:
            other.append(text)
    status = child.wait()
    reader.join()
    text = "".join(errors)
    # A task that failed is reported by Ansible with the lines cfg reports it with, on stderr: after the tasks.
    callback.out.write("".join(other))
    callback.finish()
    callback.out.flush()
    sys.stderr.write(worded(text))
    why = callback.failures[-1] if callback.failures else first_error(text)
    note(argv, "no end in time" if status < 0 else why, text + "\n".join(callback.failures))
    return 1 if status < 0 else exit_code(status, text)


def read(stream):
    """The lines of a stream."""
    return [line.decode(errors="replace") for line in stream]
