"""The options of ansible-playbook and ansible, and what they are in cfg."""
import argparse
import sys

from common import cfg, refuse, truthy

# What takes a value and is called the same, or nearly: the option's names, and its name in cfg.
VALUES = [
    (("-i", "--inventory", "--inventory-file"), "--inventory"), (("-l", "--limit"), "--limit"), (("-e", "--extra-vars"), "--extra-vars"),
    (("--vault-id",), "--vault-id"), (("--vault-password-file", "--vault-pass-file"), "--vault-password-file"),
    (("-u", "--user"), "--user"), (("--private-key", "--key-file"), "--private-key"), (("-T", "--timeout"), "--connect-timeout"),
    (("-f", "--forks"), "--forks"), (("--become-user",), "--become-user"), (("--become-method",), "--become-method"),
]
PLAYBOOK_VALUES = [(("-t", "--tags"), "--tags"), (("--skip-tags",), "--skip-tags"), (("--start-at-task",), "--start-at-task")]
FLAGS = [
    (("-J", "--ask-vault-pass", "--ask-vault-password"), "--ask-vault-pass"), (("-k", "--ask-pass"), "--ask-pass"), (("-C", "--check"), "--dry-run"),
    (("-D", "--diff"), "--diff"), (("-b", "--become"), "--become"), (("-K", "--ask-become-pass"), "--ask-become-pass"),
    (("--list-hosts",), "--list-hosts"), (("--syntax-check",), "--syntax-check"),
]
PLAYBOOK_FLAGS = [(("--force-handlers",), "--force-handlers"), (("--list-tasks",), "--list-tasks"), (("--list-tags",), "--list-tags")]
# cfg keeps no cache of facts.
NOTHING = ("--flush-cache",)
UNTRANSLATED = ("-M", "--module-path", "--ssh-common-args", "--ssh-extra-args", "--sftp-extra-args", "--scp-extra-args",
                "--become-password-file", "--become-pass-file", "--connection-password-file", "--conn-pass-file")


class Version(argparse.Action):
    """cfg's."""

    def __call__(self, *_):
        sys.exit(cfg(["--version"]).returncode)


def parser(program, values, flags):
    """A parser that keeps what is given, in the order of the tables."""
    parser = argparse.ArgumentParser(prog=program)
    for names, _ in values:
        parser.add_argument(*names, action="append", default=[], dest=names[-1])
    for names, _ in flags:
        parser.add_argument(*names, action="store_true", dest=names[-1])
    for name in NOTHING:
        parser.add_argument(name, action="store_true")
    for name in UNTRANSLATED:
        parser.add_argument(name, action="append", default=[], dest=name)
    parser.add_argument("-c", "--connection")
    parser.add_argument("-v", "--verbose", action="count", default=0)
    parser.add_argument("--step", action="store_true")
    parser.add_argument("--version", action=Version, nargs=0)
    return parser


def translated(argv, given, values, flags):
    """The options for cfg."""
    here = vars(given)
    for name in UNTRANSLATED:
        if here[name]:
            refuse(argv, f"{name} {here[name][0]}")
    if here["step"]:
        refuse(argv, "--step")
    options = []
    for names, name in values:
        for value in here[names[-1]]:
            options += [f"{name}={value}"]
    for names, name in flags:
        if here[names[-1]]:
            options.append(name)
    if given.connection:
        if given.connection not in ("local", "ssh", "smart", "ansible.builtin.local", "ansible.builtin.ssh"):
            refuse(argv, f"--connection {given.connection}")
        if "local" in given.connection:
            options.append("--local")
    if truthy("ANSIBLE_FORCE_HANDLERS") and flags is not FLAGS and "--force-handlers" not in options:
        options.append("--force-handlers")
    return options
