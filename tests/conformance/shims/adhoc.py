"""cfg's events, printed in the form of Ansible's minimal callback: that of ad-hoc commands."""
from callback import Callback

PROGRAMS = ("command", "shell", "raw", "script")


class Minimal(Callback):
    """Prints only results; each on one line where that is asked for."""

    one_line = False

    def banner(self, text):
        pass

    def recap(self):
        pass

    def head(self, outcome):
        pass

    def say(self, text):
        if not text.startswith("skipping: no hosts"):
            super().say(text)

    def item(self, host, outcome, item):
        module, result = outcome["module"].rsplit(".", 1)[-1], dict(item["result"] or {})
        failed = item["status"] == "failed"
        result.pop("failed", None)
        if module in PROGRAMS and "rc" in result:
            word = "FAILED" if result["rc"] else "CHANGED" if item["status"] == "changed" else "SUCCESS"
            text = (result.get("stdout") or "") + (result.get("stderr") or "") + (result.get("msg") or "" if failed else "")
            if self.one_line:
                self.say(f"{host} | {word} | rc={result['rc']} | (stdout) {text}")
            else:
                self.say(f"{host} | {word} | rc={result['rc']} >>\n{text}")
            return
        result = self.clean(item, module)
        word = "FAILED!" if failed else "SKIPPED" if item["status"] == "skipped" else "CHANGED" if item["status"] == "changed" else "SUCCESS"
        self.say(f"{host} | {word} => {self.dump(result, '' if self.one_line else 'debug')}")
