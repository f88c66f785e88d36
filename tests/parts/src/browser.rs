//! Chromium, without a screen, driven by WebDriver: what a person sees of a page, and does on it.
//!
//! WebDriver (W3C) is JSON over HTTP, so that nothing but the browser's own driver is needed. The browser is started here,
//! and the driver told where it is, so that it ends with the test as the other parts do.

use std::net::SocketAddr;

use serde_json::{Value, json};
use stanch_outside::http::{Connection, free_port};

use crate::place::Place;
use crate::process::Process;
use crate::wait::until;
use crate::{Part, PartError, program};

/// How WebDriver names an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page. It ends with this value.
#[derive(Debug)]
pub struct Browser {
    driver: SocketAddr,
    session: String,
    _driving: Process,
    _browsing: Process,
    _place: Place,
}

impl Browser {
    /// Starts it with an empty page of so many pixels.
    ///
    /// # Errors
    /// Where it is not there, or does not come up.
    pub fn start(width: u32, height: u32) -> Result<Self, PartError> {
        let chromium = program(Part::Chromium)?;
        let chromedriver = program(Part::Chromedriver)?;
        let place = Place::new("browser")?;
        let arguments = [
            "--headless".to_owned(),
            // Tests may run as root, as whom its own sandbox does not work; what it opens is a test's own page.
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            // It stays on this machine.
            "--disable-quic".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-first-run".to_owned(),
            "--remote-debugging-port=0".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", place.path().join("profile").display()),
            "about:blank".to_owned(),
        ];
        let mut browsing = Process::start(place.path(), "chromium", &chromium, &arguments)?;
        let told = place.path().join("profile/DevToolsActivePort");
        let port = until("Chromium to say where it is", || {
            if !browsing.is_running() {
                return Some(Err(browsing.trouble("it ended")));
            }
            let text = std::fs::read_to_string(&told).ok()?;
            text.lines().next()?.parse::<u16>().ok().map(Ok)
        });
        let port = port.map_err(|why| browsing.trouble(&why.to_string()))??;

        let driver = free_port().map_err(|why| PartError::of("a free port", why))?;
        let arguments = [format!("--port={}", driver.port())];
        let mut driving = Process::start(place.path(), "chromedriver", &chromedriver, &arguments)?;
        let chrome = json!({ "debuggerAddress": format!("127.0.0.1:{port}") });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": chrome, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = until("a session of Chromium", || {
            if !driving.is_running() {
                return Some(Err(driving.trouble("it ended")));
            }
            let said = told_to(driver, "POST", "/session", &wanted).ok()?;
            Some(Ok(said.get("sessionId")?.as_str()?.to_owned()))
        });
        let session = session.map_err(|why| driving.trouble(&why.to_string()))??;
        Ok(Self {
            driver,
            session,
            _driving: driving,
            _browsing: browsing,
            _place: place,
        })
    }

    /// Opens a page, and waits until it has loaded.
    ///
    /// # Errors
    /// Where it does not load.
    pub fn open(&self, url: &str) -> Result<(), PartError> {
        self.tell("POST", "/url", &json!({ "url": url })).map(drop)
    }

    /// Where the page is from.
    ///
    /// # Errors
    /// Where the driver does not answer.
    pub fn address(&self) -> Result<String, PartError> {
        let address = self.tell("GET", "/url", &Value::Null)?;
        Ok(address.as_str().unwrap_or_default().to_owned())
    }

    /// The text that a person sees of the first element that a CSS selector fits; none where there is none.
    pub fn text(&self, selector: &str) -> Option<String> {
        let path = format!("/element/{}/text", self.element(selector).ok()?);
        Some(self.tell("GET", &path, &Value::Null).ok()?.as_str()?.to_owned())
    }

    /// Clicks on the first element that a CSS selector fits.
    ///
    /// # Errors
    /// Where there is none, or a person could not click on it.
    pub fn click(&self, selector: &str) -> Result<(), PartError> {
        let path = format!("/element/{}/click", self.element(selector)?);
        self.tell("POST", &path, &json!({})).map(drop)
    }

    /// Types into the first element that a CSS selector fits.
    ///
    /// # Errors
    /// Where there is none, or it takes no text.
    pub fn fill(&self, selector: &str, text: &str) -> Result<(), PartError> {
        let path = format!("/element/{}/value", self.element(selector)?);
        self.tell("POST", &path, &json!({ "text": text })).map(drop)
    }

    /// From now on what is asked is about the page in this frame of the page.
    ///
    /// # Errors
    /// Where there is none.
    pub fn enter_frame(&self, selector: &str) -> Result<(), PartError> {
        let frame = json!({ ELEMENT: self.element(selector)? });
        self.tell("POST", "/frame", &json!({ "id": frame })).map(drop)
    }

    /// From now on what is asked is about the page itself again.
    ///
    /// # Errors
    /// Where the driver does not answer.
    pub fn leave_frames(&self) -> Result<(), PartError> {
        self.tell("POST", "/frame", &json!({ "id": null })).map(drop)
    }

    /// What a function's body returns in the page.
    ///
    /// # Errors
    /// Where it throws.
    pub fn script(&self, body: &str) -> Result<Value, PartError> {
        self.tell("POST", "/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// What the page looks like: a PNG, in base64.
    ///
    /// # Errors
    /// Where the driver does not answer.
    pub fn screenshot(&self) -> Result<String, PartError> {
        let picture = self.tell("GET", "/screenshot", &Value::Null)?;
        Ok(picture.as_str().unwrap_or_default().to_owned())
    }

    /// Shows the page in so many pixels, and as who likes it dark or light sees it.
    ///
    /// # Errors
    /// Where the driver does not answer.
    pub fn look(&self, (width, height): (u32, u32), dark: bool) -> Result<(), PartError> {
        let scheme = if dark { "dark" } else { "light" };
        let phone =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        let colours = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        for (command, params) in [
            ("Emulation.setDeviceMetricsOverride", phone),
            ("Emulation.setEmulatedMedia", colours),
        ] {
            let wanted = json!({ "cmd": command, "params": params });
            self.tell("POST", "/goog/cdp/execute", &wanted)?;
        }
        Ok(())
    }

    /// From the next page on, pages run no script.
    ///
    /// # Errors
    /// Where the driver does not answer.
    pub fn without_script(&self) -> Result<(), PartError> {
        let wanted = json!({ "cmd": "Emulation.setScriptExecutionDisabled", "params": { "value": true } });
        self.tell("POST", "/goog/cdp/execute", &wanted).map(drop)
    }

    /// What the browser complained of since this was asked last: errors of scripts, what a policy refused, what did not load.
    ///
    /// # Errors
    /// Where the driver does not answer.
    pub fn complaints(&self) -> Result<Vec<String>, PartError> {
        let said = self.tell("POST", "/se/log", &json!({ "type": "browser" }))?;
        let entries = said.as_array().into_iter().flatten();
        Ok(entries
            .filter(|entry| entry.get("level").and_then(Value::as_str) != Some("DEBUG"))
            .filter_map(|entry| entry.get("message")?.as_str().map(str::to_owned))
            .collect())
    }

    /// What keeps people from using the page, by axe-core's rules, where it is serious or critical: rule and element, a line each.
    ///
    /// # Errors
    /// Where axe-core is not there, or does not run.
    pub fn barriers(&self) -> Result<Vec<String>, PartError> {
        let axe = program(Part::Axe)?;
        let script = std::fs::read_to_string(&axe).map_err(|why| PartError::of("axe-core", why))?;
        let found = self.script(&format!(
            "{script}; return axe.run(document).then((found) => found.violations
                .filter((rule) => rule.impact === 'serious' || rule.impact === 'critical')
                .flatMap((rule) => rule.nodes.map((node) => `${{rule.id}}: ${{node.html}}: ${{node.failureSummary}}`)));"
        ))?;
        let lines = found.as_array().into_iter().flatten();
        Ok(lines
            .filter_map(|line| line.as_str().map(str::to_owned))
            .collect())
    }

    fn element(&self, selector: &str) -> Result<String, PartError> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.tell("POST", "/element", &wanted)?;
        let id = found.get(ELEMENT).and_then(Value::as_str);
        id.map(str::to_owned)
            .ok_or_else(|| PartError::from(format!("an odd element for `{selector}`: {found}")))
    }

    fn tell(&self, method: &str, path: &str, body: &Value) -> Result<Value, PartError> {
        told_to(
            self.driver,
            method,
            &format!("/session/{}{path}", self.session),
            body,
        )
    }
}

/// What the driver answers.
fn told_to(driver: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Value, PartError> {
    let failed =
        |why: &dyn std::fmt::Display| PartError::of(&format!("the browser, asked {method} {path}"), why);
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let headers = [("content-type", "application/json")];
    let answer = Connection::open(driver)
        .and_then(|mut driver| driver.send(method, path, &headers, &body))
        .map_err(|why| failed(&why))?;
    let mut said: Value = serde_json::from_str(&answer.body).map_err(|why| failed(&why))?;
    let value = said.get_mut("value").map(Value::take).unwrap_or_default();
    match answer.status {
        200 => Ok(value),
        _ => Err(failed(value.get("message").unwrap_or(&value))),
    }
}
