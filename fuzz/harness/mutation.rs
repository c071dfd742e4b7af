//! Inputs near those of a corpus: bytes, words and lines of them changed, moved, repeated and mixed.

/// Words that parsers trip over.
const WORDS: [&[u8]; 40] = [
    b"",
    b"0",
    b"-1",
    b"1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1e308",
    b"1e-308",
    b"1e999",
    b"-0.0",
    b"NaN",
    b"inf",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"\"\"",
    b"../",
    b"/",
    b"//",
    b"%",
    b"%00",
    b"%2e%2e%2f",
    b"%zz",
    b"+",
    b"&",
    b"?",
    b"=",
    b";",
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"\xc3",
    b"&lt;",
    b"&#x0;",
    b"<![CDATA[",
    b"]]>",
];

pub(super) struct Mutator {
    corpus: Vec<Vec<u8>>,
    random: fastrand::Rng,
}

impl Mutator {
    pub(super) fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { corpus, random: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn next(&mut self) -> Vec<u8> {
        let mut input = self.pick();
        // Mostly few changes: with many of them nothing is read to its end.
        let changes = 1 << self.random.u32(0..5);
        for _ in 0..self.random.u32(1..=changes) {
            self.change(&mut input);
        }
        input.truncate(64 << 10);
        input
    }

    fn pick(&mut self) -> Vec<u8> {
        let which = self.random.usize(0..self.corpus.len());
        self.corpus[which].clone()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.stretch(input);
        match self.random.u8(0..10) {
            0 if from < input.len() => input[from] ^= 1 << self.random.u32(0..8),
            1 if from < input.len() => input[from] = self.random.u8(..),
            2 => drop(input.drain(from..to)),
            3 => {
                let again = input[from..to].to_vec();
                let times = self.random.usize(1..20);
                input.splice(to..to, again.repeat(times));
            }
            4 | 5 => {
                let word = WORDS[self.random.usize(0..WORDS.len())];
                input.splice(from..to, word.iter().copied());
            }
            6 => {
                let other = self.pick();
                let (other_from, other_to) = self.stretch(&other);
                input.splice(from..to, other[other_from..other_to].iter().copied());
            }
            7 => self.change_number(input),
            8 => {
                let moved: Vec<u8> = input.drain(from..to).collect();
                let place = self.random.usize(0..=input.len());
                input.splice(place..place, moved);
            }
            _ => input.truncate(from),
        }
    }

    /// A word, a line, or any other short stretch.
    fn stretch(&mut self, input: &[u8]) -> (usize, usize) {
        let from = self.random.usize(0..=input.len());
        let is_end: fn(u8) -> bool = match self.random.u8(0..3) {
            0 => |byte| byte == b'\n',
            1 => |byte| !byte.is_ascii_alphanumeric(),
            _ => {
                let to = (from + self.random.usize(0..16)).min(input.len());
                return (from, to);
            }
        };
        let start = input[..from].iter().rposition(|byte| is_end(*byte)).map_or(0, |at| at + 1);
        let length = input[start..].iter().position(|byte| is_end(*byte));
        (start, length.map_or(input.len(), |length| start + length))
    }

    /// Another number instead of one.
    fn change_number(&mut self, input: &mut Vec<u8>) {
        let from = self.random.usize(0..=input.len());
        let Some(start) = input[from..].iter().position(u8::is_ascii_digit) else { return };
        let start = from + start;
        let length = input[start..].iter().position(|byte| !byte.is_ascii_digit());
        let end = length.map_or(input.len(), |length| start + length);
        let number = self.random.u64(..) >> self.random.u32(0..64);
        input.splice(start..end, number.to_string().bytes());
    }
}
