//! The API server, killed.

use stanch_parts::{ControlPlane, User, until};

#[test]
fn an_api_server_that_was_killed_comes_back_with_what_it_knew_and_its_controllers_go_on() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("killed").unwrap();
    let deployment = |replicas: usize| {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: worker}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: worker}}}}
  template: {{metadata: {{labels: {{app: worker}}}}, spec: {{containers: [{{name: main, image: worker}}]}}}}
"
        )
    };
    space.apply(&deployment(2)).unwrap();
    let before = space.ready("app=worker", 2).unwrap();
    plane.kill_api_server();
    assert!(plane.api(User::Admin).unwrap().get("/readyz").is_err());
    plane.restart_api_server().unwrap();
    let after = until("the pods", || space.pods("app=worker")).unwrap();
    let uids = |pods: &[serde_json::Value]| {
        let mut uids: Vec<String> = pods
            .iter()
            .map(|pod| pod["metadata"]["uid"].to_string())
            .collect();
        uids.sort();
        uids
    };
    assert_eq!(uids(&before), uids(&after));
    space.apply(&deployment(3)).unwrap();
    space.ready("app=worker", 3).unwrap();
}
