"""docs/conformance.md: what passes under ansible-core and under cfg."""
import re

from harness import ROOT
import roles_set
from runme_set import LEFT_OUT

PAGE = ROOT / "docs/conformance.md"
SECOND = "## Scripts"


def cell(text, length):
    """The first line of a text, fit for a table."""
    return (text.splitlines() or [""])[0][:length].replace("|", "\\|")


def lacks(row):
    """What a target uses that cfg does not have (mostly a plugin the target brings along), in cfg's own words."""
    found = re.search(r"cfg has no (module|filter|lookup|test) `[^`]+`", row["cfg"]["why"]) if row["cfg"]["status"] else None
    return found[0] if found else ""


def compared(rows):
    """The targets that pass under ansible-core and were run with cfg, without those left out."""
    both = [r for r in rows if r.get("ansible") and r["ansible"]["status"] == 0 and r.get("cfg")]
    return [r for r in both if r["target"] not in roles_set.LEFT_OUT]


def failing(rows):
    """Those of them that cfg has everything for and that do not pass."""
    return [r for r in compared(rows) if r["cfg"]["status"] and not lacks(r)]


def roles_total(rows):
    """The sum over the role-style targets, in a line."""
    able = [r for r in compared(rows) if not lacks(r)]
    good = len(able) - len(failing(rows))
    both = compared(rows)
    left_out = sum(r["target"] in roles_set.LEFT_OUT for r in rows)
    return (f"{good} of the {len(able)} targets that pass under ansible-core and use only what cfg has pass under cfg; "
            f"{len(both) - len(able)} more use modules or plugins that it has not, mostly ones of their own, "
            f"and {left_out} are left out, each with its reason")


def roles(rows):
    """The table of the role-style targets."""
    lines = ["# Conformance", "", "ansible-core's own integration targets, run by `tests/conformance/run` with ansible-core 2.19 and with cfg on hosts of the",
             "same kind. Tasks are those that ended; assertions are `assert` tasks that hold, of those that ran.", "", roles_total(rows) + ".", "",
             "| target | ansible-core: tasks | assertions | cfg: tasks | assertions | cfg | why not |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        a, c = r.get("ansible"), r.get("cfg")
        if not a or not c:
            continue
        why = "" if c["status"] == 0 else cell(c["why"], 140)
        if c.get("again") and c["status"] == 0:
            why = "on the second try"
        if r["target"] in roles_set.MENDED:
            why = (f"{roles_set.MENDED[r['target']][3]}. " + why).strip()
        if r["target"] in roles_set.LEFT_OUT:
            why = f"left out: {roles_set.LEFT_OUT[r['target']]}"
        elif lacks(r):
            why = f"uses what cfg has not: {lacks(r)}"
        if a["status"]:
            why = "does not pass under ansible-core here: " + cell(a["why"], 100)
        lines.append(f"| {r['target']} | {a['tasks']} | {a['passed']}/{a['asserts']} | {c['tasks']} | {c['passed']}/{c['asserts']} | "
                     f"{'passes' if c['status'] == 0 else 'does not'} | {why} |")
    return "\n".join(lines) + "\n"


def total(rows):
    """The sum over the targets with a runme.sh, in a line."""
    passed, wanted = (sum(row[key] for row in rows.values()) for key in ("passed", "wanted"))
    otherwise, left_out = (sum(len(row[key]) for row in rows.values()) for key in ("otherwise", "left_out"))
    every = wanted + left_out
    return (f"{passed} of the {wanted} cases of {len(rows)} scripts that pass under ansible-core pass under cfg ({100 * passed / max(wanted, 1):.1f} %); "
            f"in {otherwise} of them the program ended with another code. {left_out} more cases are left out, each with its reason below; "
            f"with those it is {100 * passed / max(every, 1):.1f} %")


def scripts(rows):
    """The table of the targets with a runme.sh."""
    lines = [SECOND, "", "Targets with a `runme.sh`, run by `tests/conformance/run --runme`: there `ansible-playbook` and its sisters are small programs that",
             "call cfg and print what Ansible's default callback prints. A case is one call with the checks that follow it.", "",
             total(rows) + ".", "", "| target | cases that pass under ansible-core | of those under cfg | first reason why not |", "| --- | --- | --- | --- |"]
    for name, row in sorted(rows.items()):
        first = row["failures"][0] if row["failures"] else None
        why = f"line {first['id'].split('.')[0]} {cell(first['why'], 140)}" if first else ""
        if row["left_out"]:
            why += f" ({len(row['left_out'])} more left out: {cell(row['left_out'][0][1], 60)})"
        lines.append(f"| {name} | {row['wanted']} | {row['passed']} | {why} |")
    lines += ["", "Cases left out:", "", "| case | why |", "| --- | --- |"]
    lines += [f"| {name}:{case} | {cell(why, 200)} |" for name, row in sorted(rows.items()) for case, why in row["left_out"]]
    lines += ["", "Targets left out:", "", "| targets | why |", "| --- | --- |"]
    lines += [f"| `{cell(pattern, 200)}` | {reason} |" for pattern, reason in LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


def write(first=None, second=None):
    """Writes the page; a part that was not measured now stays as it is."""
    before = PAGE.read_text() if PAGE.exists() else ""
    one, mark, two = before.partition(SECOND)
    one = first if first is not None else one
    two = second if second is not None else mark + two
    PAGE.write_text(one.rstrip() + "\n" + ("\n" + two if two else ""))
