#!/bin/sh
cat <<J
{"_meta": {"hostvars": {"s1": {"a": 1, "b": [1, {"c": null}]}}},
 "web": {"hosts": ["s1", "s2"], "vars": {"v": "x"}, "children": ["sub"]},
 "sub": ["s3"], "db": {"hosts": ["s2"]}, "empty": {}}
J
