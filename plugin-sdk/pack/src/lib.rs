//! Writes and reads the custom section `stanch:manifest` of a component.
//!
//! A manifest that can be read without running code can be reviewed before anything runs. What it says (the schema of the
//! parameters above all) comes out of the plugin's own types at run time, so nothing at compile time can write it: who
//! builds a plugin asks it to describe itself, in a sandbox without capabilities, and appends the answer here. A custom
//! section may stand anywhere between the others and changes nothing of what a component does, so it is put at the end and
//! the rest stays byte for byte as it was.
//!
//! Only the outermost sections are looked at; what is nested in them (modules, components) is skipped by its length.

/// The section's name.
pub const SECTION: &str = "stanch:manifest";

/// The largest manifest that is written or read, in bytes.
pub const MAX_MANIFEST: usize = 256 * 1024;

/// `\0asm`, then version 13 and layer 1: a component, as wasm-tools and wasmtime have had it since 2023.
const HEADER: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/// Why a manifest was not written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The bytes are something else.
    #[error("this is not a WebAssembly component: build for `wasm32-wasip2`")]
    NotAComponent,
    /// A section says that it is longer than what is there.
    #[error("the component is cut off or damaged at byte {0}")]
    Damaged(usize),
    /// There is one already; a second would say which of them is true.
    #[error("the component has a section `{SECTION}` already")]
    AlreadyPacked,
    /// There are several.
    #[error("the component has more than one section `{SECTION}`")]
    Ambiguous,
    /// It is too large.
    #[error("the manifest has {0} bytes, and {MAX_MANIFEST} are the most")]
    TooLarge(usize),
    /// It is not text.
    #[error("the section `{SECTION}` is not UTF-8")]
    NotText,
}

/// The component with the manifest appended as a custom section. `manifest` is the exact text that `describe` gave.
pub fn add_manifest_section(component: &[u8], manifest: &str) -> Result<Vec<u8>, PackError> {
    if manifest.len() > MAX_MANIFEST {
        return Err(PackError::TooLarge(manifest.len()));
    }
    if read_manifest_section(component)?.is_some() {
        return Err(PackError::AlreadyPacked);
    }
    let mut content = Vec::with_capacity(manifest.len() + SECTION.len() + 1);
    write_leb(&mut content, SECTION.len());
    content.extend_from_slice(SECTION.as_bytes());
    content.extend_from_slice(manifest.as_bytes());

    let mut packed = component.to_vec();
    packed.push(0);
    write_leb(&mut packed, content.len());
    packed.extend_from_slice(&content);
    Ok(packed)
}

/// The text of the component's manifest section; none where it has none.
pub fn read_manifest_section(component: &[u8]) -> Result<Option<&str>, PackError> {
    let mut rest = Reader {
        bytes: component,
        at: HEADER.len(),
    };
    if component.get(..HEADER.len()) != Some(&HEADER) {
        return Err(PackError::NotAComponent);
    }
    let mut found = None;
    while rest.at < component.len() {
        let id = rest.byte()?;
        let length = rest.leb()?;
        let content = rest.take(length)?;
        if id != 0 {
            continue;
        }
        let mut section = Reader {
            bytes: content,
            at: 0,
        };
        let name_length = section.leb()?;
        if section.take(name_length)? != SECTION.as_bytes() {
            continue;
        }
        let text = content.get(section.at..).unwrap_or_default();
        if text.len() > MAX_MANIFEST {
            return Err(PackError::TooLarge(text.len()));
        }
        if found
            .replace(std::str::from_utf8(text).map_err(|_| PackError::NotText)?)
            .is_some()
        {
            return Err(PackError::Ambiguous);
        }
    }
    Ok(found)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, PackError> {
        let byte = *self.bytes.get(self.at).ok_or(PackError::Damaged(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned LEB128 of at most 32 bits.
    fn leb(&mut self) -> Result<usize, PackError> {
        let start = self.at;
        let mut value: u64 = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value)
                    .map(|value| value as usize)
                    .map_err(|_| PackError::Damaged(start));
            }
        }
        Err(PackError::Damaged(start))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PackError> {
        let end = self.at.checked_add(length).ok_or(PackError::Damaged(self.at))?;
        let taken = self.bytes.get(self.at..end).ok_or(PackError::Damaged(self.at))?;
        self.at = end;
        Ok(taken)
    }
}

fn write_leb(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with one other custom section and one of another id.
    fn component() -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        bytes.extend_from_slice(&[0, 4, 2, b'h', b'i', b'!', 7, 2, 0xaa, 0xbb]);
        bytes
    }

    #[test]
    fn a_manifest_is_read_back_and_the_rest_is_as_it_was() {
        let manifest = format!(r#"{{"name":"x","summary":"{}"}}"#, "ü".repeat(400));
        let packed = add_manifest_section(&component(), &manifest).unwrap();
        assert_eq!(read_manifest_section(&packed).unwrap(), Some(manifest.as_str()));
        assert!(packed.starts_with(&component()));
        assert_eq!(read_manifest_section(&component()).unwrap(), None);
    }

    #[test]
    fn a_second_manifest_is_refused() {
        let packed = add_manifest_section(&component(), "{}").unwrap();
        assert_eq!(add_manifest_section(&packed, "{}"), Err(PackError::AlreadyPacked));
        let tail = packed.get(component().len()..).unwrap().to_vec();
        let twice = [packed, tail].concat();
        assert_eq!(read_manifest_section(&twice), Err(PackError::Ambiguous));
    }

    #[test]
    fn what_is_not_a_whole_component_is_refused() {
        let module = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
        assert_eq!(read_manifest_section(&module), Err(PackError::NotAComponent));
        assert_eq!(read_manifest_section(b""), Err(PackError::NotAComponent));
        let packed = add_manifest_section(&component(), "{}").unwrap();
        for cut in component().len() + 1..packed.len() {
            assert!(
                matches!(read_manifest_section(&packed[..cut]), Err(PackError::Damaged(_))),
                "cut at {cut}"
            );
        }
        let mut endless = HEADER.to_vec();
        endless.extend_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(
            read_manifest_section(&endless),
            Err(PackError::Damaged(_))
        ));
    }

    #[test]
    fn a_manifest_has_a_largest_size() {
        let large = "x".repeat(MAX_MANIFEST + 1);
        assert_eq!(
            add_manifest_section(&component(), &large),
            Err(PackError::TooLarge(MAX_MANIFEST + 1))
        );
    }
}
