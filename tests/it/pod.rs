//! The sidecar as its manifests have it: they are valid, and what they say is done in a namespace that plays the pod.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use squall::clock;

use crate::support::namespace::{self, Namespace, are_possible, program};
use crate::support::toolchain::{is_required, say};
use crate::support::upstream::{HOST, Upstream};
use crate::support::{PATIENCE, toolchain};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// The documents of a file, with what `<<` and `*` stand for in its place.
fn documents(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(deploy(file)).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents
        .map(|document| {
            let mut value = <serde_yaml::Value as serde::Deserialize>::deserialize(document).unwrap();
            value.apply_merge().unwrap();
            serde_json::to_value(value).unwrap()
        })
        .collect()
}

#[test]
fn the_manifests_hold_before_kubernetes_own_schema() {
    if !is_required("kubernetes") {
        return say(
            "skipped: manifests against Kubernetes' schema: SQUALL_SDKS=kubernetes or =all installs it (80 MB, once)\n",
        );
    }
    let python = toolchain::kubernetes().unwrap();
    let valid = |version: &str, file: &Path| {
        let mut validate = Command::new(python.with_file_name("kubernetes-validate"));
        let output = validate.args(["--strict", "--kubernetes-version", version]).arg(file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    for version in ["1.29", "1.37"] {
        assert_eq!(valid(version, &deploy("kubernetes.yaml")), Ok(()), "{version}");
    }
    let wrong = namespace::open_dir();
    let file = wrong.path().join("wrong.yaml");
    fs::write(&file, fs::read_to_string(deploy("kubernetes.yaml")).unwrap().replace("mountPath", "mountpath")).unwrap();
    assert!(valid("1.37", &file).is_err(), "it would find nothing");
}

#[test]
fn compose_and_kubernetes_say_the_same_of_what_they_share() {
    let pod = pod();
    let compose = documents("compose.yaml").remove(0);
    let service = |name: &str| compose["services"][name].clone();
    let strings = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    for name in ["trust", "rules"] {
        let container = container(&pod, name);
        assert_eq!(service(name)["entrypoint"], container["command"], "{name}");
        assert_eq!(service(name)["command"], container["args"], "{name}");
    }
    let squall = strings(&container(&pod, "squall")["args"]);
    assert!(squall.starts_with(&strings(&service("squall")["command"])), "{squall:?}");
    let variables = variables(&container(&pod, "app"));
    assert_eq!(
        service("app")["environment"],
        serde_json::to_value(variables.into_iter().collect::<std::collections::BTreeMap<_, _>>()).unwrap()
    );
    let profile: Value = serde_yaml::from_str(&fs::read_to_string(deploy("profiles/chaos.yaml")).unwrap()).unwrap();
    let of_pod: Value =
        serde_yaml::from_str(documents("kubernetes.yaml")[0]["data"]["chaos.yaml"].as_str().unwrap()).unwrap();
    assert_eq!(profile, of_pod);
}

#[test]
fn the_image_holds_what_its_containers_need() {
    let file = fs::read_to_string(deploy("Dockerfile")).unwrap();
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let minor =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap().rsplit_once('.').unwrap().0;
    assert!(file.contains(&format!("FROM rust:{minor}-")), "the compiler is older than rust-version");
    for wanted in ["USER 4577:4577", "ca-certificates iptables", "deploy/guided.sh", "ENTRYPOINT [\"squall\"]"] {
        assert!(file.contains(wanted), "{wanted}");
    }
    let ignored = fs::read_to_string(deploy("Dockerfile.dockerignore")).unwrap();
    for line in file.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let words: Vec<_> = line.split_whitespace().collect();
        for source in &words[1..words.len() - 1] {
            assert!(ignored.contains(&format!("!{source}\n")), "{source} is left out of what is sent to the builder");
        }
    }
}

/// Init steps, sidecar and probes as the manifest says; then a program of another user's, which knows nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_the_pod_meets_the_faults_of_the_profile_and_what_passes_reaches_aws() {
    if !are_possible("the pod") {
        return;
    }
    let (machine, aws) = Namespace::pair(&["203.0.113.9/32"]);
    let aws = Upstream::tls_on(aws.listener("203.0.113.9:443"), OK).await;
    let pod = pod();
    // The pod's volumes; and the far end of this test stands for AWS to Squall.
    let roots = namespace::open_dir();
    fs::write(roots.path().join("aws.pem"), aws.root_pem()).unwrap();
    machine.sh(&format!(
        "mount -t tmpfs -o mode=755 tmpfs /run
         for d in ca trust ready profiles; do mkdir -p /run/squall/$d; chown 4577:4577 /run/squall/$d; done
         cp '{}' /run/squall/profiles/chaos.yaml; chmod 644 /run/squall/profiles/chaos.yaml
         cp '{}' /run/aws.pem; chmod 644 /run/aws.pem",
        deploy("profiles/chaos.yaml").display(),
        roots.path().join("aws.pem").display()
    ));
    assert!(run(&machine, &container(&pod, "trust")).status().unwrap().success(), "trust");
    let mut sidecar = container(&pod, "squall");
    sidecar["env"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({"name": "SQUALL_UPSTREAM_CA", "value": "/run/aws.pem"}));
    let mut squall = Ended(run(&machine, &sidecar).stderr(Stdio::null()).spawn().unwrap());
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let until = clock::now() + PATIENCE;
        while !probed(&machine, &sidecar, probe) {
            assert!(clock::now() < until && squall.0.try_wait().unwrap().is_none(), "{probe}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert!(run(&machine, &container(&pod, "rules")).status().unwrap().success(), "rules");
    // The key is Squall's alone; what must be trusted is everybody's.
    let app = container(&pod, "app");
    let user = user(&app);
    assert!(
        !machine
            .command_as(user, "cat")
            .arg("/run/squall/ca/intermediate.key")
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let mut answers = Vec::new();
    for _ in 0..40 {
        let mut curl = machine.command_as(user, "curl");
        curl.args(["--silent", "--show-error", "--include", "--max-time", "10", "--data", r#"{"TableName":"t"}"#]);
        curl.args([
            "--header",
            "X-Amz-Target: DynamoDB_20120810.PutItem",
            "--resolve",
            &format!("{HOST}:443:203.0.113.9"),
        ]);
        let output = curl.arg(format!("https://{HOST}/")).env_clear().envs(variables(&app)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        answers.push(String::from_utf8(output.stdout).unwrap());
    }
    let thrown = answers.iter().filter(|answer| answer.contains("\r\nx-squall-fault: throttle-writes\r\n")).count();
    assert!((1..40).contains(&thrown), "{thrown} of 40");
    assert_eq!(aws.requests().len(), 40 - thrown, "all others reached AWS, with its certificate verified");
    assert!(probed(&machine, &sidecar, "livenessProbe"));
    // The profile is reloaded when the ConfigMap's volume changes.
    machine.sh("sed -i 's/30%/100%/' /run/squall/profiles/chaos.yaml");
    let until = clock::now() + PATIENCE;
    loop {
        let resolve = format!("{HOST}:443:203.0.113.9");
        let output = machine.curl(
            user,
            &[
                "--cacert",
                "/run/squall/trust/bundle.pem",
                "--resolve",
                &resolve,
                "--header",
                "X-Amz-Target: DynamoDB_20120810.PutItem",
                "--data",
                "{}",
                &format!("https://{HOST}/"),
            ],
        );
        let answer = String::from_utf8(output.stdout).unwrap();
        answers.push(answer);
        if answers.iter().rev().take(20).filter(|answer| answer.contains("x-squall-fault")).count() == 20 {
            break;
        }
        assert!(clock::now() < until, "not reloaded");
    }
    assert!(Command::new("kill").arg(squall.0.id().to_string()).status().unwrap().success());
    assert!(squall.0.wait().unwrap().success(), "the sidecar ends with 0 when the pod does");
    assert!(!probed(&machine, &sidecar, "livenessProbe"), "and is then no longer alive");
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pod() -> Value {
    let deployment =
        documents("kubernetes.yaml").into_iter().find(|document| document["kind"] == "Deployment").unwrap();
    deployment["spec"]["template"]["spec"].clone()
}

fn container(pod: &Value, name: &str) -> Value {
    let all = ["initContainers", "containers"].map(|kind| pod[kind].as_array().unwrap().clone()).concat();
    all.into_iter().find(|container| container["name"] == name).unwrap()
}

fn user(container: &Value) -> u32 {
    serde_json::from_value(container["securityContext"]["runAsUser"].clone()).unwrap()
}

fn variables(container: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    container["env"].as_array().unwrap_or(&Vec::new()).iter().map(|v| (text(&v["name"]), text(&v["value"]))).collect()
}

/// A container of Squall's image: its command, or the image's own.
fn run(machine: &Namespace, container: &Value) -> Command {
    let words = |key: &str| -> Vec<String> { serde_json::from_value(container[key].clone()).unwrap_or_default() };
    let mut command = words("command");
    if command.is_empty() {
        command.push("squall".to_owned());
    }
    command.extend(words("args"));
    let mut run = within(machine, container, &command);
    run.stdin(Stdio::null()).stdout(Stdio::null());
    run
}

fn probed(machine: &Namespace, container: &Value, probe: &str) -> bool {
    let command: Vec<String> = serde_json::from_value(container[probe]["exec"]["command"].clone()).unwrap();
    within(machine, container, &command).stderr(Stdio::null()).status().unwrap().success()
}

/// A program with the user, the capabilities and the variables of a container's.
fn within(machine: &Namespace, container: &Value, command: &[String]) -> Command {
    let added = container["securityContext"]["capabilities"]["add"].as_array().cloned().unwrap_or_default();
    let mut bounding = "-all".to_owned();
    for capability in added {
        bounding += &format!(",+{}", capability.as_str().unwrap().to_ascii_lowercase());
    }
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program().parent().unwrap().display());
    let mut setpriv = machine.command_within(user(container), &bounding, "env");
    setpriv.args(["-i", &format!("PATH={path}")]);
    setpriv.args(variables(container).into_iter().map(|(name, value)| format!("{name}={value}")));
    setpriv.args(command);
    setpriv
}
