"""cfg's events, printed in the form of Ansible's default callback."""
import json
import pathlib

import meta

COLUMNS = 79
ALWAYS_VERBOSE = ("debug", "assert")
NO_TASK = ("meta",)
# What a task adds to the result of its module.
KEPT = ("failed_when_result", "attempts", "skipped", "skip_reason", "false_condition", "ansible_facts")
# What Ansible runs on the controller; what else fails, fails as a module.
ACTIONS = ("add_host", "assert", "copy", "debug", "fail", "fetch", "group_by", "include_vars", "pause", "set_fact", "set_stats", "template",
           "validate_argument_spec")


class Callback:
    """Prints a run when it is over: cfg's hosts do not wait for each other, but their tasks are shown together."""

    def __init__(self, out, verbosity=0, diff=False, playbooks=()):
        self.out, self.verbosity, self.diff, self.playbooks = out, verbosity, diff, playbooks
        self.plays, self.counts, self.failures = [], {}, []

    def say(self, text):
        self.out.write(text + "\n")

    def banner(self, text):
        self.say(f"\n{text} {'*' * max(COLUMNS - len(text), 3)}")

    def event(self, event):
        """Keeps what an event says."""
        kind = event["event"]
        if kind == "play_started":
            self.plays.append({"name": event["play"], "hosts": event["hosts"], "tasks": [], "at": {}, "messages": []})
        elif kind in ("task_finished", "task_retried", "unreachable", "host_message") and self.plays:
            self.entry(self.plays[-1], event)
        elif kind == "run_finished":
            self.counts = dict(event["hosts"])

    def entry(self, play, event):
        """Puts an event of a host with the same task of the other hosts: after what this host did before."""
        host = event["host"]
        if event["event"] == "host_message":
            play["messages"].append(event)
            return
        if event["event"] == "task_retried":
            play.setdefault("retries", {}).setdefault((host, event["name"]), []).append(event["left"])
            return
        outcome = event.get("outcome")
        origin = outcome["origin"] if outcome else {}
        key = (outcome["name"], outcome["role"], origin["file"], origin["line"], outcome["handler"]) if outcome else None
        position = play["at"].get(host, -1) + 1
        same = next((i for i in range(position, len(play["tasks"])) if key and play["tasks"][i]["key"] == key), None)
        if same is None:
            same = position
            play["tasks"].insert(same, {"key": key, "outcome": outcome, "results": []})
            for other, at in play["at"].items():
                if at >= same:
                    play["at"][other] = at + 1
        play["at"][host] = same
        retries = play.get("retries", {}).pop((host, outcome["name"]), []) if outcome else []
        play["tasks"][same]["results"].append((host, event, retries))

    def finish(self):
        """Prints everything."""
        if self.verbosity >= 2 and self.plays:
            for path, number in self.playbooks:
                self.banner(f"PLAYBOOK: {pathlib.Path(path).name}")
                self.say(f"{number} plays in {path}")
        for play in self.plays:
            self.banner(f"PLAY [{play['name']}]")
            if not play["hosts"]:
                self.say("skipping: no hosts matched")
            for task in play["tasks"]:
                self.task(task)
            gone = [host for host in play["hosts"] if self.lost(play, host)]
            if play["hosts"] and len(gone) == len(play["hosts"]) and play is self.plays[-1]:
                self.banner("NO MORE HOSTS LEFT")
        if self.plays:
            self.recap()

    @staticmethod
    def lost(play, host):
        """Whether a host failed in a play."""
        for task in play["tasks"]:
            for name, event, _ in task["results"]:
                outcome = event.get("outcome")
                if name == host and (outcome is None or (outcome["status"] == "failed" and not outcome["ignored"] and not outcome["rescued"])):
                    return True
        return False

    def task(self, task):
        outcome = task["outcome"]
        if outcome and outcome["module"].rsplit(".", 1)[-1] in NO_TASK:
            self.meta(task)
            return
        if outcome:
            self.head(outcome)
        for host, event, retries in task["results"]:
            for left in retries:
                self.say(f"FAILED - RETRYING: [{host}]: {outcome['name']} ({left} retries left).")
            if event["event"] == "unreachable":
                result = {"changed": False, "msg": event["why"]["message"], "unreachable": True}
                self.failures.append(f"{host}: {event['why']['message']}")
                self.say(f"fatal: [{host}]: UNREACHABLE! => {self.dump(result)}")
            else:
                self.result(host, event["outcome"])

    def meta(self, task):
        """What `meta` did is said from -vv on; where it was skipped, there is a task too."""
        for host, event, _ in task["results"]:
            text = meta.text(event["outcome"], host)
            if text and self.verbosity >= 2:
                self.say(f"META: {text}")
            if text and event["outcome"]["status"] == "skipped":
                self.head(event["outcome"])
                self.say(f"skipping: [{host}]" + (f" => {self.dump({'msg': text, 'skip_reason': text})}" if self.verbosity else ""))

    def head(self, outcome):
        """The line above a task's results."""
        name = f"{outcome['role']} : {outcome['name']}" if outcome["role"] else outcome["name"]
        self.banner(f"{'RUNNING HANDLER' if outcome['handler'] else 'TASK'} [{name}]")
        if self.verbosity >= 2:
            self.say(f"task path: {pathlib.Path(outcome['origin']['file']).absolute()}:{outcome['origin']['line']}")

    def result(self, host, outcome):
        """One task on one host."""
        for item in outcome["items"]:
            self.item(host, outcome, item)
        status = outcome["status"]
        looped = any(item["label"] is not None for item in outcome["items"])
        if status == "skipped" and (looped or not outcome["items"]):
            self.say(f"skipping: [{host}]")
        if status == "failed":
            if looped:
                self.say(f"fatal: [{host}]: FAILED! => {self.dump({'changed': False, 'msg': 'One or more items failed'})}")
            if not outcome["ignored"] and not outcome["rescued"]:
                messages = [item["message"] or "" for item in outcome["items"] if item["status"] == "failed"]
                self.failures.append(f"{outcome['name']}: {(messages or [''])[0]} ({outcome['origin']['file']}:{outcome['origin']['line']})")
            if outcome["ignored"]:
                self.say("...ignoring")
        elif not outcome["items"] and status != "skipped":
            self.say(f"{'changed' if status == 'changed' else 'ok'}: [{host}]")

    def item(self, host, outcome, item):
        """One line: a task without a loop, or an item of one."""
        module = outcome["module"].rsplit(".", 1)[-1]
        result = self.clean(item, module)
        label = f" => (item={item['label']})" if item["label"] is not None else ""
        if self.diff:
            for change in item["changes"]:
                if change.get("diff"):
                    self.say(change["diff"])
        if item["status"] == "failed":
            self.error(outcome, item, module)
            where = f"failed: [{host}] (item={item['label']})" if label else f"fatal: [{host}]: FAILED!"
            self.say(f"{where} => {self.dump(result, module)}")
            return
        if item["status"] == "skipped":
            shown = f" => {self.dump(result)}" if self.verbosity else ""
            self.say(f"skipping: [{host}]{label}{' ' if label and not shown else ''}{shown}")
            return
        shown = f" => {self.dump(result, module)}" if self.verbosity or module in ALWAYS_VERBOSE else ""
        self.say(f"{'changed' if item['status'] == 'changed' else 'ok'}: [{host}]{label}{shown}")

    def error(self, outcome, item, module):
        """What is said of a failure above its result: the message again, and the task in its file."""
        kind = "" if item["place"] else f"{'Action' if module in ACTIONS else 'Module'} failed: "
        origin = outcome["origin"]
        self.say(f"[ERROR]: Task failed: {kind}{item['message'] or ''}")
        path = pathlib.Path(origin["file"]).absolute()
        self.say(f"Origin: {path}:{origin['line']}:{origin['col']}\n")
        if path.is_file():
            lines = path.read_text(errors="replace").splitlines()
            for number in range(max(origin["line"] - 2, 1), origin["line"] + 1):
                self.say(f"{number} {lines[number - 1]}" if number <= len(lines) else "")
            self.say(" " * (len(str(origin["line"])) + origin["col"]) + f"^ column {origin['col']}\n")

    def clean(self, item, module):
        """The result as it is shown."""
        result = item["result"]
        if result is None and (item["message"] or "").startswith("(hidden"):
            return {"censored": "the output has been hidden due to the fact that 'no_log: true' was specified for this result"}
        result = dict(result or {})
        if "failed" in result:
            del result["failed"]
        if module == "debug" and item["status"] != "failed":
            # With `var` cfg says the text as a message too.
            if any(name not in ("changed", "msg", *KEPT) for name in result):
                result.pop("msg", None)
            result.pop("changed", None)
        elif item["status"] == "failed":
            result.setdefault("msg", item["message"] or "")
        if item["label"] is not None and module != "debug":
            result = {"ansible_loop_var": "item", "item": item["label"], **result}
        return result

    def dump(self, result, module=""):
        indent = 4 if module in ALWAYS_VERBOSE or self.verbosity > 2 else None
        return json.dumps(result, indent=indent, ensure_ascii=False, sort_keys=True)

    def recap(self):
        """Ansible's counts; its `ok` has no meta tasks."""
        passed = {}
        for play in self.plays:
            for task in play["tasks"]:
                if task["outcome"] and task["outcome"]["module"].rsplit(".", 1)[-1] in NO_TASK:
                    for host, event, _ in task["results"]:
                        if event["outcome"]["status"] in ("ok", "changed"):
                            passed[host] = passed.get(host, 0) + 1
        self.banner("PLAY RECAP")
        for host, counts in sorted(self.counts.items()):
            counts = dict(counts, ok=counts["ok"] - passed.get(host, 0))
            names = ("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored")
            self.say(f"{host:<26} : " + " ".join(f"{name}={counts[name]:<4}" for name in names))
        self.say("")
