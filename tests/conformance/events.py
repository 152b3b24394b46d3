"""A callback of the conformance harness: one JSON line for each task that ended on a host."""
import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "events"

    def _write(self, result, status):
        task = result.task if hasattr(result, "task") else result._task
        host = result.host if hasattr(result, "host") else result._host
        data = result.result if hasattr(result, "result") else result._result
        changed = bool(data.get("changed")) if hasattr(data, "get") else False
        message = str(data.get("msg", "")) if hasattr(data, "get") else ""
        line = {"host": host.get_name(), "task": task.get_name(), "action": task.action, "status": status,
                "changed": changed, "message": message[:300], "path": task.get_path() or ""}
        if task.action.rsplit(".", 1)[-1] == "debug" and hasattr(data, "get"):
            results = data.get("results")
            items = [r.get("msg") for r in results if not r.get("skipped")] if results is not None else [data.get("msg")]
            line["messages"] = items
        with open(os.environ["CONF_EVENTS"], "a") as out:
            out.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result):
        self._write(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result):
        self._write(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._write(result, "unreachable")
