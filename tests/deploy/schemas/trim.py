"""Kubernetes' own schemas, cut down to the kinds in deploy/kubernetes.

usage: trim.py DIRECTORY-OF-kubernetes-json-schema > tests/deploy/schemas/kubernetes.json
"""
import json, sys, pathlib
src = pathlib.Path(sys.argv[1])
kinds = {"Namespace": "v1", "ServiceAccount": "v1", "ConfigMap": "v1", "Secret": "v1", "Service": "v1",
         "Deployment": "apps/v1", "StatefulSet": "apps/v1", "PodDisruptionBudget": "policy/v1",
         "HorizontalPodAutoscaler": "autoscaling/v2", "NetworkPolicy": "networking.k8s.io/v1"}
defs = json.load(open(src/"_definitions.json"))["$defs"]
out, todo = {}, []
def clean(node):
    if isinstance(node, dict):
        r = {}
        for k, v in node.items():
            if k == "description" and isinstance(v, str): continue
            if k.startswith("x-kubernetes"): continue
            if k == "$ref":
                name = v.split("/")[-1]; todo.append(name); v = "#/definitions/" + name
            r[k] = clean(v)
        return r
    if isinstance(node, list): return [clean(x) for x in node]
    return node
roots = {}
for kind, api in kinds.items():
    group, _, version = api.rpartition("/")
    tail = f".{group.split('.')[0] or 'core'}.{version}.{kind}"
    cand = [n for n in defs if n.endswith(tail)]
    assert len(cand) == 1, (kind, cand)
    roots[f"{api} {kind}"] = cand[0]; todo.append(cand[0])
while todo:
    n = todo.pop()
    if n not in out:
        out[n] = None
        out[n] = clean(defs[n])
json.dump({"kinds": roots, "definitions": dict(sorted(out.items()))}, sys.stdout, separators=(",", ":"))
