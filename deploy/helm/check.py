"""Checks the chart with Helm's own library and with the schemas of Kubernetes: lints it, renders it with every file of
ci/, validates each manifest, and asserts what a schema cannot say. Prints one line for each file of values.

Needs the packages helm-python-sdk, kubernetes-validate and PyYAML; ./test installs them.
"""

import pathlib
import subprocess
import sys
import tempfile

try:
    import helm_python as helm
    import kubernetes_validate
    import yaml
except ImportError:
    # Copying needs none of them.
    if "--copy-rules" not in sys.argv:
        raise

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE / "pgcovenant"
RULES = HERE.parent / "prometheus"
KUBERNETES = ["1.30", "1.34"]
# Of the Prometheus operator, whose definitions are not among those of Kubernetes.
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
PROBLEMS = []


def expect(holds, what):
    if not holds:
        PROBLEMS.append(what)


def rules():
    """The files of rules, wherever they are, without their tests."""
    found = [*RULES.glob("*.yml"), *RULES.glob("rules/*.yml")]
    return {path.name: path for path in found if "\ngroups:" in path.read_text() and "_test" not in path.name}


def rules_are_the_same():
    """The chart can only read what is in its own folder, so it has a copy of the rules."""
    copies = {path.name: path.read_bytes() for path in (CHART / "files" / "rules").iterdir()}
    wanted = {name: path.read_bytes() for name, path in rules().items()}
    expect(copies == wanted, "the chart's copy of the rules is old: run deploy/helm/check.py --copy-rules")


def copy_rules():
    copies = CHART / "files" / "rules"
    for old in copies.iterdir():
        old.unlink()
    for name, path in rules().items():
        (copies / name).write_bytes(path.read_bytes())


def render(values):
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values, name="shop", namespace="data")
    notes = next(text for path, text in rendered.items() if path.endswith("NOTES.txt"))
    expect("pgcovenant is in front of" in notes, "NOTES.txt")
    manifests = []
    for path, text in rendered.items():
        if path.endswith(".yaml"):
            manifests += [(path, manifest) for manifest in yaml.safe_load_all(text) if manifest]
    return manifests


def validate(path, manifest):
    if manifest["kind"] in CUSTOM:
        expect(manifest["apiVersion"] == "monitoring.coreos.com/v1", f"{path}: {manifest['apiVersion']}")
        return
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            PROBLEMS.append(f"{path}, Kubernetes {version}: {error.message}")


def seconds(span):
    units = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600}
    number = span.rstrip("mshin")
    return int(number) * units[span[len(number) :]]


def deployment_is_hardened(pod, name):
    container = pod["containers"][0]
    security = container["securityContext"]
    expect(pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10432, f"{name}: non-root")
    expect(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", f"{name}: seccomp")
    expect(security["readOnlyRootFilesystem"] and security["capabilities"]["drop"] == ["ALL"], f"{name}: privileges")
    expect(pod["automountServiceAccountToken"] is False, f"{name}: a token that nobody needs")
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    wanted = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    expect(paths == wanted, f"{name}: probes are {paths}")
    expect(not any("subPath" in mount for mount in container["volumeMounts"]), f"{name}: subPath never changes")
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    expect(mounted == {volume["name"] for volume in pod["volumes"]}, f"{name}: volumes and mounts differ")


def configuration_is_understood(program, config, folder, name):
    """The program itself reads what the chart has written."""
    file = pathlib.Path(folder) / "pgcovenant.yaml"
    text = yaml.safe_load(config)
    # Files of Secrets and ConfigMaps are not there.
    for section in ("policies", "tls"):
        text.pop(section, None)
    text["upstream"].pop("ca", None)
    file.write_text(yaml.safe_dump(text))
    answer = subprocess.run([program, "check", "--config", file], capture_output=True, text=True, check=False)
    expect(answer.returncode == 0, f"{name}: {answer.stdout}{answer.stderr}")


def check_values(file, program, folder):
    values = yaml.safe_load(file.read_text())
    manifests = render(values)
    for path, manifest in manifests:
        validate(f"{file.name}, {path}", manifest)
    kinds = {}
    for _, manifest in manifests:
        kinds.setdefault(manifest["kind"], []).append(manifest)
        labels = manifest["metadata"]["labels"]
        expect(labels["app.kubernetes.io/instance"] == "shop", f"{file.name}: labels of {manifest['kind']}")
    deployment = kinds["Deployment"][0]["spec"]
    pod = deployment["template"]["spec"]
    deployment_is_hardened(pod, file.name)
    labels = deployment["template"]["metadata"]["labels"]
    for service in kinds["Service"]:
        expect(service["spec"]["selector"].items() <= labels.items(), f"{file.name}: a service that selects nothing")
    expect(("replicas" in deployment) != ("HorizontalPodAutoscaler" in kinds), f"{file.name}: who sets replicas?")
    config = next(m["data"]["pgcovenant.yaml"] for m in kinds["ConfigMap"] if "pgcovenant.yaml" in m["data"])
    limits = yaml.safe_load(config)["limits"]
    drain = seconds(limits["drain_delay"]) + seconds(limits["drain_timeout"])
    expect(pod["terminationGracePeriodSeconds"] > drain, f"{file.name}: killed while it drains")
    if program:
        configuration_is_understood(program, config, folder, file.name)
    for rule in kinds.get("PrometheusRule", []):
        groups = [group for path in rules().values() for group in yaml.safe_load(path.read_text())["groups"]]
        expect(len(rule["spec"]["groups"]) == len(groups), f"{file.name}: groups of rules are missing")
        expect("{{ $labels." in yaml.safe_dump(rule), f"{file.name}: templates of alerts are gone")
    print(f"{file.name}: {len(manifests)} manifests: {', '.join(sorted(kinds))}")
    return values


def refused(values, why):
    """Values that must not pass."""
    try:
        render(values)
        PROBLEMS.append(f"accepted: {why}")
    except helm.HelmError:
        pass


def main():
    if "--copy-rules" in sys.argv:
        return copy_rules()
    program = sys.argv[1] if len(sys.argv) > 1 else None
    rules_are_the_same()
    print(f"Helm {helm.helm_sdk_version()}, Kubernetes {' and '.join(KUBERNETES)}")
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted((CHART / "ci").glob("*.yaml")):
            values = check_values(file, program, folder)
            report = helm.lint(CHART, values, strict=True)
            # An icon is for catalogues of charts.
            for message in report["messages"]:
                expect(message["severity"] < 2, f"{file.name}: {message['path']}: {message['error']}")
            expect(not report["errors"], f"{file.name}: {report['errors']}")
    host = {"upstream": {"host": "db"}}
    refused({}, "no database server")
    refused({"config": host, "replica": 3}, "a value that does not exist")
    refused({"config": {**host, "listen": ["0.0.0.0:5432"]}}, "another port than the one the service knows")
    refused({"config": {**host, "service": {"user": "u", "password": "p"}}}, "a password in values")
    refused({"config": host, "state": {"kind": "postgres"}}, "a store without address")
    refused({"config": host, "state": {"kind": "postgres", "url": "postgres://u:p@db/x"}}, "a password in an address")
    refused({"config": host, "drain": {"timeout": "60"}}, "a time span without unit")
    refused({"config": host, "audit": {"volume": "persistentVolumeClaim"}}, "a claim without name")
    for problem in PROBLEMS:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if PROBLEMS else 0


if __name__ == "__main__":
    sys.exit(main())
