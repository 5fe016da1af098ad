#!/usr/bin/env bash
# Version: torch 2.13.0.
# Behaviour: the first draw on the meta device, `torch.empty(2, 3, device="meta").normal_()`, imports more than 500
#   modules, all of sympy among them. It computes nothing: a tensor there has a shape and no numbers. `empty` and
#   `fill_` on the same device import nothing.
#   Seen: 822 modules, 0.8 to 1.7 s of processor time, as much as `import torch` itself.
# Expected: that a draw without numbers costs what filling without numbers does; its shape is that of its argument.
# Why it matters: transformers builds a model on the meta device before it reads its weights, and initialisation draws
#   there. So every process that only loads a small model pays for symbolic shapes, which it never asks for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import sys
import time
import torch

def cost(action):
    modules, start = set(sys.modules), time.process_time()
    action()
    new = set(sys.modules) - modules
    return len(new), "sympy" in new, time.process_time() - start

x = torch.empty(2, 3, device="meta")
found = {}
for name, action in (("fill_", lambda: x.fill_(1.0)), ("normal_", lambda: x.normal_()), ("normal_ again", lambda: x.normal_())):
    found[name] = cost(action)
    print("{}: {} modules, sympy {}, {:.2f} s".format(name, *found[name]))
as_described = found["fill_"][:2] == (0, False) and found["normal_"][0] > 500 and found["normal_"][1] and found["normal_ again"][0] == 0
sys.exit(0 if as_described else "changed")
PY
echo "as described"
