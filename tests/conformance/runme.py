"""Runs the targets that are shell scripts (`runme.sh`), case by case.

A case is one call of a program of Ansible in runme.sh, with the checks that follow it until the next call. It passes where
none of those commands is one `set -e` would have stopped at. Cases are told apart by their line and how often that line was
reached: the same on both engines.
"""
import json, os, pathlib, re

from harness import HERE, HOSTS, STATE, fleet, inside, sh
from runme_set import LEFT_OUT, case_left_out, left_out

LIMITS = {"cfg": 300, "ansible": 600}
COMMAND_LIMITS = {"cfg": 40, "ansible": 120}
PROGRAMS = ("ansible", "ansible-playbook", "ansible-inventory", "ansible-vault", "ansible-config", "ansible-doc", "ansible-galaxy",
            "ansible-console", "ansible-pull", "ansible-test")
BINS = {"cfg": "/opt/conf/shims", "ansible": "/opt/conf/bin"}

# What ansible-test sets for a target, as far as it is about playbooks.
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8", "HOME": "/root", "PAGER": "/bin/cat", "PYTHONPATH": "/opt/conf/packages", "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_HANDLERS": "true", "ANSIBLE_HOST_PATTERN_MISMATCH": "error", "ANSIBLE_INVENTORY": "/dev/null",
    "ANSIBLE_DEPRECATION_WARNINGS": "false", "ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_RETRY_FILES_ENABLED": "false",
    "ANSIBLE_CONFIG": "/opt/conf/ansible.cfg", "ANSIBLE_LIBRARY": "/dev/null", "ANSIBLE_DEVEL_WARNING": "false",
    "OUTPUT_DIR": "/root/ansible_testing", "INVENTORY_PATH": "/opt/conf/integration/inventory",
}


def candidates(integration):
    """The targets there are to run, by name."""
    names = sorted(path.parent.name for path in (integration / "targets").glob("*/runme.sh"))
    return [name for name in names if not left_out(name)]


def prepare(engine):
    """Puts the programs and what records cases on the engine's host."""
    root = pathlib.Path(fleet("rootfs", HOSTS[engine])) / "opt/conf"
    (root / "cases").mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        sh("cp", HERE / "shims/case", root / "cases" / program)
    (root / "ansible.cfg").write_text("")
    sh("cp", HERE / "cases.bash", root / "cases.bash")
    if engine == "cfg":
        sh("rm", "-rf", root / "shims")
        sh("cp", "-r", HERE / "shims", root / "shims")
    # What ansible-test installs for the targets: on cfg's host too, where their own scripts need it.
    inside(HOSTS[engine], "command -v python >/dev/null || ln -s python3 /usr/bin/python; "
           "dpkg -s python3-passlib >/dev/null 2>&1 || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-passlib python3-pexpect; "
           "locale -a | grep -qi en_US.utf8 || localedef -i en_US -f UTF-8 en_US.UTF-8", 200)


def without_errexit(script):
    """The script on the same lines, where errexit is a variable that the traps of cases.bash look at."""
    lines = []
    for line in script.splitlines():
        line = re.sub(r"(^|[;{(&|]\s*|then\s+|do\s+)set\s+([-+][a-z]+(?:\s+(?:[-+]o\s+)?[-+a-z]+)*)(?=\s*($|[;)#]))", setting, line)
        if re.fullmatch(r"\s*\(\s*", line):
            line += ' [[ -z $CASE_ERREXIT ]] || set -e'
        lines.append(line)
    return "\n".join(lines) + "\n"


def setting(match):
    """One `set`: without xtrace and nounset, and with errexit as a variable in the outermost shell."""
    kept, errexit = [], None
    words = match[2].split()
    while words:
        word = words.pop(0)
        if word in ("-o", "+o"):
            name = words.pop(0)
            if name == "errexit":
                errexit = word == "-o"
            elif name not in ("xtrace", "nounset"):
                kept.append(f"{word} {name}")
            continue
        if word[1:].endswith("o") and words:
            kept.append(f"{word[0]}o {words.pop(0)}")
        if "e" in word:
            errexit = word[0] == "-"
    commands = [f"set {' '.join(kept)}"] if kept else []
    if errexit is not None:
        sign = "-" if errexit else "+"
        commands.append(f"CASE_ERREXIT={'1' if errexit else ''}; ((!BASH_SUBSHELL)) || set {sign}e")
    return match[1] + ("; ".join(commands) or ":")


def run(engine, target, integration):
    """Runs a target; its cases and how the script ended."""
    host = HOSTS[engine]
    root = pathlib.Path(fleet("rootfs", host)) / "opt/conf"
    folder = root / "integration/targets" / target
    sh("rm", "-rf", folder, root / "cases.log", root / "calls")
    sh("cp", "-a", integration / "targets" / target, folder)
    script = folder / "runme.sh"
    script.write_text(without_errexit(script.read_text()))
    environment = dict(ENVIRONMENT, CONF_CASES="/opt/conf/cases.log", CONF_BIN=BINS[engine], CONF_CALLS="/opt/conf/calls",
                       CONF_COMMAND_LIMIT=str(COMMAND_LIMITS[engine]), ANSIBLE_PLAYBOOK_DIR=f"/opt/conf/integration/targets/{target}")
    exports = "".join(f"export {name}='{value}'; " for name, value in environment.items())
    done = inside(host, exports + "export PATH=/opt/conf/cases:$PATH; rm -rf $OUTPUT_DIR; mkdir -p $OUTPUT_DIR; touch $CONF_CASES; "
                  f"cd /opt/conf/integration/targets/{target}; BASH_ENV=/opt/conf/cases.bash bash ./runme.sh", LIMITS[engine])
    log = STATE / "conformance/runme" / engine
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{target}.log").write_text(done.stdout + "\n=== stderr\n" + done.stderr)
    cases = read_cases((root / "cases.log").read_text(errors="replace"))
    if done.returncode and cases and not cases[-1]["failed"]:
        # A script without errexit fails by its last command.
        cases[-1]["failed"].append(f"the script ends with {done.returncode}")
    if engine == "cfg":
        explain(cases, root / "calls", folder)
    return {"status": done.returncode, "cases": cases, "end": done.stderr.strip()[-300:]}


def read_cases(text):
    """The cases of a log."""
    cases, seen = [], {}
    for line in text.splitlines():
        kind, _, rest = line.partition("\t")
        if kind == "start":
            at, _, command = rest.partition("\t")
            seen[at] = seen.get(at, 0) + 1
            cases.append({"id": f"{at}.{seen[at]}", "command": command, "failed": [], "status": None})
        elif cases and kind == "end":
            cases[-1]["status"] = int(rest)
        elif cases and kind == "fail":
            cases[-1]["failed"].append(rest.replace("\t", ": "))
        elif cases and kind == "reason":
            cases[-1]["reason"] = rest
    return cases


def explain(cases, calls, folder):
    """Why cases failed, as the shims wrote it down while they ran; and where that is a plugin of the target itself."""
    notes = [json.loads(path.read_text()) for path in sorted(calls.glob("*.json"), key=lambda path: int(path.stem))] if calls.exists() else []
    by_command, plugins = {}, own_plugins(folder)
    for note in notes:
        by_command.setdefault(note["command"], []).append(note)
    for case in cases:
        waiting = by_command.get(case["command"])
        note = waiting.pop(0) if waiting else None
        if not case["failed"]:
            continue
        if note:
            case["why"], case["errors"] = note["why"], note["errors"]
            own = next((name for name in re.findall(r"`([\w.]+)`", note["errors"]) if name.rsplit(".", 1)[-1] in plugins), None)
            if own:
                case["left_out"] = f"own Python plugin `{own}`"


def own_plugins(folder):
    """The names of modules and plugins a target brings along."""
    kinds = r"(library|modules|\w+_plugins|plugins/(?!inventory)\w+)$"
    paths = [path for path in folder.rglob("*") if path.is_file() and re.search(kinds, str(path.parent))]
    names = {path.stem for path in paths}
    # A plugin file of filters, tests or lookups names what it holds inside.
    for path in paths:
        if "filter" in str(path.parent) or "test" in str(path.parent):
            names |= set(re.findall(r"""['"](\w+)['"]\s*:""", path.read_text(errors="replace")))
    return names


def passing(result):
    """The cases of a result that pass, by id."""
    return {case["id"]: case for case in result["cases"] if not case["failed"]}


def reason(mine, wanted):
    """Why a case does not pass: what cfg said where it ended otherwise than ansible-core, else the check that did not hold."""
    why = mine.get("reason") or mine.get("why", "")
    if mine["status"] == wanted["status"]:
        return f"does not hold: {mine['failed'][0]}" + (f" ({why})" if why else "")
    return f"ends with {mine['status']}, not {wanted['status']}: {why or mine['failed'][0]}"


def compare(target, ansible, cfg):
    """A row of the scoreboard."""
    wanted = passing(ansible)
    here = {case["id"]: case for case in cfg["cases"]}
    row = {"target": target, "of": len(ansible["cases"]), "wanted": 0, "passed": 0, "left_out": [], "failures": [], "otherwise": []}
    for name, case in wanted.items():
        mine = here.get(name)
        why_not = case_left_out(f"{target}:{name}") or (mine or {}).get("left_out")
        if why_not and (not mine or mine["failed"]):
            row["left_out"].append((name, why_not))
            continue
        row["wanted"] += 1
        if mine and not mine["failed"]:
            row["passed"] += 1
            # The checks hold, but the program ended with another code, which the script does not look at.
            if mine["status"] != case["status"]:
                row["otherwise"].append({"id": name, "command": case["command"], "why": f"{mine['status']}, not {case['status']}"})
        else:
            why = reason(mine, case) if mine else "not reached: " + (cfg["end"].splitlines() or ["time is up"])[-1]
            row["failures"].append({"id": name, "command": case["command"], "why": why, "checks": mine["failed"] if mine else [],
                                    "errors": (mine or {}).get("errors", "")})
    return row


def score(targets, engine, again, integration):
    """Runs targets with both engines (ansible-core's results are kept), and shows the scoreboard's rows as they come."""
    place = STATE / "conformance"
    known_file, rows_file = place / "runme-ansible.json", place / "runme-cfg.json"
    for one in ("cfg", "ansible") if engine == "both" else (engine,):
        prepare(one)
    rows = json.loads(rows_file.read_text()) if rows_file.exists() else {}
    for target in targets or candidates(integration):
        known = json.loads(known_file.read_text()) if known_file.exists() else {}
        if engine != "cfg" and (again or target not in known):
            result = run("ansible", target, integration)
            known = json.loads(known_file.read_text()) if known_file.exists() else {}
            known[target] = result
            save(known_file, known)
        if target not in known:
            print(f"{target:34} ansible: not run", flush=True)
            if engine == "cfg":
                continue
        a = known[target]
        shown = f"{target:34} ansible: {len(passing(a)):3}/{len(a['cases']):3} cases"
        if engine == "ansible":
            print(shown, flush=True)
            continue
        result = run("cfg", target, integration)
        rows = json.loads(rows_file.read_text()) if rows_file.exists() else {}
        row = rows[target] = compare(target, a, result)
        save(rows_file, rows)
        print(f"{shown}  cfg: {row['passed']:3}/{row['wanted']:3}" + (f"  left out: {len(row['left_out'])}" if row["left_out"] else ""), flush=True)
        for failure in row["failures"]:
            print(f"    {target}:{failure['id']} {failure['command'][:90]}\n        {failure['why'][:300]}", flush=True)
    return rows


def save(path, value):
    """Writes a file whole, so that a run beside this one never reads half of it."""
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(value))
    new.replace(path)
