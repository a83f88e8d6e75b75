//! A response message in its gRPC frame, with the cached products in it by reference.
//!
//! # Why
//!
//! A cached product is encoded bytes that many answers share. Copying it into each answer would cost an answer of fifty
//! products more time than everything else that the gateway does for it.
//!
//! # Rule
//!
//! A [`FramedMessage`] is what was encoded for one answer, and the products with their places in it. It is a `Buf` of slices,
//! which hyper sends as one piece of data and h2 writes with vectored I/O.
//!
//! # Edge cases
//!
//! Messages that carry no product, and comparisons, which are rare, are encoded whole. Products that are shorter than
//! [`MIN_SHARED_BYTES`] and the parent of a variation family are copied. What is written by hand here (`GetProduct`,
//! `GetProducts`, an entry, an outcome) names every field of the contract, so that a new field does not compile until it is
//! written. In a message with a list prost writes every field but the list.

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};
use stockroom_proto::pb;

use super::frame;
use crate::served::{self, ProductEntry, product_outcome};

/// Below this a slice of its own costs more than a copy: h2 chains no shorter data either.
const MIN_SHARED_BYTES: usize = 256;
/// Capacity for what an answer takes beside its products, and for what each product takes beside its bytes.
const MESSAGE_CAPACITY: usize = 64;
const ENTRY_CAPACITY: usize = 80;

/// A message in its frame.
#[derive(Debug, Default)]
pub(crate) struct FramedMessage {
    /// The frame's header, and the message without the products.
    encoded: Vec<u8>,
    /// How much of it was read.
    read: usize,
    /// The products that were not read, each with its place: the length of `encoded` before it.
    products: std::vec::IntoIter<(usize, Bytes)>,
    /// The bytes that were not read, those of the products included.
    remaining: usize,
}

/// A message that is being put together.
#[derive(Debug)]
pub(crate) struct MessageWriter {
    encoded: Vec<u8>,
    products: Vec<(usize, Bytes)>,
}

/// A response message, which knows how to write the products in it by reference.
pub(crate) trait Encode: Message + Sized {
    /// How many products it carries at most.
    fn product_count(&self) -> usize {
        0
    }

    /// Writes its fields.
    fn write(self, writer: &mut MessageWriter) {
        self.encode_raw(&mut writer.encoded);
    }
}

impl FramedMessage {
    /// Encodes a message.
    pub(crate) fn encode(message: impl Encode) -> Self {
        let count = message.product_count();
        let mut writer = MessageWriter {
            encoded: Vec::with_capacity(MESSAGE_CAPACITY + count * ENTRY_CAPACITY),
            products: Vec::with_capacity(count),
        };
        writer.encoded.extend([0; frame::HEADER_BYTES]);
        message.write(&mut writer);
        writer.finish(false)
    }

    /// The frame of a message that is compressed, or not, already.
    pub(crate) fn from_message(message: &[u8], is_compressed: bool) -> Self {
        let encoded = [&[0; frame::HEADER_BYTES], message].concat();
        MessageWriter { encoded, products: Vec::new() }.finish(is_compressed)
    }

    /// The message without its frame, as one piece.
    pub(crate) fn into_message(mut self) -> Bytes {
        self.advance(frame::HEADER_BYTES);
        let length = self.remaining;
        self.copy_to_bytes(length)
    }
}

/// Data that is no message: health and reflection frame their answers themselves.
impl From<Bytes> for FramedMessage {
    fn from(data: Bytes) -> Self {
        Self { remaining: data.len(), products: vec![(0, data)].into_iter(), ..Self::default() }
    }
}

impl MessageWriter {
    fn finish(mut self, is_compressed: bool) -> FramedMessage {
        let remaining = self.encoded.len() + self.products.iter().map(|(_, product)| product.len()).sum::<usize>();
        if let Some((header, _)) = self.encoded.split_first_chunk_mut() {
            *header = frame::header(u8::from(is_compressed), remaining - frame::HEADER_BYTES);
        }
        FramedMessage { encoded: self.encoded, read: 0, products: self.products.into_iter(), remaining }
    }

    /// Writes the key and the length of a field whose content follows.
    fn begin_field(&mut self, tag: u32, length: usize) {
        encode_key(tag, WireType::LengthDelimited, &mut self.encoded);
        encode_varint(length as u64, &mut self.encoded);
    }

    fn message(&mut self, tag: u32, message: Option<&impl Message>) {
        if let Some(message) = message {
            self.begin_field(tag, message.encoded_len());
            message.encode_raw(&mut self.encoded);
        }
    }

    fn entry(&mut self, tag: u32, entry: ProductEntry) {
        let freshness_length = entry.freshness.as_ref().map(Message::encoded_len);
        self.begin_field(tag, entry_length(&entry, freshness_length));
        self.entry_fields(entry, freshness_length);
    }

    fn entry_fields(&mut self, entry: ProductEntry, freshness_length: Option<usize>) {
        let ProductEntry { product, freshness } = entry;
        if !product.is_empty() {
            self.begin_field(1, product.len());
            if product.len() < MIN_SHARED_BYTES {
                self.encoded.extend_from_slice(&product);
            } else {
                self.products.push((self.encoded.len(), product));
            }
        }
        if let Some((freshness, length)) = freshness.zip(freshness_length) {
            self.begin_field(2, length);
            freshness.encode_raw(&mut self.encoded);
        }
    }

    fn entries(&mut self, tag: u32, entries: Vec<ProductEntry>) {
        entries.into_iter().for_each(|entry| self.entry(tag, entry));
    }

    fn outcome(&mut self, tag: u32, outcome: served::ProductOutcome) {
        let served::ProductOutcome { asin, result } = outcome;
        let asin_length = if asin.is_empty() { 0 } else { field_length(1, asin.len()) };
        match result {
            Some(product_outcome::Result::Entry(entry)) => {
                let freshness_length = entry.freshness.as_ref().map(Message::encoded_len);
                let entry_length = entry_length(&entry, freshness_length);
                self.begin_field(tag, asin_length + field_length(2, entry_length));
                if !asin.is_empty() {
                    self.begin_field(1, asin.len());
                    self.encoded.extend_from_slice(asin.as_bytes());
                }
                self.begin_field(2, entry_length);
                self.entry_fields(entry, freshness_length);
            }
            result => self.message(tag, Some(&served::ProductOutcome { asin, result })),
        }
    }
}

fn entry_length(entry: &ProductEntry, freshness_length: Option<usize>) -> usize {
    let product_length = if entry.product.is_empty() { 0 } else { field_length(1, entry.product.len()) };
    product_length + freshness_length.map_or(0, |length| field_length(2, length))
}

fn field_length(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

impl Encode for served::GetProductResponse {
    fn product_count(&self) -> usize {
        1
    }

    fn write(self, writer: &mut MessageWriter) {
        let Self { entry, cost } = self;
        if let Some(entry) = entry {
            writer.entry(1, entry);
        }
        writer.message(2, cost.as_ref());
    }
}

impl Encode for served::GetProductsResponse {
    fn product_count(&self) -> usize {
        self.outcomes.len()
    }

    fn write(self, writer: &mut MessageWriter) {
        let Self { outcomes, cost } = self;
        outcomes.into_iter().for_each(|outcome| writer.outcome(1, outcome));
        writer.message(2, cost.as_ref());
    }
}

/// Messages with a list of entries: the list is written by reference, and the other fields as prost does.
macro_rules! encode_lists {
    ($($message:ty: $list:ident = $tag:literal),* $(,)?) => {$(
        impl Encode for $message {
            fn product_count(&self) -> usize {
                self.$list.len()
            }

            fn write(mut self, writer: &mut MessageWriter) {
                writer.entries($tag, std::mem::take(&mut self.$list));
                self.encode_raw(&mut writer.encoded);
            }
        }
    )*};
}

encode_lists! {
    served::SearchProductsResponse: products = 1,
    served::StreamSearchResponse: products = 1,
    served::ListTrendingResponse: products = 1,
    served::ListDealsResponse: products = 1,
    served::GetVariationsResponse: variations = 3,
}

impl Encode for served::CompareProductsResponse {}
impl Encode for pb::GetBrowseNodesResponse {}
impl Encode for pb::ListCategoriesResponse {}
impl Encode for pb::ListMarketplacesResponse {}
impl Encode for pb::GetStatusResponse {}
impl Encode for pb::PurgeCacheResponse {}
impl Encode for pb::ReloadResponse {}
impl Encode for pb::ListFeedsResponse {}
impl Encode for pb::GetFeedLinkResponse {}
impl Encode for pb::ListReportsResponse {}
impl Encode for pb::GetReportLinkResponse {}

impl FramedMessage {
    /// What is read next, in order: what was encoded before each product, and the product; then what was encoded behind them.
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut read = self.read;
        let products = self.products.as_slice().iter().flat_map(move |(place, product)| {
            let encoded = self.encoded.get(std::mem::replace(&mut read, *place)..*place);
            [encoded.unwrap_or_default(), product]
        });
        let last = self.products.as_slice().last().map_or(self.read, |(place, _)| *place);
        products.chain(self.encoded.get(last..)).filter(|slice| !slice.is_empty())
    }
}

impl Buf for FramedMessage {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.slices().next().unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pairs = slices.iter_mut().zip(self.slices());
        pairs.map(|(place, slice)| *place = IoSlice::new(slice)).count()
    }

    fn advance(&mut self, count: usize) {
        self.remaining = self.remaining.saturating_sub(count);
        let mut left = count;
        while left > 0 {
            let Some((place, product)) = self.products.as_mut_slice().first_mut() else {
                self.read += left;
                return;
            };
            let encoded = left.min(*place - self.read);
            let shared = (left - encoded).min(product.len());
            self.read += encoded;
            left -= encoded + shared;
            product.advance(shared);
            if product.is_empty() {
                self.products.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(length: usize) -> ProductEntry {
        let freshness = pb::Freshness {
            fetch_time: Some(prost_types::Timestamp { seconds: 1_767_323_045, nanos: 67 }),
            source: pb::Source::Memory.into(),
            ..Default::default()
        };
        ProductEntry { product: (0..length).map(|n| n as u8).collect(), freshness: Some(freshness) }
    }

    fn outcomes() -> served::GetProductsResponse {
        let outcome = |length| served::ProductOutcome {
            asin: "B000000001".to_owned(),
            result: Some(product_outcome::Result::Entry(entry(length))),
        };
        let absence = pb::Absence { message: "none".to_owned(), ..Default::default() };
        let mut outcomes: Vec<_> = [0, 1, 255, 256, 300, 3000, 70_000].map(outcome).into();
        outcomes.insert(
            4,
            served::ProductOutcome { asin: "?".to_owned(), result: Some(product_outcome::Result::Absence(absence)) },
        );
        outcomes.push(served::ProductOutcome::default());
        served::GetProductsResponse { outcomes, cost: Some(pb::Cost { from_memory: 7, ..Default::default() }) }
    }

    fn framed(message: &impl Message) -> Vec<u8> {
        let message = message.encode_to_vec();
        [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat()
    }

    #[test]
    fn the_bytes_are_those_that_prost_writes() {
        let one = served::GetProductResponse { entry: Some(entry(2000)), cost: Some(pb::Cost::default()) };
        let page = served::SearchProductsResponse {
            products: vec![entry(300), entry(3)],
            next_page_token: "next".to_owned(),
            ..Default::default()
        };
        let length = |message: &FramedMessage| message.remaining();
        for (expected, mut message) in [
            (framed(&one), FramedMessage::encode(one)),
            (
                framed(&served::GetProductResponse::default()),
                FramedMessage::encode(served::GetProductResponse::default()),
            ),
            (framed(&outcomes()), FramedMessage::encode(outcomes())),
            (framed(&page), FramedMessage::encode(page)),
            (framed(&pb::ReloadResponse::default()), FramedMessage::encode(pb::ReloadResponse::default())),
        ] {
            assert_eq!(length(&message), expected.len());
            assert_eq!(message.copy_to_bytes(expected.len()), expected);
        }
    }

    #[test]
    fn a_list_may_come_before_fields_with_lower_tags() {
        let family = served::GetVariationsResponse {
            parent_asin: "B000000001".to_owned(),
            parent: Some(entry(500)),
            variations: vec![entry(400), entry(300)],
            ..Default::default()
        };
        let encoded = FramedMessage::encode(family.clone()).into_message();
        assert_eq!(served::GetVariationsResponse::decode(encoded).unwrap(), family);
    }

    #[test]
    fn slices_come_in_order_however_they_are_read() {
        let expected = framed(&outcomes());
        for step in [1, 7, 255, 1000, 16_384, 100_000] {
            let (mut message, mut read) = (FramedMessage::encode(outcomes()), Vec::new());
            while message.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = message.chunks_vectored(&mut slices);
                let together = slices[..count].iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
                assert!(together.starts_with(message.chunk()));
                let taken = step.min(together.len());
                read.extend_from_slice(&together[..taken]);
                message.advance(taken);
            }
            assert!(read == expected, "in steps of {step}");
        }
    }

    #[test]
    fn long_products_are_shared_and_short_ones_are_copied() {
        let message = FramedMessage::encode(outcomes());
        assert_eq!(message.products.len(), 4);
        assert!(message.encoded.len() < 1500, "{}", message.encoded.len());
    }
}
