//! What an expression of a run can see, and the run's report.

use serde_json::{Map, Value, json};
use stanch_contract::{IdempotencyKey, RunId, StepId};
use stanch_runbook::expr::{EvalError, Expr, Params, Scope, Template};
use stanch_runbook::model::Severity;

use crate::state::State;
use crate::words::Side;

/// The same for every attempt at one application of a step (the change, each batch of it, putting it back), and different
/// between them. Batches are counted from 1.
pub fn idempotency_key(run: &RunId, step: &StepId, side: Side, batch: Option<u32>) -> IdempotencyKey {
    IdempotencyKey(match batch {
        Some(batch) => format!("{run}.{step}.{side}.{batch}"),
        None => format!("{run}.{step}.{side}"),
    })
}

pub(crate) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

impl State {
    fn with_scope<T>(&self, report: &Value, use_it: impl FnOnce(&Scope<'_>) -> T) -> T {
        use_it(&Scope {
            alerts: &self.alerts,
            inputs: &self.opened.inputs,
            vars: &self.book.vars,
            run: Some((&self.opened.run, report)),
            impact: Some(&self.book.impact),
            results: &self.results,
        })
    }

    pub(crate) fn holds(&self, condition: &Expr) -> Result<bool, EvalError> {
        let report = self.report_where(condition.source());
        self.with_scope(&report, |scope| condition.eval_bool(scope))
    }

    pub(crate) fn render(&self, params: &Params) -> Result<Value, EvalError> {
        let report = if params.source().is_null() {
            Value::Null
        } else {
            self.report_where(&params.source().to_string())
        };
        self.with_scope(&report, |scope| params.render(scope))
    }

    pub(crate) fn render_text(&self, text: &Template) -> Result<String, EvalError> {
        let report = self.report_where(text.source());
        self.with_scope(&report, |scope| text.render(scope))
    }

    /// The report is large: it is made only for what reads it.
    fn report_where(&self, source: &str) -> Value {
        if source.contains("report") {
            self.report()
        } else {
            Value::Null
        }
    }

    /// The evidence bundle: alerts, answers, plans, what was done.
    pub fn report(&self) -> Value {
        let alerts: Vec<Value> = self
            .alerts
            .iter()
            .map(|alert| {
                json!({
                    "name": alert.name, "fingerprint": alert.fingerprint, "status": alert.status,
                    "labels": alert.labels, "annotations": alert.annotations, "starts_at": alert.starts_at,
                })
            })
            .collect();
        let checks: Map<String, Value> = self
            .checks
            .iter()
            .filter_map(|(id, check)| {
                check
                    .finding
                    .as_ref()
                    .map(|finding| (id.0.clone(), json!(finding)))
            })
            .collect();
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "id": step.id, "phase": step.phase, "result": self.results.get(&step.id),
                    "plan": step.work.whole().map(|made| made.plan),
                    "progress": step.work.made().map(|made| made.progress), "undone": step.undone,
                })
            })
            .collect();
        json!({
            "run": self.opened.run, "runbook": self.opened.runbook, "title": self.book.title,
            "opened_at": self.opened_at.to_string(), "phase": self.phase(), "ending": self.ending(),
            "escalated": self.escalated(), "alerts": alerts, "diagnosis": checks, "steps": steps,
        })
    }
}
