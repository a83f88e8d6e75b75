//! Changes an input of the corpus at random: bits, bytes, lengths, and pieces of other inputs.

use fastrand::Rng;

/// The largest input: more only repeats what a smaller one finds, and takes longer.
const MAX_BYTES: usize = 16 * 1024;
/// Values at the edges of lengths, tags and JSON.
const EDGES: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"{",
    b"}",
    b"[",
    b"null",
    b"\"",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    "\u{e9}\u{1f4a1}".as_bytes(),
    b" ",
];

/// An input of the corpus with one to eight changes.
pub(crate) fn mutate(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = pick(corpus, rng).to_vec();
    for _ in 0..rng.usize(1..=8) {
        change(&mut bytes, corpus, rng);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let place = rng.usize(0..=bytes.len());
    let length = rng.usize(0..=16).min(bytes.len() - place);
    match rng.u8(0..8) {
        0 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << rng.u8(0..8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = rng.u8(..);
            }
        }
        2 => drop(bytes.splice(place..place, std::iter::once(rng.u8(..)))),
        3 => drop(bytes.drain(place..place + length)),
        4 => {
            let piece = bytes.get(place..place + length).unwrap_or_default().to_vec();
            let to = rng.usize(0..=bytes.len());
            drop(bytes.splice(to..to, piece));
        }
        5 => bytes.truncate(place),
        6 => {
            let edge = EDGES.get(rng.usize(0..EDGES.len())).copied().unwrap_or_default();
            drop(bytes.splice(place..place + length, edge.iter().copied()));
        }
        _ => {
            let other = pick(corpus, rng);
            let from = rng.usize(0..=other.len());
            let piece = other.get(from..(from + rng.usize(0..=64)).min(other.len())).unwrap_or_default();
            drop(bytes.splice(place..place, piece.iter().copied()));
        }
    }
}

fn pick<'a>(corpus: &'a [Vec<u8>], rng: &mut Rng) -> &'a [u8] {
    corpus.get(rng.usize(0..corpus.len())).map(Vec::as_slice).unwrap_or_default()
}
