use super::*;

fn redact(secret: &str, text: impl Into<String>) -> String {
    Redactor::new([&Secret::new(secret).unwrap()]).text(text.into())
}

#[test]
fn each_form_of_an_echo_is_removed() {
    let secret = "p/s&w\"rd +1";
    let encoded = STANDARD.encode(secret);
    let table = [
        format!("as it is: {secret}"),
        format!("base64: {encoded}"),
        format!(
            "percent: {}",
            String::from_utf8(percent(secret.as_bytes(), false)).unwrap()
        ),
        format!(
            "percent: {}",
            String::from_utf8(percent(secret.as_bytes(), true)).unwrap()
        ),
        format!("hex: {}", hex::encode(secret)),
        format!("json: {}", serde_json::json!({ "a": secret })),
    ];
    for text in table {
        let left = redact(secret, text.clone());
        assert!(left.contains(REDACTED), "{text} -> {left}");
        assert!(
            !left.contains("s&w") && !left.contains(&encoded) && !left.contains("26w"),
            "{text} -> {left}"
        );
    }
}

#[test]
fn base64_is_found_at_each_place_in_a_longer_text() {
    let secret = "correct-horse-battery";
    for before in ["", "u", "us", "usr:", "user:"] {
        for after in ["", "!", "!!", "!!!"] {
            let text = STANDARD.encode(format!("{before}{secret}{after}"));
            assert!(
                redact(secret, text.clone()).contains(REDACTED),
                "{before}|{after}"
            );
        }
    }
    let basic = STANDARD.encode("user:correct-horse");
    assert_eq!(redact(&basic, "you are user:correct-horse"), "you are [secret]");
}

#[test]
fn what_only_looks_alike_stays() {
    let text = "correct horse battery; Y29ycmVjdA==; p%2Fs";
    assert_eq!(redact("correct-horse-battery", text), text);
    assert_eq!(Redactor::none().text(text.into()), text);
}
