//! `[[file]]` and `[[space]]`.

use stanch_contract::{ByteSize, Span};

use super::{Content, File, FileIs, Space, at};
use crate::load::fields::{Fields, Got};
use crate::load::node::Node;
use crate::problem::Problems;

pub(super) fn file(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<File> {
    let mut fields = Fields::of(node, "a file", problems)?;
    let at = at(&mut fields, problems);
    let path = fields.needed_text("path", "path = \"scratch/old.log\"", problems);
    let bytes = fields.parsed::<ByteSize>("bytes", problems);
    let content = fields.text("content", problems);
    let age = fields.parsed::<Span>("age", problems);
    let gone = fields.truth("gone", problems);
    fields.finish(problems);
    if let (Some(_), Some(content)) = (&bytes, &content) {
        let message = "a file is `content` or `bytes`, not both";
        problems.add(&content.at, message, "besides `bytes`", None);
    }
    if gone.as_ref().is_some_and(|gone| gone.value) {
        let said = [
            bytes.as_ref().map(|got| &got.at),
            content.as_ref().map(|got| &got.at),
            age.as_ref().map(|got| &got.at),
        ];
        if let Some(at) = said.into_iter().flatten().next() {
            problems.add(
                at,
                "a file that is gone has neither content nor age",
                "gone",
                None,
            );
        }
    }
    let path = path?;
    if !path.value.contains('/') {
        let help = "write the grant's `at`, a slash and the path, as in `scratch/old.log`".to_owned();
        let message = format!("`{}` is not a path in a granted folder", path.value);
        problems.add(&path.at, message, "a folder or a file?", help);
    }
    let content = match (content, bytes) {
        (Some(Got { value, .. }), _) => Content::Text(value.to_owned()),
        (None, bytes) => Content::Bytes(bytes.map_or(0, |got| got.value.0)),
    };
    let what = if gone.is_some_and(|gone| gone.value) {
        FileIs::Gone
    } else {
        FileIs::There {
            content,
            age: age.map_or(Span::ZERO, |got| got.value),
        }
    };
    Some(File {
        at,
        path: path.value.to_owned(),
        what,
    })
}

pub(super) fn space(node: &Node<'_>, problems: &mut Problems<'_>) -> Option<Space> {
    let mut fields = Fields::of(node, "a file system", problems)?;
    let at = at(&mut fields, problems);
    let folder = fields.needed_text("folder", "folder = \"scratch\"", problems);
    let total = fields.needed_parsed::<ByteSize>("total", "total = \"10GiB\"", problems);
    let free = fields.needed_parsed::<ByteSize>("free", "free = \"1GiB\"", problems);
    fields.finish(problems);
    let (folder, total, free) = (folder?, total?, free?);
    if free.value > total.value {
        problems.add(&free.at, "more is free than there is", "more than `total`", None);
    }
    Some(Space {
        at,
        folder: folder.value.to_owned(),
        total: total.value.0,
        free: free.value.0,
    })
}
