//! Traffic that Caddy moves and refuses while it runs.

use serde_json::{Value, json};
use stanch_outside::http::{Connection, Server};
use stanch_parts::Caddy;

#[test]
fn weights_move_traffic_at_once_and_a_stale_change_of_them_is_refused() {
    let upstream = |name: &'static str| Server::open(move |_| (200, name.to_owned())).unwrap();
    let (near, far) = (upstream("near"), upstream("far"));
    let caddy = Caddy::by_weight("proxy", [near.address, far.address], [1, 0]).unwrap();
    let ask = || {
        let answer = Connection::open(caddy.address).unwrap().get("/").unwrap();
        assert_eq!(answer.status, 200);
        answer.body
    };
    assert_eq!([ask(), ask(), ask()], ["near", "near", "near"]);

    // It ends the connections of its admin API with each change.
    let admin = || Connection::open(caddy.admin).unwrap();
    let path = "/id/proxy/load_balancing/selection_policy/weights";
    let read = admin().get(path).unwrap();
    let etag = read.header("etag").unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&read.body).unwrap(), json!([1, 0]));
    let change = |weights: &str| {
        let headers = [("content-type", "application/json"), ("if-match", &etag)];
        admin().send("PATCH", path, &headers, weights).unwrap().status
    };
    assert_eq!(change("[0,1]"), 200);
    assert_eq!([ask(), ask(), ask()], ["far", "far", "far"]);
    assert_eq!(change("[1,0]"), 412, "what was read is no longer so");
    assert_eq!(ask(), "far");
}
