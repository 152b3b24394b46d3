"""What Ansible says of `meta` tasks. cfg's events say where such a task stands and how it came out, not what it is: that is read there."""
import pathlib
import re

# What is said where it is done, and what more where its condition is false.
TEXTS = {
    "noop": ("noop", ""),
    "flush_handlers": ("triggered running handlers for {host}", ", not running handlers for {host}"),
    "clear_facts": ("facts cleared", ", not clearing facts and fact cache for {host}"),
    "clear_host_errors": ("cleared host errors", ", not clearing host error state for {host}"),
    "end_batch": ("ending batch", ", continuing current batch"),
    "end_play": ("ending play", ", continuing play"),
    "end_host": ("ending play for {host}", ", continuing execution for {host}"),
    "end_role": ("ending role {role} for {host}", "continuing role {role} for {host}"),
    "reset_connection": ("reset connection", ""),
}


def text(outcome, host):
    """The kind of a meta task on a host, and what is said of it."""
    origin = outcome["origin"]
    path = pathlib.Path(origin["file"])
    lines = path.read_text(errors="replace").splitlines()[origin["line"] - 1:origin["line"] + 8] if path.is_file() else []
    found = re.search(r"\bmeta\s*:\s*['\"]?(\w+)", "\n".join(lines))
    if not found or found[1] not in TEXTS:
        return None
    done, more = (part.format(host=host, role=outcome["role"]) for part in TEXTS[found[1]])
    return f"{found[1]} conditional evaluated to False{more}" if outcome["status"] == "skipped" else done
