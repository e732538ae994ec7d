//! What `docker/` ships: configurations that `check` accepts, versions that agree, a mounted configuration that is followed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_yaml::Value;

use support::client;
use support::free_ports;
use support::gateway::{Files, program, run};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker").join(name)
}

fn documents(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(path(name)).unwrap();
    text.split("\n---\n").map(|document| serde_yaml::from_str(document).unwrap()).collect()
}

fn of_kind<'d>(documents: &'d [Value], kind: &str) -> &'d Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("there is no {kind}"))
}

fn check(directory: &Path) {
    let output = run(directory, &["check", "--config", "gateway.yaml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_configuration_in_the_cluster_manifest_is_one_that_check_accepts() {
    let documents = documents("kubernetes/headgate.yaml");
    let files = Files::new();
    for (name, content) in of_kind(&documents, "ConfigMap")["data"].as_mapping().unwrap() {
        files.write(name.as_str().unwrap(), content.as_str().unwrap());
    }
    check(&files.0);
}

#[test]
fn a_pod_has_time_to_drain_and_nothing_that_it_does_not_need() {
    let documents = documents("kubernetes/headgate.yaml");
    let pod = &of_kind(&documents, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let configuration: Value = serde_yaml::from_str(of_kind(&documents, "ConfigMap")["data"]["gateway.yaml"].as_str().unwrap()).unwrap();
    let before: u64 = container["lifecycle"]["preStop"]["exec"]["command"][1].as_str().unwrap().parse().unwrap();
    let drain = configuration["drainSeconds"].as_u64().unwrap();
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > before + drain);
    assert_eq!(
        (&pod["securityContext"]["runAsNonRoot"], &container["securityContext"]["readOnlyRootFilesystem"]),
        (&true.into(), &true.into())
    );
    // A subPath would not follow the ConfigMap.
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    assert!(mounts.iter().all(|mount| mount.get("subPath").is_none()) && mounts.iter().any(|mount| mount["name"] == "config"));
    let watched = container["args"].as_sequence().unwrap();
    assert!(watched.contains(&"--watch".into()));
}

/// The images' configurations, with the files beside them that the Dockerfile and the compose file put there.
#[test]
fn the_images_configurations_are_ones_that_check_accepts() {
    let openapi = path("../openapi");
    for (configuration, definitions) in
        [("image/gateway.yaml", ""), ("compose/headgate/gateway.yaml", "../openapi"), ("compose/origin/gateway.yaml", "../openapi")]
    {
        let files = Files::new();
        let place = files.0.join("headgate");
        fs::create_dir_all(place.join(definitions)).unwrap();
        for name in ["petstore.yaml", "proxy.yaml"] {
            fs::copy(openapi.join(name), place.join(definitions).join(name)).unwrap();
        }
        let text = fs::read_to_string(path(configuration)).unwrap();
        fs::write(place.join("gateway.yaml"), text.replace("/var/lib/headgate", "var")).unwrap();
        check(&place);
    }
}

#[test]
fn every_manifest_names_this_version() {
    let image = format!("headgate:{}", env!("CARGO_PKG_VERSION"));
    let documents = documents("kubernetes/headgate.yaml");
    assert_eq!(of_kind(&documents, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"], *image);
    let compose: Value = serde_yaml::from_str(&fs::read_to_string(path("compose/compose.yaml")).unwrap()).unwrap();
    assert_eq!(
        (&compose["services"]["headgate"]["image"], &compose["services"]["origin"]["image"]),
        (&(&*image).into(), &(&*image).into())
    );
    assert!(fs::read_to_string(path("Dockerfile")).unwrap().contains(&format!("-t {image} .")));
}

/// A ConfigMap is a directory of links through `..data`, and changes by that one link's being replaced.
#[test]
fn a_mounted_config_map_is_followed() {
    let [port, admin] = free_ports();
    let files = Files::new();
    for (version, stage) in [("..first", "one"), ("..second", "two")] {
        let directory = files.0.join(version);
        fs::create_dir(&directory).unwrap();
        fs::copy(path("../openapi/petstore.yaml"), directory.join("petstore.yaml")).unwrap();
        let configuration = format!(
            "listeners: [{{address: '127.0.0.1:{port}'}}]\nadmin: {{address: '127.0.0.1:{admin}'}}\nstateDirectory: {}\n\
             apis: [{{id: petstore, definition: petstore.yaml, stages: [{{stageName: {stage}}}]}}]\n",
            files.0.join("state").display()
        );
        fs::write(directory.join("gateway.yaml"), configuration).unwrap();
    }
    symlink("..first", files.0.join("..data")).unwrap();
    for name in ["gateway.yaml", "petstore.yaml"] {
        symlink(Path::new("..data").join(name), files.0.join(name)).unwrap();
    }
    let mut child = program().args(["run", "--watch", "--config"]).arg(files.0.join("gateway.yaml")).stderr(Stdio::null()).spawn().unwrap();
    let serves = |stage: &str| {
        client::send(port, "GET", &format!("/{stage}/store/inventory"), &[], b"").is_ok_and(|response| response.status == 200)
    };
    let comes = |stage: &str| {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && !serves(stage) {
            std::thread::sleep(Duration::from_millis(20));
        }
        serves(stage)
    };
    let first = comes("one");
    symlink("..second", files.0.join("..data_tmp")).unwrap();
    fs::rename(files.0.join("..data_tmp"), files.0.join("..data")).unwrap();
    let (second, old) = (comes("two"), serves("one"));
    let _ = child.kill();
    let _ = child.wait();
    assert!(first && second && !old, "first: {first}, then: {second}, the old one still: {old}");
}
