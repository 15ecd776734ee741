//! Text of lists as lines of bounded length.

use super::error::LineFault;

/// Longest line; the tables that programs write have lines of some hundred bytes.
pub(super) const MAX_LINE_BYTES: usize = 1 << 16;

/// The text without its byte order mark.
///
/// # Errors
/// The line that is not UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, LineFault> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count() as u64;
        LineFault::new(
            line,
            "the text is not UTF-8; convert the file, for example with iconv",
        )
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Refuses lines of more than [`MAX_LINE_BYTES`], and carriage returns that are not before a newline: the rows between
/// them would be one line.
///
/// # Errors
/// The first such line.
pub(super) fn check_lines(text: &str) -> Result<(), LineFault> {
    for (number, line) in lines(text) {
        if line.len() > MAX_LINE_BYTES {
            let text = format!("the line exceeds {MAX_LINE_BYTES} bytes");
            return Err(LineFault::new(number, text));
        }
        if line.contains('\r') {
            let text = "lines end with carriage returns only; convert the file to newlines";
            return Err(LineFault::new(number, text));
        }
    }
    Ok(())
}

/// Lines with their numbers, from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i as u64 + 1, line))
}

/// Words of a line; a word in double quotes may hold white space.
pub(super) fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"');
        let (body, end): (&str, fn(char) -> bool) = match quoted {
            Some(body) => (body, |c| c == '"'),
            None => (rest, char::is_whitespace),
        };
        let (word, after) = match body.find(end) {
            // The end is one byte, or white space that is trimmed.
            Some(at) if quoted.is_some() => (&body[..at], &body[at + 1..]),
            Some(at) => body.split_at(at),
            None => (body, ""),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        assert_eq!(words("  a  \"b c\" d\u{2003}e\n"), ["a", "b c", "d", "e"]);
        assert_eq!(words("\"\" \"open end"), ["", "open end"]);
        assert_eq!(words(" "), [""; 0]);
    }
}
