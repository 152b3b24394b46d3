"""Which of ansible-core's targets with a runme.sh are run, and why the others are not."""
import re

# Pattern of the target's whole name: the reason. The first that matches counts.
LEFT_OUT = {
    r"ansible-test.*": "is about ansible-test itself",
    r"ansible-galaxy|ansible-pull|ansible-doc|ansible-console|packaging_cli-doc": "a program that has no counterpart in cfg",
    r"win_.*|connection_(psrp|winrm|windows_ssh)|binary_modules_winrm": "Windows",
    r"connection_paramiko_ssh|connection_delegation|connection_local|connection_ssh": "connection plugins",
    r"ansible-playbook-callbacks|callback.*|ansible_log": "callback plugins and the log file of Ansible",
    r"cache-plugins|inventory_cache|old_style_cache_plugins": "cache plugins",
    r"collections.*|plugin_filtering|plugin_loader|rel_plugin_loading|module_precedence|strategy-external|entry_points": "collections and how plugins are found",
    r"module_utils.*|module_tracebacks|missing_required_lib|async_extra_data|result_pickle_error|json_cleanup|argspec|run_modules": "Python modules and their libraries",
    r"old_style_vars_plugins|become_unprivileged|lookup_config|templating_lookup_args": "the target is about its own Python plugins",
    r"data_tagging_controller|json-serialization|deprecations|fork_safe_stdio|pyyaml|dataloader|signal_propagation": "the inside of Ansible's Python program",
    r"config|debugger|infra|args|cli": "settings, debugger and harness of Ansible itself",
    r"interpreter_discovery_python.*|noexec|remote_tmp": "how Ansible runs Python on the target",
    r"binary_modules_posix": "compiled modules",
    r"subversion": "needs a Subversion server",
    r"pause|builtin_vars_prompt": "needs a terminal",
    r"setup_.*": "helpers of other targets",
}

# Pattern of TARGET:LINE.N: why this case of a target that is run does not count.
CASES = {
    r"handlers:(125|180|183|186)\..*": "it is about a refusal: cfg takes blocks and roles as handlers",
    r"check_mode:5\..*|omit:9\..*": "in cfg's dry run a task sees what those before it would have changed, on purpose",
    r"hash:(8|11)\..*": "mappings that merge by a setting are refused on purpose",
    r"(filter_core:5|lookup_env:[79]|set_fact:37|template:43)\..*": "ansible._protomatter: plugins inside of Ansible for its own tests",
    r"module_defaults:1[357]\..*": "modules of collections the target brings along",
    r"gathering_facts:(15|25|52)\..*": "Python fact modules the target brings along",
    r"ansible:(28|31|34)\..*": "the shim cannot put an ad-hoc task into a directory that is not there",
}


def case_left_out(name):
    """Why a case does not count; nothing where it does."""
    return next((reason for pattern, reason in CASES.items() if re.fullmatch(pattern, name)), None)


def left_out(name):
    """Why a target is not run; nothing where it is."""
    return next((reason for pattern, reason in LEFT_OUT.items() if re.fullmatch(pattern, name)), None)
