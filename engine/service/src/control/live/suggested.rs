//! The smallest grant for what a plugin asked of the gate in a run: in a shadow run before it is trusted, or in one that was refused
//! something.

use stanch_contract::{PluginKey, RunId};
use stanch_sandbox::gate::{self, Seen, Suggestion};

use crate::control::Answer;
use crate::control::types::{Code, Problem, Suggested};
use crate::executor::Engine;
use crate::report::compose::asked;

/// What a run says of a plugin.
pub(super) async fn suggested(engine: &Engine, run: &RunId, plugin: &PluginKey) -> Answer<Suggested> {
    let snapshot = engine.current().load();
    let installed = snapshot.plugins.get(plugin).ok_or_else(|| {
        Problem::new(Code::PluginNotFound, format!("no plugin `{plugin}` is installed"))
            .hint("`stanch plugin list` shows those that are")
    })?;
    let unread = |why: String| Problem::new(Code::Internal, format!("run `{run}` cannot be read: {why}"));
    let state = engine.state(run).await.map_err(unread)?;
    let state = state.ok_or_else(|| Problem::new(Code::RunNotFound, format!("there is no run `{run}`")))?;
    let events = engine.events(run).await.map_err(unread)?;
    let (asked, failed) = asked(&state, &events, plugin);
    if asked.is_empty() {
        return Err(Problem::new(
            Code::NotFound,
            format!("run `{run}` has nothing that `{plugin}` asked of the gate"),
        )
        .hint("`stanch runs show` says what it called; a call that asks for nothing needs no grant"));
    }
    let mut whole = Suggestion::default();
    for (on, asked) in &asked {
        let Suggestion { grant, notes } = gate::suggest(&Seen {
            kind: installed.installation.plugin().kind(),
            calls: &asked.calls,
            actions: &asked.actions,
            on: on.as_deref(),
            now: installed.installation.grant().spec(),
        });
        whole.notes.extend(notes);
        whole.grant.http.extend(grant.http);
        whole.grant.kubernetes.extend(grant.kubernetes);
        whole.grant.files.extend(grant.files);
        whole.grant.notify.extend(grant.notify);
    }
    Ok(Suggested {
        plugin: plugin.clone(),
        grant: whole.grant,
        notes: whole.notes,
        failed,
    })
}
