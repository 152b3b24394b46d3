"""The two hosts of the fleet the targets run on: what is put there, and how commands run there."""
import os, pathlib, shlex, subprocess, sys, tempfile

import roles_set

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
STATE = pathlib.Path(os.environ.get("CFG_FLEET_STATE", pathlib.Path(tempfile.gettempdir()) / "cfg-e2e-fleet"))
ENV = dict(os.environ, CFG_FLEET_STATE=str(STATE), CFG_FLEET_NET=os.environ.get("CFG_FLEET_NET", "10.97.0"), NO_COLOR="1")
CFG = os.environ.get("CFG", str(ROOT / "target/debug/cfg"))
VERSION = "2.19.*"
HOSTS = {"cfg": "k1", "ansible": "k2"}
LIMIT = 400


def sh(*argv, check=True, **kw):
    done = subprocess.run([str(a) for a in argv], env=ENV, capture_output=True, text=True, **kw)
    if check and done.returncode:
        sys.exit(f"{' '.join(map(str, argv))}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done


def fleet(*argv):
    done = sh(ROOT / "tests/fleet/fleet", *argv, check=False)
    if done.returncode == 3:
        print("conformance: skipped:", (done.stderr or done.stdout).strip()); sys.exit(3)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip()


def inside(host, command, timeout=LIMIT):
    argv = ["ssh", "-F", str(STATE / "ssh_config"), host, f"timeout -k 5 {timeout} bash -c {shlex.quote(command)}"]
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)


def source():
    """The source distribution and a tree of installed packages, fetched once."""
    place = STATE / "conformance"
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "venv/bin/pip").exists():
        done = sh(sys.executable, "-m", "venv", place / "venv", check=False)
        if done.returncode:
            print("conformance: skipped: no python3-venv:", done.stderr.strip()[-300:]); sys.exit(3)
    pip = [place / "venv/bin/python", "-m", "pip"]
    if not (place / "packages/passlib").exists():
        # For the Python of the hosts, whatever this machine has.
        done = sh(*pip, "install", "-q", "--target", place / "packages", "--python-version", "3.11", "--implementation", "cp",
                  "--only-binary=:all:", f"ansible-core=={VERSION}", "passlib", check=False)
        if done.returncode:
            print("conformance: skipped: ansible-core cannot be had from pip:", done.stderr.strip()[-300:]); sys.exit(3)
    if not list(place.glob("ansible_core-*/test")):
        sh(*pip, "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", place, f"ansible-core=={VERSION}")
        for archive in place.glob("ansible_core-*.tar.gz"):
            sh("tar", "xf", archive, "-C", place)
    return place / "packages", next(place.glob("ansible_core-*/test/integration"))


def prepare(packages, integration, blank=False):
    """With `blank`, cfg's host has nothing left of what ran on it before: some targets do not clean up behind them."""
    fleet("setup"); fleet("up", "2", "k")
    if blank:
        fleet("reset", HOSTS["cfg"])
    for host in HOSTS.values():
        rootfs = pathlib.Path(fleet("rootfs", host))
        if not (rootfs / "opt/conf/lib").exists():
            sh("mkdir", "-p", rootfs / "opt/conf/callbacks", rootfs / "opt/conf/bin")
            sh("cp", "-a", packages, rootfs / "opt/conf/")
            sh("cp", "-a", integration, rootfs / "opt/conf/")
            sh("cp", "-a", integration.parent / "lib", rootfs / "opt/conf/")
            inventory = "[testgroup]\ntesthost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n"
            (rootfs / "opt/conf/integration/inventory").write_text(inventory)
            done = inside(host, "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -y -qq python3 python3-apt git acl rsync "
                          "unzip zip xz-utils bzip2 locales file make attr at >/dev/null 2>&1; touch /opt/conf/ready", 400)
            if done.returncode:
                sys.exit(f"{host}: {done.stdout}{done.stderr}")
        for name in ("ansible-playbook", "ansible-inventory", "ansible-vault", "ansible"):
            script = rootfs / f"opt/conf/bin/{name}"
            script.write_text("#!/usr/bin/python3\nimport sys\nsys.path.insert(0, '/opt/conf/packages')\n"
                              f"from ansible.cli.{name.removeprefix('ansible-').replace('ansible', 'adhoc')} import main\nmain()\n")
            script.chmod(0o755)
        sh("cp", HERE / "events.py", rootfs / "opt/conf/callbacks/events.py")
        roles_set.mend(rootfs / "opt/conf/integration/targets")
    rootfs = pathlib.Path(fleet("rootfs", HOSTS["cfg"]))
    sh("cp", "--remove-destination", CFG, rootfs / "usr/local/bin/cfg")
