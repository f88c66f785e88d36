//! A page, as a person has it before him.

use stanch_outside::http::Server;
use stanch_parts::{Browser, until};

const PAGE: &str = "<!doctype html><title>Page</title>
<h1>Evict worker-1?</h1><input id=name><button>Yes</button><p hidden>nobody sees this</p>
<script>
document.querySelector('button').onclick = async () => {
  const answer = await fetch('/answer?by=' + document.querySelector('#name').value);
  document.querySelector('h1').textContent = await answer.text();
};
</script>";

#[test]
fn what_a_person_does_on_a_page_is_done_and_seen() {
    let server = Server::open(|request| match request.asked() {
        ("GET", "/") => (200, PAGE.to_owned()),
        ("GET", "/answer?by=dana") => (200, "Yes by dana".to_owned()),
        _ => (404, String::new()),
    })
    .unwrap();
    let browser = Browser::start(800, 600).unwrap();
    browser.open(&format!("http://{}/", server.address)).unwrap();
    assert_eq!(browser.text("h1").unwrap(), "Evict worker-1?");
    assert_eq!(browser.text("p").unwrap(), "", "what is hidden is not seen");
    assert!(browser.text("h2").is_none());
    browser.fill("#name", "dana").unwrap();
    browser.click("button").unwrap();
    let answered = || (browser.text("h1")? == "Yes by dana").then_some(());
    until("the answer", answered).unwrap();
    assert_eq!(browser.script("return document.title").unwrap(), "Page");
    assert!(
        browser
            .script("throw new Error('it burns')")
            .unwrap_err()
            .to_string()
            .contains("it burns")
    );
    // The first bytes of every PNG.
    assert!(browser.screenshot().unwrap().starts_with("iVBORw0KGgo"));
    assert!(
        browser.click("p").is_err(),
        "what is not seen cannot be clicked on"
    );
}
