"""The part of tests/compare/inventory that runs both programs and compares what they print."""

import difflib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tomli
import yaml

cfg, ansible, folders, *wanted = sys.argv[1:]
VIEWS = {
    "list": ["--list"],
    "export": ["--list", "--export"],
    "yaml": ["--list", "--yaml"],
    "yaml-export": ["--list", "--yaml", "--export"],
    "toml": ["--list", "--toml"],
    "toml-export": ["--list", "--toml", "--export"],
    "graph": ["--graph"],
    "graph-vars": ["--graph", "--vars"],
}
# What a vault holds is hidden by cfg, and shown in its own ways by Ansible.
HIDDEN = "********"


def run(program, arguments, cwd):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": cwd,
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(program + arguments, cwd=cwd, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


class Loader(yaml.SafeLoader):
    """YAML with Ansible's tags."""


Loader.add_constructor("!vault", lambda loader, node: HIDDEN)
Loader.add_constructor("!unsafe", lambda loader, node: node.value)


def plain(data):
    """Data without the marks Ansible puts on what came of a template or a vault."""
    if isinstance(data, dict):
        if set(data) == {"__ansible_unsafe"}:
            return data["__ansible_unsafe"]
        if set(data) == {"__ansible_vault"}:
            return HIDDEN
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple, set)):
        return [plain(item) for item in data]
    # Dates are texts in cfg.
    return data if isinstance(data, (str, int, float, bool, type(None))) else str(data)


def read(view, text):
    if "graph" in view:
        return text
    if "yaml" in view:
        data = yaml.load(text, Loader)
    elif "toml" in view:
        data = tomli.loads(text)
    else:
        data = json.loads(text)
    return json.dumps(plain(data), indent=1, sort_keys=True)


same = different = meant = 0
for folder in sorted(pathlib.Path(folders).iterdir()):
    if wanted and folder.name not in wanted:
        continue
    # Both see a copy at the same place, so that nothing they find beside it differs.
    with tempfile.TemporaryDirectory() as temporary:
        work = os.path.join(temporary, "work")
        shutil.copytree(folder, work, symlinks=True)
        arguments = (folder / "args.cfg").read_text().split()
        # Views that are meant to differ, each with the reason.
        differs = folder / "differs"
        reasons = dict(line.split(None, 1) for line in differs.read_text().splitlines()) if differs.exists() else {}
        views = dict(VIEWS)
        code, out, err = run([ansible], arguments + ["--list"], work)
        for host in list(json.loads(out)["_meta"]["hostvars"])[:3] if code == 0 else []:
            views[f"host {host}"] = ["--host", host]
        patterns = folder / "patterns"
        for pattern in patterns.read_text().split("\n") if patterns.exists() else []:
            if pattern:
                views[f"limit {pattern}"] = ["--list", "--limit", pattern]
        for view, options in views.items():
            theirs = run([ansible], arguments + options, work)
            ours = run([cfg, "inventory"], arguments + options, work)
            if theirs[0] and ours[0]:
                # Both refuse it; each in its own words.
                same += 1
                continue
            try:
                a, b = read(view, theirs[1]), read(view, ours[1])
            except Exception as error:
                a, b = f"{theirs[0]}\n{theirs[2]}", f"{ours[0]}\n{ours[2]}{error}\n"
            if a == b and theirs[0] == ours[0]:
                same += 1
                continue
            if view in reasons:
                meant += 1
                print(f"== {folder.name}: {view} differs, and is meant to: {reasons.pop(view)}")
                continue
            different += 1
            print(f"== {folder.name}: {view} (ansible-inventory ends with {theirs[0]}, cfg with {ours[0]})")
            sys.stdout.writelines(
                line + "\n" for line in difflib.unified_diff(a.splitlines(), b.splitlines(), "ansible", "cfg", lineterm="")
            )
            if ours[0]:
                print(ours[2], end="")
        for view in reasons:
            different += 1
            print(f"== {folder.name}: {view} does not differ any more: take it out of the file `differs`")
print(f"{same} same, {different} different ({meant} more are meant to differ)")
sys.exit(1 if different else 0)
