//! `[trigger]` and `[inputs]`: when a runbook applies, and what it is told.

use serde_json::Value;
use stanch_contract::Span;

use crate::expr::{InputFacts, Trust};
use crate::input::{self, InputError};
use crate::load::fields::{Fields, Got};
use crate::load::node::Data;
use crate::load::{Cx, is_snake, params};
use crate::matcher::Matcher;
use crate::model::{AtLeast, Input, InputType, Trigger};

/// The longest time in which firings are counted.
const MOST_WITHIN: Span = Span::from_secs(24 * 3_600);

/// `[trigger]`; without one the runbook is started by hand only.
pub(crate) fn trigger(top: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<Trigger> {
    let node = top.node("trigger")?;
    let mut fields = Fields::of(node, "`[trigger]`", &mut cx.problems)?;
    let alerts = fields.texts("alert", &mut cx.problems);
    let matches = fields.texts("match", &mut cx.problems);
    if alerts.as_ref().is_none_or(Vec::is_empty) && matches.as_ref().is_none_or(Vec::is_empty) {
        let message = "`[trigger]` names no alert: it would apply to every one";
        let help = "add `alert = \"NAME\"`, or `match = ['label=\"value\"']`".to_owned();
        cx.problems
            .add(fields.at(), message, "applies to everything", help);
    }
    let mut matchers = Vec::new();
    for got in matches.into_iter().flatten() {
        match Matcher::parse(got.value) {
            Ok(matcher) => matchers.push(matcher),
            Err(error) => cx.problems.add(&got.at, error.to_string(), "not a matcher", None),
        }
    }
    let when = fields.text("when", &mut cx.problems).and_then(|got| {
        params::expression(
            &got,
            &cx.known.before_run("a trigger's condition"),
            &mut cx.problems,
        )
    });
    let group_by = fields.texts("group_by", &mut cx.problems).unwrap_or_default();
    let mut labels: Vec<String> = Vec::new();
    for got in group_by {
        if labels.iter().any(|label| label == got.value) {
            cx.problems.add(
                &got.at,
                format!("the label `{}` is named twice", got.value),
                "again",
                None,
            );
        }
        labels.push(got.value.to_owned());
    }
    let after = fields
        .parsed::<Span>("after", &mut cx.problems)
        .map(|got| got.value);
    let at_least = at_least(&mut fields, cx);
    let again = again(&mut fields, cx);
    fields.finish(&mut cx.problems);
    let alerts = alerts
        .into_iter()
        .flatten()
        .map(|got| got.value.to_owned())
        .collect();
    Some(Trigger {
        alerts,
        matchers,
        when,
        group_by: labels,
        after,
        at_least,
        again,
    })
}

fn at_least(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<AtLeast> {
    let node = fields.node("at_least")?;
    let mut inner = Fields::of(node, "`at_least`", &mut cx.problems)?;
    if !inner.has("count") {
        inner.missing("count", "count = 3", &mut cx.problems);
    }
    // One firing is what a trigger without it waits for.
    let count = inner.count("count", 2, 10_000, &mut cx.problems);
    let within = inner.needed_parsed::<Span>("within", "within = \"10m\"", &mut cx.problems);
    if let Some(got) = within.as_ref().filter(|got| got.value == Span::ZERO) {
        let message = "`within` has to be more than nothing";
        cx.problems.add(&got.at, message, "no time to count in", None);
    }
    if let Some(got) = within.as_ref().filter(|got| got.value > MOST_WITHIN) {
        let message = format!("`within` is longer than {MOST_WITHIN}");
        let help = format!("firings are kept in mind for at most {MOST_WITHIN}");
        cx.problems.add(&got.at, message, "too long", help);
    }
    inner.finish(&mut cx.problems);
    Some(AtLeast {
        count: count?.value,
        within: within?.value,
    })
}

fn again(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<Span> {
    let got = fields.text("again", &mut cx.problems)?;
    if got.value == "never" {
        return None;
    }
    match got.value.parse::<Span>() {
        Ok(span) if span > Span::ZERO => Some(span),
        _ => {
            let help = "write `never`, or a length of time as in `1h`".to_owned();
            cx.problems.add(
                &got.at,
                format!("`again` cannot be `{}`", got.value),
                "cannot be read",
                help,
            );
            None
        }
    }
}

/// `[inputs.NAME]`, in the order of the file. Makes them known to the expressions that follow. `triggered`: alerts start the runbook.
pub(crate) fn inputs(top: &mut Fields<'_, '_>, triggered: bool, cx: &mut Cx<'_>) -> Vec<Input> {
    let mut inputs = Vec::new();
    let Some(node) = top.node("inputs") else {
        return inputs;
    };
    let Data::Table(table) = &node.data else {
        crate::load::fields::wrong_type::<()>(node, "`inputs`", "tables: `[inputs.NAME]`", &mut cx.problems);
        return inputs;
    };
    for entry in &table.entries {
        let name = entry.key.as_ref();
        if !is_snake(name) {
            let help = "write lower-case letters, digits and `_`: expressions say `inputs.NAME`".to_owned();
            cx.problems.add(
                &entry.key_at,
                format!("the input's name `{name}` is not snake_case"),
                "not snake_case",
                help,
            );
        }
        let what = format!("`[inputs.{name}]`");
        let Some(mut fields) = Fields::of(&entry.node, what, &mut cx.problems) else {
            continue;
        };
        const WORDS: [(&str, InputType); 4] = [
            ("string", InputType::String),
            ("integer", InputType::Integer),
            ("number", InputType::Number),
            ("boolean", InputType::Boolean),
        ];
        let kind = fields
            .needed_text("type", "type = \"string\"", &mut cx.problems)
            .and_then(|got| crate::load::fields::one_of(&got, "type", &WORDS, &mut cx.problems));
        let from = fields.text("from", &mut cx.problems).and_then(|got: Got<&str>| {
            params::expression(&got, &cx.known.before_run("an input's `from`"), &mut cx.problems)
        });
        let default = fields
            .node("default")
            .map(|node| (node.to_json(&mut cx.problems), node.at.clone()));
        let visible_to = visible_to(&mut fields, cx);
        fields.finish(&mut cx.problems);
        let kind = kind.unwrap_or(InputType::String);
        if visible_to.is_some() {
            let why = match (kind, from.is_some() || triggered, default.is_some()) {
                (InputType::String, false, false) => None,
                (InputType::String, true, _) => Some((
                    "an alert cannot give it: alerts are kept and shown as they came",
                    "let a person start the runbook: without `[trigger]`, and without `from` here",
                )),
                (InputType::String, ..) => Some((
                    "a default cannot be hidden: this file is seen by all",
                    "take `default` away",
                )),
                _ => Some(("only text can be hidden", "write `type = \"string\"`")),
            };
            if let Some((why, help)) = why {
                let message = format!("`{name}` is visible to a few, and {why}");
                cx.problems
                    .add(&entry.key_at, message, "visible to a few", help.to_owned());
            }
        }
        let outside =
            kind == InputType::String && from.as_ref().is_some_and(|from| from.trust() != Trust::Ours);
        let trust = if outside { Trust::Outside } else { Trust::Ours };
        let hidden = visible_to.is_some();
        cx.known
            .inputs
            .insert(name.to_owned(), InputFacts { trust, hidden });
        let mut input = Input {
            name: name.to_owned(),
            kind,
            from,
            default: None,
            visible_to,
        };
        input.default = default.and_then(|(value, at)| check_default(&input, value, &at, cx));
        inputs.push(input);
    }
    inputs
}

/// Who may see an input; absent: everybody.
fn visible_to(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<Vec<String>> {
    let names = fields.texts("visible_to", &mut cx.problems)?;
    if names.is_empty() {
        let help = "name people, or `group:NAME`; without `visible_to` everybody may see it".to_owned();
        cx.problems.add(
            fields.at(),
            "`visible_to` names nobody",
            "nobody could see it",
            help,
        );
    }
    super::defaults::people(names.iter(), &mut cx.problems);
    Some(names.iter().map(|name| name.value.to_owned()).collect())
}

fn check_default(input: &Input, value: Value, at: &crate::problem::At, cx: &mut Cx<'_>) -> Option<Value> {
    let fits = match (&value, input.kind) {
        // A default is written by the author: it has its type already.
        (Value::String(_), InputType::String) => true,
        (Value::String(_), _) | (_, InputType::String) => false,
        _ => true,
    };
    match input::convert_input(input, value) {
        Ok(value) if fits => Some(value),
        Ok(_) | Err(InputError::Wrong { .. } | InputError::Missing { .. }) => {
            let wanted = input::type_word(input.kind);
            let message = format!("the default of `{}` does not fit its type", input.name);
            cx.problems.add(at, message, format!("has to be {wanted}"), None);
            None
        }
        Err(InputError::Eval { .. }) => None,
    }
}
