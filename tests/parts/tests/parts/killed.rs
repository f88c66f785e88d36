//! The API server, killed.

use serde_json::Value;
use stanch_parts::{ControlPlane, Moment, User, until};

fn deployment(replicas: usize) -> String {
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
}

fn uids(pods: &[Value]) -> Vec<&str> {
    let mut uids: Vec<&str> = pods
        .iter()
        .map(|pod| pod["metadata"]["uid"].as_str().unwrap())
        .collect();
    uids.sort_unstable();
    uids
}

#[test]
fn an_api_server_that_was_killed_comes_back_with_what_it_knew_and_its_controllers_go_on() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("killed").unwrap();
    space.apply(&deployment(2)).unwrap();
    let before = space.ready("app=worker", 2).unwrap();
    plane.kill_api_server();
    assert!(plane.api(User::Admin).unwrap().get("/readyz").is_err());
    plane.restart_api_server().unwrap();
    let after = until("the pods", || space.pods("app=worker")).unwrap();
    assert_eq!(uids(&before), uids(&after));
    space.apply(&deployment(3)).unwrap();
    space.ready("app=worker", 3).unwrap();
}

#[test]
fn a_request_is_cut_before_or_after_it_was_done_and_its_sender_knows_neither() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("cut").unwrap();
    let door = plane.door().unwrap();
    let admin = plane.api_through(&door, User::Admin).unwrap();
    space.apply(&deployment(1)).unwrap();
    for (moment, done) in [(Moment::Arrived, false), (Moment::Made, true)] {
        let before = space.ready("app=worker", 1).unwrap();
        let path = space.path(&format!(
            "pods/{}",
            before[0]["metadata"]["name"].as_str().unwrap()
        ));
        door.arm(moment, |request| request.asked().0 == "DELETE");
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| admin.delete(&path));
            until("the request", || door.is_struck().then_some(())).unwrap();
            plane.kill_api_server();
            door.shut();
            door.release();
            assert!(sender.join().unwrap().is_err(), "{moment:?}");
        });
        assert!(admin.get("/readyz").is_err(), "who is shut out is refused");
        plane.restart_api_server().unwrap();
        door.unshut().unwrap();
        until("an answer through the door", || admin.object(&space.path("pods"))).unwrap();
        let after = space.ready("app=worker", 1).unwrap();
        assert_eq!(uids(&before) != uids(&after), done, "{moment:?}");
    }
}
