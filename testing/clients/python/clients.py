"""The official Python client: objects, watches, patches, custom resources, exec where there is a node."""

import os
import sys
import threading

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

NAMESPACE = "python"


def created_changed_listed(core):
    for i in range(20):
        core.create_namespaced_config_map(
            NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"m-{i}", labels={"set": str(i % 2)}), data={"n": str(i)})
        )
    page = core.list_namespaced_config_map(NAMESPACE, limit=5, label_selector="set=1")
    assert len(page.items) == 5 and page.metadata._continue, page.metadata
    rest = core.list_namespaced_config_map(NAMESPACE, limit=50, label_selector="set=1", _continue=page.metadata._continue)
    assert len(rest.items) == 5, len(rest.items)
    patched = core.patch_namespaced_config_map("m-1", NAMESPACE, {"data": {"n": None, "new": "x"}})
    assert patched.data == {"new": "x"}, patched.data
    patched = core.patch_namespaced_config_map("m-1", NAMESPACE, [{"op": "add", "path": "/data/y", "value": "z"}])
    assert patched.data == {"new": "x", "y": "z"}, patched.data
    patched.data = {"all": "new"}
    assert core.replace_namespaced_config_map("m-1", NAMESPACE, patched).data == {"all": "new"}
    try:
        core.read_namespaced_config_map("nothing", NAMESPACE)
        raise AssertionError("found nothing")
    except ApiException as e:
        assert e.status == 404 and 'configmaps \\"nothing\\" not found' in e.body, e
    try:
        core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "m-1"}})
        raise AssertionError("made twice")
    except ApiException as e:
        assert e.status == 409, e
    print("ok objects")


def watched(core):
    start = core.list_namespaced_secret(NAMESPACE).metadata.resource_version
    seen = []

    def change():
        core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
        core.patch_namespaced_secret("s", NAMESPACE, {"metadata": {"labels": {"x": "y"}}})
        core.delete_namespaced_secret("s", NAMESPACE)

    changes = threading.Thread(target=change)
    changes.start()
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_secret, NAMESPACE, resource_version=start, timeout_seconds=600):
        seen.append(event["type"])
        assert isinstance(event["object"], client.V1Secret)
        if event["type"] == "DELETED":
            watcher.stop()
    changes.join()
    assert seen == ["ADDED", "MODIFIED", "DELETED"], seen
    print("ok watch")


def deployed(api):
    utils.create_from_dict(
        api,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "x", "image": "y"}]}},
            },
        },
        namespace=NAMESPACE,
    )
    apps = client.AppsV1Api(api)
    scale = apps.read_namespaced_deployment_scale("web", NAMESPACE)
    # Whatever the version: the controller writes the status meanwhile.
    scale.metadata.resource_version = None
    scale.spec.replicas = 2
    assert apps.replace_namespaced_deployment_scale("web", NAMESPACE, scale).spec.replicas == 2
    assert apps.read_namespaced_deployment("web", NAMESPACE).spec.replicas == 2
    apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Foreground")
    print("ok deployment")


def custom(api):
    extensions = client.ApiextensionsV1Api(api)
    extensions.create_custom_resource_definition(
        {
            "metadata": {"name": "snakes.python.test"},
            "spec": {
                "group": "python.test",
                "scope": "Namespaced",
                "names": {"plural": "snakes", "singular": "snake", "kind": "Snake"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
    )
    watcher = watch.Watch()
    for event in watcher.stream(extensions.list_custom_resource_definition, field_selector="metadata.name=snakes.python.test", timeout_seconds=600):
        conditions = event["object"].status.conditions if event["object"].status else None
        if any(c.type == "Established" and c.status == "True" for c in conditions or []):
            watcher.stop()
    objects = client.CustomObjectsApi(api)
    objects.create_namespaced_custom_object(
        "python.test", "v1", NAMESPACE, "snakes", {"apiVersion": "python.test/v1", "kind": "Snake", "metadata": {"name": "one"}, "spec": {"length": 3}}
    )
    patched = objects.patch_namespaced_custom_object("python.test", "v1", NAMESPACE, "snakes", "one", {"spec": {"length": 4}})
    assert patched["spec"] == {"length": 4}, patched
    snakes = dynamic.DynamicClient(api).resources.get(api_version="python.test/v1", kind="Snake")
    assert [s.metadata.name for s in snakes.get(namespace=NAMESPACE).items] == ["one"]
    applied = snakes.server_side_apply(
        {"apiVersion": "python.test/v1", "kind": "Snake", "metadata": {"name": "two"}, "spec": {"length": 9}}, namespace=NAMESPACE, field_manager="python"
    )
    assert applied.metadata.managedFields[0].operation == "Apply"
    extensions.delete_custom_resource_definition("snakes.python.test")
    print("ok custom resources")


def executed(core, image):
    core.create_namespaced_pod(
        NAMESPACE,
        {"metadata": {"name": "shell"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": image, "command": ["sh", "-c", "echo up; sleep 600"]}]}},
    )
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_pod, NAMESPACE, field_selector="metadata.name=shell", timeout_seconds=120):
        if event["object"].status.phase == "Running":
            watcher.stop()
    out = stream(
        core.connect_get_namespaced_pod_exec, "shell", NAMESPACE, command=["sh", "-c", "echo out; echo err >&2"],
        stderr=True, stdin=False, stdout=True, tty=False,
    )
    assert sorted(out.split()) == ["err", "out"], out
    talk = stream(
        core.connect_get_namespaced_pod_exec, "shell", NAMESPACE, command=["sh"],
        stderr=True, stdin=True, stdout=True, tty=False, _preload_content=False,
    )
    talk.write_stdin("echo hello $((6 * 7)); exit 5\n")
    talk.run_forever(timeout=30)
    assert talk.read_stdout().strip() == "hello 42"
    assert talk.returncode == 5, talk.returncode
    assert core.read_namespaced_pod_log("shell", NAMESPACE).strip() == "up"
    core.delete_namespaced_pod("shell", NAMESPACE, grace_period_seconds=0)
    print("ok exec")


def main():
    config.load_kube_config()
    with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        core.create_namespace({"metadata": {"name": NAMESPACE}})
        created_changed_listed(core)
        watched(core)
        deployed(api)
        custom(api)
        if os.environ.get("KEDGE_CLIENTS_IMAGE"):
            executed(core, os.environ["KEDGE_CLIENTS_IMAGE"])
        core.delete_namespace(NAMESPACE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
