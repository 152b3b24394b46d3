"""The role-style targets: which are left out, and why, and what is mended in them for both engines."""

# Each is about Ansible's own inside, or cannot be had without a plugin that the target brings along for Ansible.
LEFT_OUT = {
    "assert": "asserts with a lookup plugin of its own, and that conditions with markers in the middle, which cfg refuses before the run, "
              "fail when they are reached",
    "connection_remote_is_local": "is about a connection plugin of its own",
    "filter_encryption": "asserts with `ansible._protomatter`, plugins of Ansible's own test suite",
    "lookup-option-name": "asserts with a lookup plugin of its own",
    "missing-interpreter": "is about the Python that Ansible starts on a host: cfg starts none",
    "unexpected_executor_exception": "is an action plugin of its own that fails inside of Ansible",
}

# target: file, what stands there, what is put there for both engines, and why.
MENDED = {
    "user": ("tasks/test_create_user_home.yml", "path: '{{item}}'", "path: '{{item.path}}'",
             "one task gives `file` a mapping as its path, which removes nothing; cfg refuses that, so it is mended for both"),
}


def mend(targets):
    """Mends the targets in a folder."""
    for target, (name, old, new, _) in MENDED.items():
        path = targets / target / name
        text = path.read_text()
        if old not in text and new not in text:
            raise SystemExit(f"{path}: there is nothing to mend any more")
        path.write_text(text.replace(old, new))
