//! What a `.cu` file becomes before the host's compiler sees it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// A file of kernels, perhaps altered.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    text: String,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Result<Source> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Source { path: path.to_owned(), text })
    }

    /// The same file with `text`, which must be in it exactly once, replaced.
    pub(crate) fn altered(&self, text: &str, replacement: &str) -> Result<Source> {
        let count = self.text.matches(text).count();
        if count != 1 {
            let path = self.path.display();
            return Err(format!(
                "the text to replace must be in {path} exactly once and is there {count} times"
            ));
        }
        Ok(Source { path: self.path.clone(), text: self.text.replace(text, replacement) })
    }

    /// C++ with the same line numbers, whose kernels make themselves known when their library is loaded.
    pub(crate) fn as_host_code(&self) -> Result<String> {
        let code = with_dynamic_shared_memory(&self.text)
            .map_err(|error| format!("{}: {error}", self.path.display()))?;
        let known: String = kernels(&self.text)
            .iter()
            .map(|Kernel { name, most_threads }| {
                format!("EMULATOR_KERNEL({name}, {most_threads});\n")
            })
            .collect();
        Ok(format!("#include \"register.h\"\n#line 1 {:?}\n{code}\n{known}", self.path))
    }
}

struct Kernel {
    name: String,
    most_threads: String,
}

/// The kernels that a file declares, in its order.
fn kernels(text: &str) -> Vec<Kernel> {
    let text = without_comments(text);
    let declarations = text.split("__global__").skip(1);
    declarations.filter_map(kernel).collect()
}

/// `void __launch_bounds__(256, 2) name(...`, in any order of the first two.
fn kernel(declaration: &str) -> Option<Kernel> {
    let mut rest = declaration.trim_start();
    let mut most_threads = "1024".to_owned();
    loop {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').map(|end| &rest[..end])?;
        rest = rest[word.len()..].trim_start();
        match word {
            "void" | "static" => {}
            "__launch_bounds__" => {
                let (arguments, after) = parenthesised(rest)?;
                most_threads = first_argument(arguments).to_owned();
                rest = after.trim_start();
            }
            name => return Some(Kernel { name: name.to_owned(), most_threads }),
        }
    }
}

/// What the parentheses that `text` begins with hold, and what follows them.
fn parenthesised(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(1..at)?, &text[at + 1..]));
        }
    }
    None
}

fn first_argument(arguments: &str) -> &str {
    let mut depth = 0;
    let end = arguments.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    arguments[..end.unwrap_or(arguments.len())].trim()
}

/// Comments become spaces, so that words in them are not taken for code.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("//").into_iter().chain(rest.find("/*")).min() {
        code += &rest[..start];
        code.push(' ');
        let end = if rest[start..].starts_with("//") { "\n" } else { "*/" };
        rest = rest[start..].find(end).map_or("", |length| &rest[start + length + end.len()..]);
    }
    code + rest
}

/// `extern __shared__ T name[];` becomes a pointer to the memory that the launch asked for.
fn with_dynamic_shared_memory(text: &str) -> Result<String> {
    const BEGIN: &str = "extern __shared__ ";
    let mut parts = text.split(BEGIN);
    let mut code = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let pointer = part.split_once(';').and_then(|(declaration, after)| {
            let (kind, name) = array_without_length(declaration)?;
            Some(format!("{kind} *const {name} = static_cast<{kind} *>(emulator_dynamic_shared_memory());{after}"))
        });
        let line = part.lines().next().unwrap_or_default();
        code += &pointer
            .ok_or_else(|| format!("`{BEGIN}{line}` does not declare an array without a length"))?;
    }
    Ok(code)
}

/// Type and name of `__align__(16) T name[]`, whose first part may be missing.
fn array_without_length(declaration: &str) -> Option<(&str, &str)> {
    let before = declaration.trim_end().strip_suffix("[]")?.trim_end();
    let name = before.rfind(|c: char| !c.is_alphanumeric() && c != '_')? + 1;
    let kind = before[..name].trim();
    let aligned = kind.strip_prefix("__align__").and_then(|rest| parenthesised(rest.trim_start()));
    Some((aligned.map_or(kind, |(_, kind)| kind.trim()), &before[name..]))
}
