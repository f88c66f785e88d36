//! The fake host's network: answers by method and URL.

use std::collections::VecDeque;
use std::time::Duration;

use super::State;
use crate::http::{Request, Response};
use crate::{Action, Failure};

#[derive(Debug, Default)]
pub(crate) struct Web {
    answers: Vec<Answers>,
    pub(super) sent: Vec<Request>,
    pub(super) latency_ms: i64,
}

#[derive(Debug)]
struct Answers {
    method: String,
    url: String,
    queue: VecDeque<Result<Response, Failure>>,
}

/// An answer with a status and a body.
pub fn reply(status: u16, body: impl ToString) -> Result<Response, Failure> {
    Ok(Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    })
}

impl Web {
    pub(super) fn add(&mut self, method: &str, url: &str, answer: Result<Response, Failure>) {
        match self
            .answers
            .iter_mut()
            .find(|answers| answers.method == method && answers.url == url)
        {
            Some(answers) => answers.queue.push_back(answer),
            None => self.answers.push(Answers {
                method: method.to_owned(),
                url: url.to_owned(),
                queue: VecDeque::from([answer]),
            }),
        }
    }

    fn answer(&mut self, request: &Request) -> Option<Result<Response, Failure>> {
        let answers = self.answers.iter_mut().find(|answers| {
            answers.method == request.method
                && match answers.url.strip_suffix('*') {
                    Some(beginning) => request.url.starts_with(beginning),
                    None => request.url == answers.url,
                }
        })?;
        if answers.queue.len() > 1 {
            answers.queue.pop_front()
        } else {
            answers.queue.front().cloned()
        }
    }
}

impl State {
    pub(crate) fn send(&self, request: &Request) -> Result<Response, Failure> {
        let reads = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let index = if reads {
            None
        } else {
            self.gate
                .borrow_mut()
                .pass(&Action::send(request.clone()).to_wire())?
        };
        let answer = {
            let mut web = self.web.borrow_mut();
            let answer = web.answer(request).unwrap_or_else(|| {
                Err(Failure::denied(format!(
                    "No grant names `{} {}`",
                    request.method, request.url
                )))
            });
            if answer.is_ok() {
                web.sent.push(request.clone());
            }
            answer
        };
        let latency = u64::try_from(self.web.borrow().latency_ms).unwrap_or(0);
        self.sleep(Duration::from_millis(latency));
        if let Some(index) = index {
            self.gate.borrow_mut().answered(index, &answer);
        }
        answer
    }
}
